"""The audit log of a backup as a file of its own: one event a line, as stored, for whoever wants to check or keep it.

The file gets its name only when the archive was read to its end and adds up.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from app.adapters.db.snapshot import ChainWatch
from app.archive.contents import Manifest, Opening, TableStart
from app.archive.errors import ArchiveDamaged
from app.commands.archives import Told
from app.commands.restoring import Archive
from app.domain.errors import OperatorError

_LOG = "events"


@dataclass(frozen=True, slots=True)
class AuditReport:
    address: str
    opening: Opening
    file: Path
    events: int  # that add up, from the first on
    head: str
    broken_at: int | None

    @property
    def ok(self) -> bool:
        return self.broken_at is None


async def write_audit(archive: Archive, file: Path, told: Told) -> AuditReport:
    """Raises OperatorError when the file is there already or cannot be written, ArchiveDamaged as reading does."""
    if file.exists():  # noqa: ASYNC240 - nothing else runs yet
        raise OperatorError(f"{file} is there already: name a new file")
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("w", encoding="utf-8") as lines:
            opening, chain, manifest = await _written(archive, lines, told)
        await archive.compare_note(manifest)
        part.rename(file)
    except OSError as error:
        raise OperatorError(f"{file}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    if chain.broken_at is None and (chain.events, chain.head) != (manifest.events, manifest.head):
        chain.broken_at = chain.events + 1
    return AuditReport(archive.address, opening, file, chain.events, chain.head, chain.broken_at)


async def _written(archive: Archive, lines: TextIO, told: Told) -> tuple[Opening, ChainWatch, Manifest]:
    opening, chain, table, manifest, rows = await archive.opening(), ChainWatch(), TableStart("", ()), None, 0
    async for item in archive.items:
        if isinstance(item, TableStart):
            table = item
        elif isinstance(item, Manifest):
            manifest = item
        elif isinstance(item, list) and table.name == _LOG:
            chain.see(table.columns, item)
            lines.writelines(
                json.dumps(dict(zip(table.columns, values, strict=True)), ensure_ascii=True) + "\n" for values in item
            )
            rows += len(item)
            told(_LOG, rows)
    if manifest is None:
        raise ArchiveDamaged("it ends without its manifest")
    return opening, chain, manifest
