"""The running application, exchanged for one with newer settings when secrets were rotated. The process lives on.

The new one is built and opened first; only when it stands do requests go to it, and the old one is told to stop, ends
what it has begun and is closed. Settings that cannot be used, or not yet (a key the venue does not know), leave the old
one at work and are tried again: the readiness check `settings` fails until they are in force.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.deps import Probe
from app.application import Application
from app.domain.errors import (
    BadSettings,
    OperatorError,
    SchemaBehind,
    StorageRefused,
    StorageUnavailable,
    VenueUnavailable,
)
from app.log import redact, register_secrets
from app.ports import Clock
from app.settings import Settings
from app.settings.rotation import SettingsSource

log = structlog.get_logger(__name__)
_NOT_IN_FORCE = "the rotated settings cannot be used; the old ones stay in force"
START_S = 2.0  # TradingView hangs up after 3
REQUESTS_S = 5.0  # that began in the old application may end in it


class Door:
    """An ASGI app whose inside can be exchanged while it serves: a request ends in the app it began in.

    Before anybody is there a request waits a moment, and is answered 503 then: TradingView sends that again.
    """

    def __init__(self) -> None:
        self._inside: ASGIApp = self._nobody
        self._opened = asyncio.Event()
        self._within: Counter[ASGIApp] = Counter()
        self._left = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        inside = self._inside
        self._within[inside] += 1
        try:
            await inside(scope, receive, send)
        finally:
            self._within[inside] -= 1
            if not self._within[inside]:
                del self._within[inside]  # or an app that was exchanged would be remembered for ever
            self._left.set()

    def change(self, inside: ASGIApp) -> None:
        """What comes from now on goes there."""
        self._inside = inside
        self._opened.set()

    async def _nobody(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                await self._opened.wait()
        inside = self._inside if self._opened.is_set() else JSONResponse({"status": "starting"}, 503)
        await inside(scope, receive, send)

    async def left(self, inside: ASGIApp, patience_s: float) -> None:
        """Until the last request in an app that was exchanged has ended, or for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while self._within[inside]:
                    self._left.clear()
                    await self._left.wait()


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds."""

    every_s: float  # between looks for rotated secrets
    hurry_s: float = 5.0  # between looks while the database refuses its password
    stagger_s: float = 30.0  # before a change is acted on: up to so long, by lot, for several processes see it at once
    least_s: float = 60.0  # between two renewals
    again_s: float = 5.0  # before the new settings are tried again; doubles up to `least_s`


@dataclass(frozen=True, slots=True)
class Tenant:
    """An application and the web app in front of it."""

    application: Application
    web: ASGIApp


class Porter(Protocol):
    """Answers at the door while the first application cannot begin: takes alerts in where that needs no database."""

    passing: bool  # an outage that ends by itself; False: somebody has to change something

    @property
    def web(self) -> ASGIApp: ...
    async def open(self) -> None: ...
    async def close(self) -> None: ...


class Renewal:
    """Runs applications one after the other. `luck` gives numbers from 0 to 1; `make` raises as build() does.

    `porter` makes who answers meanwhile, where there can be one.
    """

    def __init__(
        self,
        source: SettingsSource,
        make: Callable[[Settings], Tenant],
        *,
        clock: Clock,
        luck: Callable[[], float],
        pace: Pace,
        porter: Callable[[Settings], Porter | None] = lambda _: None,
    ) -> None:
        self._source = source
        self._make = make
        self._make_porter = porter
        self._porter: Porter | None = None
        self._told_porter: Settings | None = None
        self._clock = clock
        self._luck = luck
        self._pace = pace
        self._refused = asyncio.Event()
        self._looked_at = clock.monotonic()
        self._trouble = ""  # why settings that are sound are not in force
        self._turn = asyncio.Event()  # ends the present tenant's work
        self._tenant: Tenant | None = None
        self.door = Door()
        """What to serve: the present application, whichever it is."""

    @property
    def probes(self) -> Mapping[str, Probe]:
        """Further readiness checks of the applications that `make` builds."""
        return {"settings": self._settings_probe} if self._source.rotates else {}

    def refused(self) -> None:
        """The database refuses its password: look for a new one soon."""
        self._refused.set()

    async def first(self, settings: Settings, *, migrate: bool, stop: asyncio.Event) -> Application | None:
        """Build and open the first application. Raises as those do. `close` it in any case.

        Where somebody else migrates, a database that is away or not migrated yet is waited for: a task that is started
        during a failover is worth more than one that keeps ending. So is, always, a venue that has to say what a live
        key may do: alerts are taken in meanwhile. None when told to stop meanwhile.
        """
        present: Settings | None = None  # the present tenant's
        while True:
            try:
                if present is not settings:
                    await self._let_in(await self._try(settings, migrate=migrate))
                    present = settings
                assert self._tenant is not None  # noqa: S101 - just let in
                await self._tenant.application.check_key()
            except (StorageUnavailable, SchemaBehind, VenueUnavailable) as error:
                if migrate and not isinstance(error, VenueUnavailable):
                    raise
                log.warning("cannot begin yet", why=redact(str(error)))
                if self._tenant is None:
                    await self._call_porter(settings, passing=not isinstance(error, StorageRefused | SchemaBehind))
            else:
                self._source.take_news()  # what was rotated meanwhile is what it began with
                return self._tenant.application
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pace.again_s):
                    await stop.wait()
                    return None
            if self._source.rotates and (newer := await self._look()):
                settings = newer
                if self._porter is not None:  # at once: an alert with the new secret may come now
                    await self._call_porter(settings, passing=self._porter.passing)

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop and all work has ended; leaves the last application open, for requests that still come."""
        if self._tenant is None:
            raise RuntimeError("there is no application to run: begin with first()")
        async with asyncio.TaskGroup() as group:
            self._move_in(group, self._tenant)
            renewing = group.create_task(self._renew(group)) if self._source.rotates else None
            await stop.wait()
            self._turn.set()
            if renewing is not None:
                renewing.cancel()

    async def close(self) -> None:
        await self._dismiss_porter()
        if self._tenant is not None:
            await self._tenant.application.close()
            self._tenant = None

    # --- before the first -----------------------------------------------------------------------------

    async def _call_porter(self, settings: Settings, *, passing: bool) -> None:
        """One with these settings answers from now on."""
        if self._porter is not None:
            self._porter.passing = passing
            if self._told_porter is settings:
                return
        register_secrets(settings.secrets())
        called = self._make_porter(settings)
        if called is None:
            return
        called.passing, self._told_porter = passing, settings
        try:
            await called.open()
        except BaseException:
            await called.close()
            raise
        before, self._porter = self._porter, called
        self.door.change(called.web)
        log.warning("alerts are taken in without the database until it answers")
        if before is not None:
            await self._leave_to(before)

    async def _dismiss_porter(self) -> None:
        porter, self._porter = self._porter, None
        if porter is not None:
            await self._leave_to(porter)

    async def _leave_to(self, porter: Porter) -> None:
        """Its requests end, then it goes."""
        await self.door.left(porter.web, REQUESTS_S)
        await porter.close()

    async def _let_in(self, tenant: Tenant) -> None:
        """It answers from now on; who did before it goes."""
        before, self._tenant = self._tenant, tenant
        self.door.change(tenant.web)
        await self._dismiss_porter()
        if before is not None:
            await self.door.left(before.web, REQUESTS_S)
            await before.application.close()

    # --- one after the other --------------------------------------------------------------------------

    def _move_in(self, group: asyncio.TaskGroup, tenant: Tenant) -> None:
        self._turn = asyncio.Event()
        self._tenant = tenant
        self.door.change(tenant.web)
        group.create_task(self._live(tenant, self._turn))

    async def _live(self, tenant: Tenant, turn: asyncio.Event) -> None:
        """From its first work to its end; the present one is closed by whoever closes us."""
        try:
            await tenant.application.run(turn)
        finally:
            if tenant is not self._tenant:
                await self.door.left(tenant.web, REQUESTS_S)
                await tenant.application.close()
                log.info("the application with the old settings has ended")

    async def _renew(self, group: asyncio.TaskGroup) -> None:
        renewed_at = float("-inf")
        while True:
            settings = await self._next_settings()
            urgent = self._refused.is_set()
            lot_s = 0.0 if urgent else self._luck() * self._pace.stagger_s
            wait_s = max(lot_s, renewed_at + self._pace.least_s - self._clock.monotonic())
            if wait_s > 0:
                await self._clock.sleep(wait_s)
                settings = await self._look() or settings  # a key pair is rotated in two steps
            tenant = await self._opened(settings)
            renewed_at = self._clock.monotonic()
            self._turn.set()
            self._move_in(group, tenant)
            self._refused.clear()
            facts = {"role": tenant.application.role.value, "seats": "; ".join(tenant.application.notes)}
            log.info("settings changed", names=self._source.take_news(), **facts)

    async def _opened(self, settings: Settings) -> Tenant:
        """The next tenant, open. Tries for as long as it takes, with the newest settings there are."""
        pause_s = self._pace.again_s
        while True:
            try:
                tenant = await self._try(settings, checked=True)
            except Exception as error:  # noqa: BLE001 - whatever it is, the old application works on
                self._trouble = f"{type(error).__name__}: {redact(str(error))}"
                log.error(_NOT_IN_FORCE, why=self._trouble)  # noqa: TRY400 - a traceback says nothing to who rotated
            else:
                self._trouble = ""
                return tenant
            await self._clock.sleep(pause_s)
            pause_s = min(2 * pause_s, self._pace.least_s)
            settings = await self._look() or settings

    async def _try(self, settings: Settings, *, migrate: bool = False, checked: bool = False) -> Tenant:
        register_secrets(settings.secrets())
        tenant = self._make(settings)
        try:
            await tenant.application.open(migrate=migrate)
            if checked:
                await tenant.application.check_key()
        except BaseException:
            await tenant.application.close()
            raise
        return tenant

    # --- looking --------------------------------------------------------------------------------------

    async def _next_settings(self) -> Settings:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pace.every_s):
                    await self._refused.wait()
                    await self._clock.sleep(self._looked_at + self._pace.hurry_s - self._clock.monotonic())
            if settings := await self._look():
                return settings
            self._refused.clear()

    async def _look(self) -> Settings | None:
        self._looked_at = self._clock.monotonic()
        try:
            return await asyncio.to_thread(self._source.changed)
        except BadSettings as error:
            log.error(_NOT_IN_FORCE, why=str(error))  # noqa: TRY400 - a traceback says nothing to who rotated
        except Exception:
            log.exception("could not look for rotated secrets")
        return None

    async def _settings_probe(self) -> str:
        if trouble := self._source.problem or self._trouble:
            raise OperatorError(trouble)
        return "as they are kept"
