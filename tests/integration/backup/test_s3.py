"""Backups in S3, against a server on loopback that speaks its protocol."""

import base64
import hashlib
import random
from collections.abc import Iterator
from typing import Any

import pytest

from app.adapters.aws import objects
from app.adapters.aws.objects import S3Shelf
from app.adapters.aws.session import client
from app.archive.shelf import Note, archive_name, note_name
from app.domain.errors import BadSettings, OperatorError, StorageUnavailable
from tests.aws.server import moto, moto_process  # noqa: F401 - fixtures
from tests.integration.backup.conftest import Filled
from tests.integration.db.cases import NOW

NAME = archive_name(NOW)
BIG = random.Random(1).randbytes(objects.PART_BYTES + 3)  # two parts


@pytest.fixture
def s3(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:  # noqa: F811
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    found = client("s3")
    found.create_bucket(Bucket="backups", CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
    yield found
    found.close()


async def stored(shelf: S3Shelf, data: bytes = BIG) -> None:
    async with shelf.storing(NAME) as sink:
        for start in range(0, len(data), 3_000_000):
            await sink.write(data[start : start + 3_000_000])


async def read(shelf: S3Shelf) -> bytes:
    return b"".join([data async for data in shelf.reading(NAME)])


def keys(s3: Any) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket="backups").get("Contents", ())]


def test_backup_and_restore(sqlite_filled: Filled, s3: Any) -> None:
    place = "s3://backups/prod/daily"
    first = sqlite_filled.data("backup", "--to", place)
    second = sqlite_filled.data("backup", "--keep", "1", BACKUP_URL=f"{place}/")
    assert second["removed"] == [first["archive"]]
    assert keys(s3) == [f"prod/daily/{second['archive']}", f"prod/daily/{note_name(second['archive'])}"]
    archive = s3.get_object(Bucket="backups", Key=f"prod/daily/{second['archive']}")["Body"].read()
    assert (len(archive), hashlib.sha256(archive).hexdigest()) == (second["bytes"], second["sha256"])
    verified = sqlite_filled.data("restore", "latest", "--verify", BACKUP_URL=place)
    assert (verified["ok"], verified["note_agrees"], verified["events"]) == (True, True, sqlite_filled.events)
    assert verified["address"] == f"{place}/{second['archive']}"


def test_a_flipped_byte_is_found(sqlite_filled: Filled, s3: Any) -> None:
    backup = sqlite_filled.data("backup", "--to", "s3://backups")
    archive = bytearray(s3.get_object(Bucket="backups", Key=backup["archive"])["Body"].read())
    archive[len(archive) // 3] ^= 1
    s3.put_object(Bucket="backups", Key=backup["archive"], Body=bytes(archive))
    said = sqlite_filled.run("restore", "s3://backups/latest", "--verify", code=1).output
    assert "the archive is damaged" in said


async def test_what_is_sent_in_parts_comes_back(s3: Any) -> None:
    shelf = S3Shelf.at("s3://backups/a")
    await stored(shelf)
    assert await read(shelf) == BIG
    assert s3.list_multipart_uploads(Bucket="backups").get("Uploads", []) == []
    other = S3Shelf.at("s3://backups/")
    assert await other.names() == []  # what lies deeper is not its own
    await stored(other, b"")
    assert await read(other) == b""
    assert await other.names() == [NAME]


async def test_a_send_that_breaks_off_leaves_nothing(s3: Any) -> None:
    async def broken_off() -> None:
        async with S3Shelf.at("s3://backups/a").storing(NAME) as sink:
            await sink.write(BIG)
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        await broken_off()
    assert keys(s3) == []
    assert s3.list_multipart_uploads(Bucket="backups").get("Uploads", []) == []


class Damaging:
    """A client whose parts lose a bit on the way, behind the back of the checksum that goes with them."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def upload_part(self, **given: Any) -> Any:
        body = bytearray(given["Body"])
        body[0] ^= 1
        # This server believes the checksum it is told; S3 would refuse here already.
        given["ChecksumSHA256"] = base64.b64encode(hashlib.sha256(body).digest()).decode()
        return self._s3.upload_part(**given | {"Body": bytes(body)})


async def test_what_was_stored_differently_is_not_called_stored(s3: Any) -> None:
    with pytest.raises(StorageUnavailable, match=r"were sent: it was removed, try again"):
        await stored(S3Shelf(Damaging(s3), "backups", "a"))
    assert keys(s3) == []


async def test_what_s3_refuses_is_for_a_person(s3: Any) -> None:
    gone = S3Shelf.at("s3://no-such-bucket/a")
    for asking in (stored(gone), gone.names(), gone.put_text("x", "y"), gone.text("x"), gone.remove("x")):
        with pytest.raises(OperatorError, match="NoSuchBucket"):
            await asking
    with pytest.raises(OperatorError, match="NoSuchKey"):
        await read(S3Shelf.at("s3://backups"))
    assert await S3Shelf.at("s3://backups").text("no such note") is None
    with pytest.raises(BadSettings, match="names no bucket"):
        S3Shelf.at("s3:///prefix")


async def test_more_names_than_one_answer_holds(s3: Any) -> None:
    shelf = S3Shelf.at("s3://backups/a")
    for number in range(3):
        await shelf.put_text(f"{number}.json", Note(NAME, "", 0, "", "", "", 0, "", None).text())
    paged = S3Shelf(Paging(s3), "backups", "a")
    assert await paged.names() == await shelf.names() == ["0.json", "1.json", "2.json"]


class Paging:
    """A client that asks for two names at a time; S3 gives a thousand."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    def list_objects_v2(self, **given: Any) -> Any:
        return self._s3.list_objects_v2(**given, MaxKeys=2)


async def test_no_answer_is_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), ("AWS_REGION", "ap-southeast-2")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    shelf = S3Shelf(client("s3", tries=1), "backups", "a")
    with pytest.raises(StorageUnavailable, match="s3://backups/a/"):
        await shelf.names()
