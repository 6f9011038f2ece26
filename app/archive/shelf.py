"""Where archives are kept: what a place must be able to do, how archives are called, and the place that is a folder.

An archive is there completely or not at all: it gets its name only when it is whole, and its note, written last, says
that what is stored is what was sent.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from app.domain.errors import OperatorError

SUFFIX = ".tbarchive"
NOTE_SUFFIX = ".json"
_NAME = re.compile(r"tradingbot-(\d{8}T\d{12}Z)" + re.escape(SUFFIX))
_STAMP = "%Y%m%dT%H%M%S%fZ"
_PIECE = 1 << 20


class Sink(Protocol):
    """One archive being stored."""

    async def write(self, data: bytes) -> None: ...


class Shelf(Protocol):
    """A place for archives and their notes. Raises Retryable when it does not answer, OperatorError when it refuses."""

    def storing(self, name: str) -> contextlib.AbstractAsyncContextManager[Sink]:
        """Store what is written in the block: proven to be what was written when it ends, gone when it raises."""
        ...

    def reading(self, name: str) -> AsyncIterator[bytes]: ...

    async def names(self) -> list[str]:
        """Of everything there, in the order of the alphabet."""

    async def put_text(self, name: str, text: str) -> None: ...

    async def text(self, name: str) -> str | None:
        """None when there is none."""

    async def remove(self, name: str) -> None: ...

    def address(self, name: str) -> str:
        """What a person types to get it back."""


@dataclass(frozen=True, slots=True)
class Note:
    """What may be known about an archive without its key.

    Its head is an anchor of the audit chain: kept where whoever can write to the database cannot, it shows a history
    that was rewritten.
    """

    archive: str
    taken_at: str
    bytes: int
    sha256: str  # of the stored archive
    key: str  # the name of the key it opens with
    revision: str
    events: int
    head: str
    broken_at: int | None
    plain_bytes: int = 0  # of the rows, as text: how much room they take where they are put; 0: not known

    def text(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """None for a text that is no note: an archive stands without it, and a new backup must not fail on it.

        What a later release has added to its notes is passed over.
        """
        try:
            told = json.loads(text)
            return cls(**{one.name: told[one.name] for one in fields(cls) if one.name in told})
        except (TypeError, ValueError):
            return None


def archive_name(taken_at: datetime) -> str:
    """Names sort as their times do."""
    return f"tradingbot-{taken_at.astimezone(UTC).strftime(_STAMP)}{SUFFIX}"


def is_archive_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def note_name(archive: str) -> str:
    return archive + NOTE_SUFFIX


async def finished_archives(shelf: Shelf) -> list[str]:
    """The archives that were completed and checked: those with a note. The newest is the last."""
    names = await shelf.names()
    notes = set(names)
    return [name for name in names if is_archive_name(name) and note_name(name) in notes]


class Folder:
    """A Shelf in the file system. Written beside, made durable, read back, then named: a crash leaves no half."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextlib.asynccontextmanager
    async def storing(self, name: str) -> AsyncIterator[Sink]:
        part = self._path / f"{name}.part"
        with _explained(self._path):
            self._path.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("wb") as file:
                    part.chmod(0o600)
                    sink = _FileSink(file)
                    yield sink
                    file.flush()
                    await asyncio.to_thread(os.fsync, file.fileno())
                if await asyncio.to_thread(_sha256, part) != sink.sha256.hexdigest():
                    raise OperatorError(f"{part} is not what was written to it: is the disk sound?")
                part.rename(self._path / name)
                _make_durable(self._path)
            finally:
                part.unlink(missing_ok=True)

    async def reading(self, name: str) -> AsyncIterator[bytes]:
        with _explained(self._path / name), (self._path / name).open("rb") as file:
            while data := await asyncio.to_thread(file.read, _PIECE):
                yield data

    async def names(self) -> list[str]:
        with _explained(self._path):
            return sorted(entry.name for entry in self._path.iterdir()) if self._path.is_dir() else []

    async def put_text(self, name: str, text: str) -> None:
        part = self._path / f"{name}.part"
        with _explained(self._path):
            part.write_text(text, encoding="utf-8")
            part.rename(self._path / name)
            _make_durable(self._path)

    async def text(self, name: str) -> str | None:
        with _explained(self._path / name):
            path = self._path / name
            return path.read_text(encoding="utf-8") if path.is_file() else None

    async def remove(self, name: str) -> None:
        with _explained(self._path / name):
            (self._path / name).unlink(missing_ok=True)

    def address(self, name: str) -> str:
        return str(self._path / name)


class _FileSink:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    async def write(self, data: bytes) -> None:
        self.sha256.update(data)
        await asyncio.to_thread(self._file.write, data)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror or error}") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _make_durable(folder: Path) -> None:
    """What was renamed in it survives a power cut."""
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
