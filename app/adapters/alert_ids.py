"""Names for alerts, made where they arrive."""

import secrets
import time

from app.domain.ids import AlertId

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_alert_id() -> AlertId:
    """26 characters that sort by time of creation: 48 bits of milliseconds and 80 random bits (the ULID layout)."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return AlertId("".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5)))
