"""Somebody changes one byte of the records behind the bot's back: `tradingbot verify` names the row."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.judge import all_is_well

TRADINGBOT = Path(sys.executable).parent / "tradingbot"


@pytest.fixture
async def records(site):
    """An installation that has traded and is at rest, and the number of an event in the middle."""
    async with site() as it:
        app = await it.start()
        for kind in ("long", "exit"):
            alert = it.alert("BTCUSDT", kind)
            await app.post(alert)
            await app.finished(alert)
        await all_is_well(it, app)
        app.program.terminate()
        assert await app.program.ended(25) == 0
        seq = await it.books.one("SELECT seq FROM events WHERE type = 'DecisionMade' ORDER BY seq LIMIT 1")
        yield it, seq


async def test_verify_names_the_row_with_a_flipped_byte(records):
    it, seq = records
    data = await it.books.one(f"SELECT data FROM events WHERE seq = {seq}")
    if it.books.sqlite_file:
        await it.books.do("PRAGMA wal_checkpoint(TRUNCATE)")
        _flip_in_file(Path(it.books.sqlite_file), data.encode())
    else:
        flipped = data.replace("leverage", "meverage", 1)
        await it.books.do(f"UPDATE events SET data = '{flipped.replace(chr(39), chr(39) * 2)}' WHERE seq = {seq}")
    assert await it.books.one(f"SELECT data FROM events WHERE seq = {seq}") != data

    # The installed command, as a person would run it.
    command = [TRADINGBOT, "verify", "--json"]
    done = await asyncio.to_thread(subprocess.run, command, env=it.env, cwd=it.folder, capture_output=True, timeout=120)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert (report["ok"], report["bad_seq"], report["fault"]) == (False, seq, "altered")


def _flip_in_file(file: Path, text: bytes) -> None:
    """One bit of the beginning of `text`, where it stands in the file."""
    content, begin = bytearray(file.read_bytes()), text[:80]
    assert content.count(begin) == 1
    content[content.index(begin) + begin.index(b"leverage")] ^= 1
    file.write_bytes(content)
