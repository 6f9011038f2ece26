"""`tradingbot demo`: a tape of alerts through the real app and the local exchange at high speed, and its summary."""
