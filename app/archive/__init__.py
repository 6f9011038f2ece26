"""Archives: every table of a database in one encrypted, compressed stream, and where such streams are kept.

It knows no database and no cloud. An archive that was cut, damaged, mixed with another one or opened with another key
raises before a single row of it is believed; docs/concepts/backups.md describes the format byte by byte.
"""
