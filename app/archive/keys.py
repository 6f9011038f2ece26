"""ENCRYPTION_KEY, and what is derived from it: a key for each archive, and a name that tells keys apart.

The key itself encrypts nothing. HKDF-SHA256 (RFC 5869) gives every archive a key of its own from a random salt, so that
two archives never share a nonce under one key, and credentials at rest never share a key with a backup.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.domain.errors import BadSettings

KEY_BYTES = 32
ID_BYTES = 8


@dataclass(frozen=True, slots=True)
class MasterKey:
    """32 random bytes. `name` says which key it is and nothing about it."""

    secret: bytes = field(repr=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """From hexadecimal or base64 (either alphabet, padded or not). Raises BadSettings, which repeats nothing."""
        text = text.strip()
        if re.fullmatch(r"[0-9a-fA-F]{64}", text):
            return cls(bytes.fromhex(text))
        try:
            standard = text.replace("-", "+").replace("_", "/").rstrip("=")
            secret = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if len(secret) != KEY_BYTES:
            raise BadSettings("ENCRYPTION_KEY must be 32 bytes: take the output of `openssl rand -hex 32`")
        return cls(secret)

    @property
    def id(self) -> bytes:
        return _derived(self.secret, b"", b"tradingbot key id", ID_BYTES)

    @property
    def name(self) -> str:
        """The same for the same key, in every archive and on every machine: 16 hexadecimal digits."""
        return self.id.hex()

    def of_archive(self, salt: bytes) -> bytes:
        """The AES-256 key of the archive with that salt."""
        return _derived(self.secret, salt, b"tradingbot archive 1", KEY_BYTES)


def _derived(secret: bytes, salt: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=purpose).derive(secret)
