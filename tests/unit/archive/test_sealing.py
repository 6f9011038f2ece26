"""An archive opens to exactly what was written, or not at all."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.archive.errors import ArchiveDamaged, WrongKey
from app.archive.keys import MasterKey
from app.archive.sealing import CHUNK_BYTES, HEADER_BYTES, TAG_BYTES, Opener, Sealer

KEY, OTHER = MasterKey(bytes(range(32))), MasterKey(bytes(32))
SEALED = CHUNK_BYTES + TAG_BYTES
SALT = b"s" * 32
WORDS = random.Random(1).randbytes(3 * CHUNK_BYTES + 100)  # does not compress: four chunks


def sealed(data: bytes, key: MasterKey = KEY, salt: bytes = SALT) -> bytes:
    sealer = Sealer(key, salt)
    return sealer.header + sealer.write(data) + sealer.finish()


def opened(archive: bytes, key: MasterKey = KEY, piece: int = 100_000) -> bytes:
    return b"".join(_pieces(Opener(key), (archive[at : at + piece] for at in range(0, len(archive), piece))))


def _pieces(opener: Opener, stored: Iterable[bytes]) -> Iterable[bytes]:
    for data in stored:
        yield from opener.read(data)
    yield from opener.finish()


LONG = sealed(WORDS)
SHORT = sealed(b"a few words")
CHUNKS = [LONG[at : at + SEALED] for at in range(HEADER_BYTES, len(LONG), SEALED)]


@given(st.lists(st.binary(max_size=200), max_size=5), st.integers(1, 300))
def test_what_was_written_comes_back(written: list[bytes], piece: int) -> None:
    sealer = Sealer(KEY, SALT)
    archive = sealer.header + b"".join(sealer.write(data) for data in written) + sealer.finish()
    assert opened(archive, piece=piece) == b"".join(written)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 40, CHUNK_BYTES, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 1])
def test_sizes_around_the_chunks(size: int) -> None:
    data = WORDS[:size]
    assert opened(sealed(data)) == data


def test_a_stream_that_fills_its_last_chunk_exactly_ends_there() -> None:
    fits = next(size for size in range(CHUNK_BYTES - 64, CHUNK_BYTES) if len(sealed(WORDS[:size])) == _one_chunk())
    assert opened(sealed(WORDS[:fits])) == WORDS[:fits]


def _one_chunk() -> int:
    return HEADER_BYTES + SEALED


def test_much_that_compresses_well_is_given_out_in_bounded_pieces() -> None:
    archive = sealed(bytes(40 << 20))
    assert len(archive) < CHUNK_BYTES
    pieces = [len(piece) for piece in _pieces(Opener(KEY), [archive])]
    assert sum(pieces) == 40 << 20
    assert max(pieces) <= 1 << 20


@pytest.mark.parametrize("position", range(len(SHORT)))
def test_every_flipped_byte_of_a_short_archive_is_found(position: int) -> None:
    for bit in (0x01, 0x80):
        with pytest.raises((ArchiveDamaged, WrongKey)):
            opened(_flipped(SHORT, position, bit))


@given(st.integers(0, len(LONG) - 1), st.integers(1, 255))
def test_a_flipped_byte_anywhere_is_found(position: int, bits: int) -> None:
    with pytest.raises((ArchiveDamaged, WrongKey)):
        opened(_flipped(LONG, position, bits))


@given(st.integers(0, len(LONG) - 1))
def test_a_cut_anywhere_is_found(length: int) -> None:
    with pytest.raises(ArchiveDamaged):
        opened(LONG[:length])


def test_a_cut_between_two_chunks_is_found() -> None:
    for count in range(len(CHUNKS)):
        with pytest.raises(ArchiveDamaged):
            opened(LONG[: HEADER_BYTES + count * SEALED])


@pytest.mark.parametrize(
    "order", [(1, 0, 2, 3), (0, 2, 1, 3), (0, 1, 3), (0, 1, 2, 3, 3), (0, 1, 1, 2, 3), (3,)], ids=str
)
def test_chunks_out_of_place_are_found(order: tuple[int, ...]) -> None:
    with pytest.raises(ArchiveDamaged):
        opened(LONG[:HEADER_BYTES] + b"".join(CHUNKS[number] for number in order))


def test_a_chunk_of_another_archive_is_found() -> None:
    other = sealed(WORDS, salt=b"t" * 32)
    for number in range(len(CHUNKS)):
        start = HEADER_BYTES + number * SEALED
        with pytest.raises(ArchiveDamaged, match=f"chunk {number}"):
            opened(LONG[:start] + other[start : start + SEALED] + LONG[start + SEALED :])


def test_the_header_of_another_archive_is_found() -> None:
    with pytest.raises(ArchiveDamaged, match="chunk 0"):
        opened(sealed(b"", salt=b"t" * 32)[:HEADER_BYTES] + LONG[HEADER_BYTES:])


def test_bytes_behind_the_end_are_found() -> None:
    with pytest.raises(ArchiveDamaged):
        opened(LONG + b"x")


def test_another_key_is_called_by_its_name() -> None:
    with pytest.raises(WrongKey, match=f"named {KEY.name}.* named {OTHER.name}"):
        opened(LONG, key=OTHER)


def test_something_else_is_not_an_archive() -> None:
    with pytest.raises(ArchiveDamaged, match="does not begin as an archive"):
        opened(b"PGDMP" + bytes(100))


def test_nothing_of_a_damaged_chunk_is_given_out() -> None:
    given_out = bytearray()

    def read() -> None:
        for piece in Opener(KEY).read(_flipped(LONG, HEADER_BYTES + SEALED, 1)):
            given_out.extend(piece)

    with pytest.raises(ArchiveDamaged, match="chunk 1 "):
        read()
    assert 0 < len(given_out) <= CHUNK_BYTES
    assert WORDS.startswith(given_out)


def test_two_archives_of_the_same_rows_have_nothing_in_common() -> None:
    other = sealed(WORDS, salt=b"t" * 32)[HEADER_BYTES:]
    assert not any(chunk == other[n * SEALED : (n + 1) * SEALED] for n, chunk in enumerate(CHUNKS))
    assert b"a few words" not in SHORT


def test_a_salt_is_never_short() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(KEY, b"short")


def _flipped(archive: bytes, position: int, bits: int) -> bytes:
    return archive[:position] + bytes([archive[position] ^ bits]) + archive[position + 1 :]
