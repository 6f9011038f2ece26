"""A local futures exchange that real exchange clients can trade on: paper trading is an exchange, not a code path."""
