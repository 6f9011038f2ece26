"""The first application and the next: who answers while it cannot begin, what is kept out of the log, what is said."""

import asyncio
from types import SimpleNamespace

import pytest
import structlog
from starlette.responses import JSONResponse

from app.application import Role
from app.commands.renewal import Pace, Renewal, Tenant
from app.domain.errors import SchemaBehind, StorageRefused, StorageUnavailable, VenueUnavailable
from app.log import HIDDEN, redact
from app.settings.rotation import SettingsSource
from tests.fakes import FakeClock

OLD, NEW = "an-api-token-of-the-old-kind-0123456789", "an-api-token-of-the-new-kind-9876543210"
PATIENT = Pace(every_s=3600, again_s=0.001)


class Store(dict):
    def __call__(self, refs):
        return {ref.name: self[ref.name] for ref in refs if ref.name in self}


class House:
    """A renewal whose applications do nothing; `troubles` are what opening the next ones raises."""

    def __init__(self, pace=PATIENT, *, troubles=(), doubts=(), porter=None):
        self.store = Store(API_TOKEN=OLD)
        env = {"SECRETS_FROM_AWS": "API_TOKEN=token, WEBHOOK_SECRET=hook"}
        self.source = SettingsSource(self.store, env=env, env_file=None)
        self.settings = self.source.first()
        self.troubles = list(troubles)
        self.doubts = list(doubts)  # what asking about their keys raises
        self.opened = []
        self.again = asyncio.Event()  # the second application stands
        self.once_more = asyncio.Event()  # the third
        self.doubted = asyncio.Event()
        self.clock = FakeClock()
        self.stop = asyncio.Event()
        extra = {"porter": porter} if porter else {}
        self.renewal = Renewal(self.source, self._make, clock=self.clock, luck=lambda: 0.5, pace=pace, **extra)

    def _make(self, settings):
        async def open_(*, migrate):
            del migrate
            await self.before_opening()
            if self.troubles:
                raise self.troubles.pop(0)
            self.opened.append(settings)
            if len(self.opened) > 1:
                self.again.set()
            if len(self.opened) > 2:
                self.once_more.set()

        async def check_key():
            if self.doubts:
                self.doubted.set()
                raise self.doubts.pop(0)

        async def run(stop):
            await stop.wait()

        async def close():
            pass

        return Tenant(
            SimpleNamespace(open=open_, check_key=check_key, run=run, close=close, role=Role.API, notes=()),
            JSONResponse({"who": "tenant"}),
        )

    async def before_opening(self):
        pass

    async def first(self, *, migrate=False):
        return await self.renewal.first(self.settings, migrate=migrate, stop=self.stop)


async def asked(door):
    said = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        said.append(message)

    await door({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)
    return said[1]["body"]


class Porter:
    def __init__(self, settings, calls):
        self.token = settings.server.api_token.get_secret_value()
        self.web = JSONResponse({"who": self.token})
        self.calls = calls

    async def open(self):
        self.calls.append(("open", self.token))

    async def close(self):
        self.calls.append(("close", self.token))


# --- before the first ------------------------------------------------------------------------------------


async def test_a_porter_answers_until_the_first_application_stands_and_follows_the_secrets():
    calls, answers = [], []

    def porter(settings):
        it.store["API_TOKEN"] = NEW  # rotated while the database is away
        return Porter(settings, calls)

    async def listen():
        answers.append(await asked(it.renewal.door) if calls else b"nobody")

    it = House(troubles=[StorageUnavailable("no"), SchemaBehind("no"), StorageUnavailable("no")], porter=porter)
    it.before_opening = listen
    assert await it.first() is not None
    assert answers == [b"nobody", *[f'{{"who":"{NEW}"}}'.encode()] * 3]
    assert await asked(it.renewal.door) == b'{"who":"tenant"}'
    assert calls == [("open", OLD), ("open", NEW), ("close", OLD), ("close", NEW)]
    assert it.opened[0].server.api_token.get_secret_value() == NEW


async def test_who_is_told_to_stop_meanwhile_lets_go_of_the_porter():
    calls = []

    def porter(settings):
        it.stop.set()
        return Porter(settings, calls)

    it = House(Pace(3600, again_s=3600), troubles=[StorageUnavailable("no")], porter=porter)
    assert await it.first() is None
    await it.renewal.close()
    assert calls == [("open", OLD), ("close", OLD)]


async def test_a_venue_that_does_not_vouch_for_the_key_yet_is_waited_for_even_by_who_migrates_and_alerts_are_taken_in():
    it = House(Pace(3600, again_s=0.05), doubts=[VenueUnavailable("no"), VenueUnavailable("no")])
    starting = asyncio.create_task(it.first(migrate=True))
    await it.doubted.wait()
    assert await asked(it.renewal.door) == b'{"who":"tenant"}'
    assert not starting.done()
    assert await starting is not None
    assert len(it.opened) == 1  # it was asked about, not opened, again


async def test_a_key_that_is_rotated_while_it_is_doubted_replaces_the_application():
    it = House(doubts=[VenueUnavailable("no")])
    it.store["API_TOKEN"] = NEW
    await it.first()
    assert [settings.server.api_token.get_secret_value() for settings in it.opened] == [OLD, NEW]


async def test_new_settings_whose_key_is_doubted_leave_the_old_application_at_work():
    it = House(Pace(every_s=0.001, stagger_s=0, least_s=0, again_s=0.001))
    await it.first()
    it.doubts = [VenueUnavailable("no")]
    running = asyncio.create_task(it.renewal.run(it.stop))
    it.store["API_TOKEN"] = NEW
    await it.once_more.wait()
    it.stop.set()
    await running
    assert it.doubts == []


@pytest.mark.parametrize(
    ("error", "passing"), [(StorageUnavailable, True), (StorageRefused, False), (SchemaBehind, False)]
)
async def test_the_porter_knows_whether_the_trouble_passes_by_itself(error, passing):
    calls, seen = [], []

    async def look():
        seen.append(it.renewal._porter and it.renewal._porter.passing)

    it = House(troubles=[StorageUnavailable("no"), error("no")], porter=lambda settings: Porter(settings, calls))
    it.before_opening = look
    await it.first()
    assert seen == [None, True, passing]


async def test_who_migrates_does_not_wait_for_a_database():
    it = House(troubles=[StorageUnavailable("no")])
    with pytest.raises(StorageUnavailable):
        await it.first(migrate=True)


async def test_a_secret_that_was_rotated_while_waiting_is_kept_out_of_the_log():
    it = House(troubles=[StorageUnavailable("no")])
    it.store |= {"API_TOKEN": "an-api-token-seen-while-waiting-31415926", "WEBHOOK_SECRET": "hook-" * 9}
    await it.first()
    assert redact("it is an-api-token-seen-while-waiting-31415926.") == f"it is {HIDDEN}."


# --- one after the other -----------------------------------------------------------------------------------


async def test_the_newest_settings_after_the_wait_are_used_and_what_changed_is_named():
    """A key pair is rotated in two steps: one application for both, whose log line names both."""
    it = House(Pace(every_s=0.001, stagger_s=60, least_s=0))
    await it.first()
    slept = asyncio.Event()
    go = asyncio.Event()

    async def sleep(seconds):
        assert seconds == 30
        slept.set()
        await go.wait()

    it.clock.sleep = sleep
    with structlog.testing.capture_logs() as lines:
        running = asyncio.create_task(it.renewal.run(it.stop))
        it.store["API_TOKEN"] = NEW
        await slept.wait()
        it.store["WEBHOOK_SECRET"] = "h7" * 22
        go.set()
        await it.again.wait()
        it.stop.set()
        await running
    assert it.opened[1].server.api_token.get_secret_value() == NEW
    assert it.opened[1].intake.webhook_secret.get_secret_value() == "h7" * 22
    (said,) = [line for line in lines if line["event"] == "settings changed"]
    assert (said["names"], said["role"]) == (["API_TOKEN", "WEBHOOK_SECRET"], "api")
    assert len(it.opened) == 2
