"""The hash chain: how an event becomes text, and the text a hash that vouches for everything before it.

The hash of a row is SHA-256, in hexadecimal, over the UTF-8 bytes of this JSON array, written without spaces and with
everything outside ASCII escaped:

    [prev_hash, seq, stream, version, type, at, data]

`at` is UTC with microseconds (2026-01-05T12:00:00.000000+00:00); `data` is the stored text itself, as a JSON string;
the `prev_hash` of the first row is 64 zeros. Anything that reads JSON and knows SHA-256 can check it.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.adapters.db.types import utc_text

HASHED = ("prev_hash", "seq", "stream", "version", "type", "at", "data")


def canonical(data: Any) -> str:
    """JSON with sorted keys, without spaces, in ASCII: the same value always has the same text."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def row_hash(row: Mapping[str, Any]) -> str:
    """The hash of a row of `events`, from its other columns; `at` as a time or as the text of one."""
    parts = [utc_text(row[name]) if isinstance(row[name], datetime) else row[name] for name in HASHED]
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
