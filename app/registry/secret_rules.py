"""What a webhook secret must be like, and how it is kept: as its SHA-256, because it is long and random."""

import hashlib
import re

SHORTEST = 8  # in paper mode, so that it can be blanked out of stored messages
_STRONG_TEXT, _STRONG_HEX = 43, 64  # characters that hold 256 bits
_FEWEST_DIFFERENT = 12
_PLACEHOLDER = re.compile(r"change.?me|example|placeholder|your.?secret|replace|xxxx|<|>|\$\{", re.IGNORECASE)


def digest(secret: str) -> bytes:
    """SHA-256. Slow hashing protects guessable passwords; 256 random bits need none."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def weakness(secret: str, *, paper: bool) -> str | None:
    """Why this is no secret to trade with; None when it is one. Paper trading only asks that it can be blanked."""
    if len(secret) < SHORTEST:
        return f"is shorter than {SHORTEST} characters"
    if paper:
        return None
    if _PLACEHOLDER.search(secret):
        return "is a placeholder"
    is_hex = re.fullmatch(r"[0-9a-fA-F]+", secret) is not None
    if len(secret) < (_STRONG_HEX if is_hex else _STRONG_TEXT) or len(set(secret)) < _FEWEST_DIFFERENT:
        return f"is too easy to guess: {_STRONG_TEXT} random characters are needed, or {_STRONG_HEX} hexadecimal ones"
    return None
