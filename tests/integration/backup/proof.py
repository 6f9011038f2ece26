"""A long history to S3 and back, timed: python -m tests.integration.backup.proof [EVENTS]

Makes a database with that many events (100,000 unless told otherwise), backs it up with `tradingbot backup` to a server
on loopback that speaks S3, proves it with `tradingbot restore --verify`, flips a byte and sees that it is found, and
prints a table. Each command is a process of its own; its peak memory is what the kernel says. Exit code 1 if anything
is not as it should be.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from app.adapters.aws.session import client
from app.adapters.db.database import Database
from tests.aws.server import CREDENTIALS, REGION, ROOT, running_moto
from tests.fakes import FakeClock
from tests.integration.backup.filled import long_history

EVENTS = 100_000
MOST_MEMORY_MB = 400.0
PLACE = "s3://backups/proof"


@dataclass(frozen=True)
class Ran:
    """One command, from its start to its end."""

    what: str
    seconds: float
    cpu_seconds: float
    peak_mb: float
    code: int
    said: str

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.said)
        return found


def run(what: str, *words: str, env: Mapping[str, str], folder: Path) -> Ran:
    start = time.perf_counter()
    command = [sys.executable, "-c", "from app.cli import main; main()", *words]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, cwd=folder, env=dict(env), stdout=said, stderr=subprocess.STDOUT) as process,
    ):
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode()
    cpu = used.ru_utime + used.ru_stime
    return Ran(what, time.perf_counter() - start, cpu, used.ru_maxrss / 1024, process.returncode, text)


async def make(url: str, events: int) -> None:
    database = Database(url, FakeClock())
    await database.open(migrate=True)
    await long_history(database, events)
    await database.close()


def flip(key: str) -> None:
    """One bit in the middle of the object."""
    s3 = client("s3", read_s=60)
    body = bytearray(s3.get_object(Bucket="backups", Key=key)["Body"].read())
    body[len(body) // 2] ^= 0x10
    s3.put_object(Bucket="backups", Key=key, Body=bytes(body))


def prove(events: int, folder: Path) -> tuple[list[Ran], int, list[str]]:
    """The commands that ran, the size of the archive, and what is not as it should be."""
    file = folder / "long.db"
    start, cpu = time.perf_counter(), time.process_time()
    asyncio.run(make(f"sqlite:///{file}", events))
    made = Ran("make the history", time.perf_counter() - start, time.process_time() - cpu, 0.0, 0, "")
    with running_moto() as moto:
        env = {
            **os.environ,
            **CREDENTIALS,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": moto.url,
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": f"sqlite:///{file}",
            "BACKUP_URL": PLACE,
            "ENCRYPTION_KEY": os.urandom(32).hex(),
        }
        os.environ.update({name: env[name] for name in (*CREDENTIALS, "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL")})
        client("s3").create_bucket(Bucket="backups", CreateBucketConfiguration={"LocationConstraint": REGION})
        backup = run("backup to S3", "backup", "--json", env=env, folder=folder)
        verify = run("restore --verify", "restore", "latest", "--verify", "--json", env=env, folder=folder)
        audit = run("restore --audit", "restore", "latest", "--audit", "log.jsonl", "--json", env=env, folder=folder)
        flip(backup.data["address"].removeprefix("s3://backups/"))
        flipped = run("a flipped byte", "restore", "latest", "--verify", env=env, folder=folder)
    checks = {
        "the backup says it is sound": backup.code == 0 and backup.data["events"] == events,
        "the restore is proven": verify.code == 0 and verify.data["ok"] and verify.data["head"] == backup.data["head"],
        "the audit log is whole": audit.code == 0 and audit.data["head"] == backup.data["head"],
        "the flipped byte is found": flipped.code == 1 and "the archive is damaged" in flipped.said,
        f"no command takes more than {MOST_MEMORY_MB:.0f} MB": max(verify.peak_mb, backup.peak_mb) < MOST_MEMORY_MB,
    }
    for ran in (backup, verify, audit):
        if ran.code:
            print(ran.said, file=sys.stderr)  # noqa: T201 - this is a program
    wrong = [what for what, holds in checks.items() if not holds]
    return [made, backup, verify, audit, flipped], backup.data["bytes"], wrong


def main() -> int:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with tempfile.TemporaryDirectory(prefix="proof-") as name:
        folder = Path(name)
        ran, size, wrong = prove(events, folder)
        database_mb = (folder / "long.db").stat().st_size / 1e6
    table = Table(title=f"{events:,} events: database {database_mb:.1f} MB, archive {size / 1e6:.1f} MB")
    table.add_column("step")
    for column in ("seconds", "CPU seconds", "peak MB", "exit code"):
        table.add_column(column, justify="right")
    for step in ran:
        peak = f"{step.peak_mb:.0f}" if step.peak_mb else ""
        table.add_row(step.what, f"{step.seconds:.1f}", f"{step.cpu_seconds:.1f}", peak, str(step.code))
    console = Console()
    console.print(table)
    for what in wrong:
        console.print(f"NOT SO: {what}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
