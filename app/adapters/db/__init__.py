"""The durable core: inbox, lanes, hash-chained event log and its projections, on SQLite and PostgreSQL alike.

`database.Database` is the way in. When the database cannot take a write, callers see StorageUnavailable and nothing
was half stored; a 2xx is only ever given for what is on disk.
"""
