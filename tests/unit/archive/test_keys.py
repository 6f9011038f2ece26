import base64

import pytest

from app.archive.keys import MasterKey
from app.domain.errors import BadSettings

SECRET = bytes(range(200, 232))  # its base64 has both letters that the two alphabets spell differently


@pytest.mark.parametrize(
    "text",
    [
        SECRET.hex(),
        SECRET.hex().upper(),
        base64.b64encode(SECRET).decode(),
        base64.urlsafe_b64encode(SECRET).decode(),
        base64.b64encode(SECRET).decode().rstrip("="),
        f" {SECRET.hex()}\n",
    ],
)
def test_the_same_key_however_it_is_spelled(text: str) -> None:
    assert MasterKey.read(text) == MasterKey(SECRET)


@pytest.mark.parametrize("text", ["", "short", "ab" * 31, "x" * 64, SECRET.hex() + "00", "not base64 at all! " * 3])
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadSettings, match="ENCRYPTION_KEY must be 32 bytes") as refused:
        MasterKey.read(text)
    assert not text.strip() or text not in str(refused.value)


def test_keys_are_told_apart_by_a_name_that_is_no_part_of_them() -> None:
    key, other = MasterKey(SECRET), MasterKey(bytes(32))
    assert key.name == MasterKey(SECRET).name != other.name
    assert key.name not in SECRET.hex()
    assert len(key.name) == 16


def test_every_archive_has_a_key_of_its_own() -> None:
    key = MasterKey(SECRET)
    keys = {key.of_archive(b"a" * 32), key.of_archive(b"b" * 32), SECRET, key.id}
    assert len(keys) == 4


def test_the_key_does_not_show() -> None:
    assert SECRET.hex() not in repr(MasterKey(SECRET))
    assert str(SECRET) not in repr(MasterKey(SECRET))
