"""Candles on disk: Parquet by month, filled from the venues' public history, checked and queried with DuckDB.

store reads and writes, download fills from a venue, soundness checks, sql answers queries, joining keeps longer bars.
Only soundness and sql load DuckDB (0.3 s), so nothing is gathered here.
"""
