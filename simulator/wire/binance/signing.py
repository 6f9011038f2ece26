"""Who is asking, and when: API key, HMAC-SHA256 signature, timestamp window. A failure here executes nothing.

The signature covers the query string followed by the body, exactly as sent, without the signature itself.
"""

import hashlib
import hmac
from urllib.parse import parse_qsl

from simulator.wire.binance.codes import WireError, missing
from simulator.wire.binance.params import Params

_AHEAD_MS = 1000
_DEFAULT_WINDOW_MS = 5000
_LARGEST_WINDOW_MS = 60_000
_KEY_LENGTH = 3  # anything shorter cannot be a key


def read(query: str, body: str) -> dict[str, str]:
    """All parameters of a request. Raises WireError when one is sent twice."""
    pairs = [*parse_qsl(query, keep_blank_values=True), *parse_qsl(body, keep_blank_values=True)]
    values = dict(pairs)
    if len(values) != len(pairs):
        raise WireError(-1101, "Duplicate values for a parameter detected.")
    return values


def check_key(sent: str | None, api_key: str) -> None:
    if not sent or len(sent) < _KEY_LENGTH:
        raise WireError(-2014, "API-key format invalid.", status=401)
    if not hmac.compare_digest(sent.encode(), api_key.encode()):
        raise WireError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)


def check_signature(query: str, body: str, sent: str | None, secret: str) -> None:
    if not sent:
        raise missing("signature")
    expected = hmac.new(secret.encode(), (_unsigned(query) + _unsigned(body)).encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), sent.encode()):
        raise WireError(-1022, "Signature for this request is not valid.")


def check_time(params: Params, now_ms: int, haste: float) -> None:
    """Not more than a second ahead, not older than recvWindow. A clock that runs fast stretches both alike."""
    stamp = params.integer("timestamp")
    window = params.maybe_integer("recvWindow") or _DEFAULT_WINDOW_MS
    if window > _LARGEST_WINDOW_MS:
        raise WireError(-1131, "recvWindow must be less than 60000.")
    if stamp >= now_ms + _AHEAD_MS * haste:
        raise WireError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - stamp > window * haste:
        raise WireError(-1021, "Timestamp for this request is outside of the recvWindow.")


def _unsigned(text: str) -> str:
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))
