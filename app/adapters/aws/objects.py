"""Backups in S3: a Shelf over one bucket and prefix.

An archive is sent in parts while it is made, each with its SHA-256, which S3 checks on arrival. It becomes an object
only when it is complete, and is called stored only when S3's own checksum and length of that object are ours. A send
that fails is abandoned on both sides; where even that fails, a rule of the bucket has to end it.
"""

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from app.adapters.aws.session import FAILURES, client, code_of
from app.archive.shelf import Sink
from app.domain.errors import BadSettings, OperatorError, StorageUnavailable, TradingBotError

PART_BYTES = 8 << 20  # 10,000 parts are the most: archives up to 80 GB
_PIECE = 1 << 20
_READ_S = 60.0
_TRIES = 5
_ABSENT = frozenset({"NoSuchKey", "404"})
# Asking again does not help: somebody has to change a policy, a name or a key.
_REFUSALS = _ABSENT | frozenset(
    {
        "AccessDenied",
        "AllAccessDisabled",
        "403",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidBucketName",
        "KMS.DisabledException",
        "KMS.NotFoundException",
        "NoCredentialsError",
        "NoRegionError",
        "NoSuchBucket",
        "ParamValidationError",
        "SignatureDoesNotMatch",
    }
)


class S3Shelf:
    """Archives under s3://bucket/prefix/."""

    def __init__(self, s3: Any, bucket: str, prefix: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @classmethod
    def at(cls, address: str) -> Self:
        """From s3://bucket/prefix. Raises BadSettings when it names no bucket, or nobody knows the region."""
        bucket, _, prefix = address.removeprefix("s3://").partition("/")
        if not bucket:
            raise BadSettings(f"{address} names no bucket: write s3://bucket/prefix")
        try:
            return cls(client("s3", read_s=_READ_S, tries=_TRIES), bucket, prefix)
        except FAILURES as error:
            raise BadSettings(f"{address}: {error}: set AWS_REGION") from error

    @contextlib.asynccontextmanager
    async def storing(self, name: str) -> AsyncIterator[Sink]:
        key = self._prefix + name
        begun = await self._ask(name, self._s3.create_multipart_upload, Key=key, ChecksumAlgorithm="SHA256")
        upload = _Upload(self, name, begun["UploadId"])
        try:
            yield upload
            await upload.end()
        except BaseException:
            with contextlib.suppress(TradingBotError):  # what made us stop is the news, not this
                await self._ask(name, self._s3.abort_multipart_upload, Key=key, UploadId=upload.id)
            raise
        try:
            await self._compare(name, upload)
        except BaseException:
            with contextlib.suppress(TradingBotError):
                await self.remove(name)
            raise

    async def reading(self, name: str) -> AsyncIterator[bytes]:
        found = await self._ask(name, self._s3.get_object, Key=self._prefix + name)
        with contextlib.closing(found["Body"]) as body:
            while data := await self._call(name, body.read, _PIECE):
                yield data

    async def names(self) -> list[str]:
        names: list[str] = []
        more: dict[str, str] = {}
        while True:
            page = await self._ask("", self._s3.list_objects_v2, Prefix=self._prefix, Delimiter="/", **more)
            names += [item["Key"].removeprefix(self._prefix) for item in page.get("Contents", ())]
            if not page.get("IsTruncated"):
                return sorted(names)
            more = {"ContinuationToken": page["NextContinuationToken"]}

    async def put_text(self, name: str, text: str) -> None:
        body = text.encode()
        checked = {"ChecksumSHA256": _base64(hashlib.sha256(body).digest())}
        await self._ask(name, self._s3.put_object, Key=self._prefix + name, Body=body, **checked)

    async def text(self, name: str) -> str | None:
        try:
            found = await asyncio.to_thread(self._s3.get_object, Bucket=self._bucket, Key=self._prefix + name)
            with contextlib.closing(found["Body"]) as body:
                return str((await asyncio.to_thread(body.read)).decode())
        except FAILURES as error:
            if code_of(error) in _ABSENT:
                return None
            raise self._meant(name, error) from error

    async def remove(self, name: str) -> None:
        await self._ask(name, self._s3.delete_object, Key=self._prefix + name)

    def address(self, name: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{name}"

    async def send_part(self, name: str, upload: str, number: int, part: bytes, digest: bytes) -> dict[str, Any]:
        """What S3 wants to hear of the part when all are there."""
        mark = {"PartNumber": number, "ChecksumSHA256": _base64(digest)}
        sent = await self._ask(name, self._s3.upload_part, Key=self._prefix + name, UploadId=upload, Body=part, **mark)
        return {"ETag": sent["ETag"], **mark}

    async def complete(self, name: str, upload: str, parts: list[dict[str, Any]]) -> None:
        done = self._s3.complete_multipart_upload
        await self._ask(name, done, Key=self._prefix + name, UploadId=upload, MultipartUpload={"Parts": parts})

    async def _compare(self, name: str, upload: "_Upload") -> None:
        """What S3 says it has must be what was sent."""
        found = await self._ask(name, self._s3.head_object, Key=self._prefix + name, ChecksumMode="ENABLED")
        checksum = str(found.get("ChecksumSHA256", "")).partition("-")[0]  # of the parts' checksums, then their number
        if (found["ContentLength"], checksum) != (upload.length, upload.checksum):
            raise StorageUnavailable(
                f"{self.address(name)}: {found['ContentLength']:,} bytes with the checksum {checksum or '(none)'} were "
                f"stored where {upload.length:,} with {upload.checksum} were sent: it was removed, try again"
            )

    async def _ask(self, name: str, call: Callable[..., Any], **arguments: Any) -> Any:
        return await self._call(name, call, Bucket=self._bucket, **arguments)

    async def _call(self, name: str, call: Callable[..., Any], *given: Any, **arguments: Any) -> Any:
        try:
            return await asyncio.to_thread(call, *given, **arguments)
        except FAILURES as error:
            raise self._meant(name, error) from error

    def _meant(self, name: str, error: Exception) -> TradingBotError:
        code = code_of(error)
        kind = OperatorError if code in _REFUSALS else StorageUnavailable
        return kind(f"{self.address(name)}: {code}: {error}")


@dataclass(slots=True)
class _Upload:
    """A Sink that sends a part whenever there is enough for one."""

    shelf: S3Shelf
    name: str
    id: str
    length: int = 0
    waiting: bytearray = field(default_factory=bytearray)
    parts: list[dict[str, Any]] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)

    @property
    def checksum(self) -> str:
        """As S3 computes it for an object that was sent in parts."""
        return _base64(hashlib.sha256(b"".join(self.digests)).digest())

    async def write(self, data: bytes) -> None:
        self.waiting += data
        while len(self.waiting) >= PART_BYTES:
            part = bytes(self.waiting[:PART_BYTES])
            del self.waiting[:PART_BYTES]
            await self._send(part)

    async def end(self) -> None:
        if self.waiting or not self.parts:
            await self._send(bytes(self.waiting))
        await self.shelf.complete(self.name, self.id, self.parts)

    async def _send(self, part: bytes) -> None:
        digest = hashlib.sha256(part).digest()
        self.parts.append(await self.shelf.send_part(self.name, self.id, len(self.parts) + 1, part, digest))
        self.digests.append(digest)
        self.length += len(part)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
