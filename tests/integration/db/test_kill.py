"""kill -9 at any moment: what was confirmed is there, what is there adds up, and another process takes over."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from app.adapters.db.database import Database
from app.adapters.db.replay import replay
from app.adapters.db.verify import verify_chain
from tests.fakes import FakeClock
from tests.integration.db.cases import an_alert

ROOT = Path(__file__).resolve().parents[3]
VICTIM = """
import asyncio, sys
from app.adapters.db.database import Database
from tests.fakes import FakeClock
from tests.integration.db.cases import an_alert

async def main():
    async with Database(sys.argv[1], FakeClock(), busy_timeout_s=30, put_timeout_s=30) as database:
        await database.inbox.put(an_alert(0))
        claim = await database.inbox.claim("victim", 30)
        print("claimed", claim.alert.alert_id, claim.fence.token, flush=True)

        async def sender(first):
            for number in range(first, 100_000, 8):
                await database.inbox.put(an_alert(number))
                print("stored", number, flush=True)  # here the sender would get its answer

        await asyncio.gather(*(sender(first) for first in range(1, 9)))

asyncio.run(main())
"""


async def test_what_was_confirmed_survives(database_url: str, engine: AsyncEngine, clock: FakeClock) -> None:
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-c", VICTIM, database_url, cwd=ROOT, stdout=asyncio.subprocess.PIPE, env=os.environ
    )
    assert victim.stdout is not None
    claimed = (await asyncio.wait_for(victim.stdout.readline(), 120)).split()
    confirmed = [int((await asyncio.wait_for(victim.stdout.readline(), 120)).split()[1]) for _ in range(100)]
    victim.send_signal(signal.SIGKILL)
    confirmed += [int(line.split()[1]) for line in (await victim.stdout.read()).splitlines(keepends=True)[:-1]]
    await victim.wait()

    async with Database(
        database_url, clock, wall_clock=lambda: datetime.now(UTC) + timedelta(seconds=31), put_timeout_s=30
    ) as survivor:
        for number in confirmed:
            assert (await survivor.inbox.put(an_alert(number))).duplicate
        report = await verify_chain(engine)
        assert report.ok
        assert report.count == await survivor.inbox.backlog() >= len(confirmed) + 1
        assert (await replay(engine)).ok
        taken = await survivor.inbox.claim("survivor", 30)
    assert taken is not None
    assert taken.alert.alert_id == claimed[1].decode()
    assert (taken.attempt, taken.fence.token) == (2, int(claimed[2]) + 1)
