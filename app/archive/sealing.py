"""Any stream of bytes, compressed and encrypted so that whoever reads it gets exactly what was written, or an error.

    magic (8) | key id (8) | salt (32) | chunk 0 | chunk 1 | … | last chunk

The stream is compressed with zlib and cut into chunks of 64 KiB, the last one shorter or equal. Each is encrypted with
AES-256-GCM: nonce = number of the chunk (11 bytes, big-endian) and whether it is the last (1 byte); associated data =
the whole header. So a chunk opens only in its own place of its own archive, and an archive ends only where it was
ended: the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár (2015), as in the age file format.
Nothing is given out before the chunk it stands in was authenticated.
"""

import zlib
from collections.abc import Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.archive.errors import ArchiveDamaged, WrongKey
from app.archive.keys import ID_BYTES, MasterKey

MAGIC = b"TBARCH1\n"
SALT_BYTES = 32
HEADER_BYTES = len(MAGIC) + ID_BYTES + SALT_BYTES
CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
_SEALED = CHUNK_BYTES + TAG_BYTES
_LEVEL = 6  # of zlib: half the size of level 1, and still faster than the database is read
_PIECE = 1 << 20  # the most that is given out at once


class Sealer:
    """Turns what is written into an archive. `salt` must be random and new: 32 bytes of `secrets.token_bytes`."""

    def __init__(self, key: MasterKey, salt: bytes) -> None:
        if len(salt) != SALT_BYTES:
            raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
        self.header = MAGIC + key.id + salt
        self._cipher = AESGCM(key.of_archive(salt))
        self._press = zlib.compressobj(_LEVEL)
        self._waiting = bytearray()
        self._number = 0

    def write(self, data: bytes) -> bytes:
        """What can be stored now; the header must be stored before it."""
        self._waiting += self._press.compress(data)
        return self._sealed()

    def finish(self) -> bytes:
        """The rest. Nothing can be written after it."""
        self._waiting += self._press.flush()
        return self._sealed() + self._seal(bytes(self._waiting), last=True)

    def _sealed(self) -> bytes:
        """Every chunk that is full and certainly not the last."""
        done = []
        while len(self._waiting) > CHUNK_BYTES:
            done.append(self._seal(bytes(self._waiting[:CHUNK_BYTES]), last=False))
            del self._waiting[:CHUNK_BYTES]
        return b"".join(done)

    def _seal(self, chunk: bytes, *, last: bool) -> bytes:
        sealed = self._cipher.encrypt(_nonce(self._number, last=last), chunk, self.header)
        self._number += 1
        return sealed


class Opener:
    """Takes an archive in pieces of any size and gives back what was written, in pieces of at most 1 MiB.

    Raises ArchiveDamaged where it does not add up, WrongKey when another key made it. What was given out is genuine;
    that it is also complete is certain only after `finish`.
    """

    def __init__(self, key: MasterKey) -> None:
        self._key = key
        self._header = b""
        self._cipher: AESGCM | None = None
        self._waiting = bytearray()
        self._number = 0
        self._press = zlib.decompressobj()

    def read(self, data: bytes) -> Iterator[bytes]:
        self._waiting += data
        if self._cipher is None:
            if len(self._waiting) < HEADER_BYTES:
                return
            self._cipher = self._begin()
        while len(self._waiting) > _SEALED:  # at least one byte follows: it is not the last
            yield from self._opened(self._cipher, _SEALED, last=False)

    def finish(self) -> Iterator[bytes]:
        """The rest, once the source has no more."""
        if self._cipher is None:
            raise ArchiveDamaged(f"it ends after {len(self._waiting)} bytes, inside its header")
        yield from self._opened(self._cipher, len(self._waiting), last=True)
        while piece := self._press.decompress(b"", _PIECE):
            yield piece
        if not self._press.eof or self._press.unused_data:
            raise ArchiveDamaged("the compressed stream in it does not end where the archive ends")

    def _begin(self) -> AESGCM:
        header = bytes(self._waiting[:HEADER_BYTES])
        if not header.startswith(MAGIC):
            raise ArchiveDamaged("it does not begin as an archive does")
        made_with = header[len(MAGIC) : len(MAGIC) + ID_BYTES]
        if made_with != self._key.id:
            raise WrongKey(
                made_with.hex(),
                f"the archive was made with the ENCRYPTION_KEY named {made_with.hex()}, and the one that is set is "
                f"named {self._key.name}: set the key of that time",
            )
        self._header = header
        del self._waiting[:HEADER_BYTES]
        return AESGCM(self._key.of_archive(header[len(MAGIC) + ID_BYTES :]))

    def _opened(self, cipher: AESGCM, length: int, *, last: bool) -> Iterator[bytes]:
        sealed = bytes(self._waiting[:length])
        del self._waiting[:length]
        try:
            chunk = cipher.decrypt(_nonce(self._number, last=last), sealed, self._header)
        except (InvalidTag, ValueError):
            place = HEADER_BYTES + self._number * _SEALED
            how = "altered, cut or out of place" if last else "altered or out of place"
            raise ArchiveDamaged(f"chunk {self._number} (from byte {place:,}) is {how}") from None
        self._number += 1
        yield from self._unpressed(chunk)

    def _unpressed(self, chunk: bytes) -> Iterator[bytes]:
        while chunk:
            try:
                piece = self._press.decompress(chunk, _PIECE)
            except zlib.error as error:
                raise ArchiveDamaged(f"the compressed stream in it breaks off: {error}") from error
            if piece:
                yield piece
            chunk = self._press.unconsumed_tail


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")
