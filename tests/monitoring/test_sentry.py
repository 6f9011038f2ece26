"""Error reports as Sentry gets them, from the real SDK over a loopback server."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import sentry_sdk
import structlog

from app.adapters.sentry import ErrorReports
from app.log import configure_logging, register_secrets
from tests.monitoring.receiver import Receiver, receiving

CANARY = "canary-5e2d8b6f4c0e9a17"
log = structlog.get_logger("app.worker")


@pytest.fixture
def _logging() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    for handler in set(root.handlers) - set(before):
        root.removeHandler(handler)
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
async def sentry(_logging: None, tmp_path) -> AsyncIterator[Receiver]:
    with receiving() as receiver, (tmp_path / "log").open("w") as stream:
        writer = configure_logging(json=True, stream=stream)
        register_secrets([CANARY])
        reports = ErrorReports(f"http://key@127.0.0.1:{receiver.port}/1", deployment="test", release="r7")
        await reports.start()
        yield receiver
        await reports.close()
        writer.close()


def events(receiver: Receiver) -> list[dict[str, Any]]:
    sentry_sdk.flush(5)
    found = []
    for body in receiver.bodies():
        lines = body.split(b"\n")
        for header, payload in zip(lines[1::2], lines[2::2], strict=False):
            if json.loads(header)["type"] == "event":
                found.append(json.loads(payload))
    return found


def breaks(secret: str) -> None:
    local = f"inside {secret}"
    raise RuntimeError(f"no luck with {local}")


async def test_an_error_arrives_with_its_stack_and_without_a_secret(sentry: Receiver) -> None:
    log.info("before it", token=CANARY, url=f"https://x/bot?signature={CANARY}")
    try:
        breaks(CANARY)
    except RuntimeError:
        log.exception("the handler broke", alert_id="01A", api_key=CANARY, note=f"see {CANARY}")
    (event,) = events(sentry)
    assert event["logentry"]["message"] == "the handler broke"
    assert event["extra"]["alert_id"] == "01A"
    assert event["environment"] == "test"
    assert event["release"] == "r7"
    (error,) = event["exception"]["values"]
    assert error["type"] == "RuntimeError"
    assert error["value"] == "no luck with inside [redacted]"
    assert [frame["function"] for frame in error["stacktrace"]["frames"]][-1] == "breaks"
    assert all("vars" not in frame and "context_line" not in frame for frame in error["stacktrace"]["frames"])
    assert not {"user", "request", "modules", "server_name"} & event.keys()
    assert "before it" in json.dumps(event["breadcrumbs"])
    assert CANARY not in json.dumps(event)


async def test_libraries_that_log_in_their_own_way_are_redacted_too(sentry: Receiver) -> None:
    logging.getLogger("somebody").error("refused %s at https://u:%s@host/", CANARY, CANARY)
    logging.getLogger("somebody").warning("a warning is not a report")
    (event,) = events(sentry)
    assert "refused" in json.dumps(event["logentry"])
    assert CANARY not in json.dumps(event)


@pytest.mark.usefixtures("_logging")
async def test_a_sentry_that_is_away_is_nobodys_problem() -> None:
    reports = ErrorReports("http://key@127.0.0.1:9/1", deployment="test", release="")
    await reports.start()
    logging.getLogger("somebody").error("nobody hears")
    await reports.close()
    assert not sentry_sdk.get_client().is_active()


@pytest.mark.usefixtures("_logging")
async def test_while_settings_are_renewed_reports_go_on_whichever_application_ends() -> None:
    with receiving() as receiver:
        dsn = f"http://key@127.0.0.1:{receiver.port}/1"
        old, failed, new = (ErrorReports(dsn, deployment="test", release=name) for name in ("old", "failed", "new"))
        await old.start()
        await failed.start()
        await failed.close()  # it could not be opened: the old one works on
        logging.getLogger("somebody").error("before the renewal")
        await new.start()
        logging.getLogger("somebody").error("after the renewal")
        await old.close()
        logging.getLogger("somebody").error("after the old one's end")
        sent = sorted((event["logentry"]["message"], event["release"]) for event in events(receiver))
        assert sent == [
            ("after the old one's end", "new"),
            ("after the renewal", "new"),
            ("before the renewal", "old"),
        ]
        await new.close()
        assert not sentry_sdk.get_client().is_active()
        await new.close()  # twice is no harm


@pytest.mark.usefixtures("_logging")
async def test_what_is_still_to_be_sent_at_the_end_holds_up_nobody(monkeypatch) -> None:
    """Connections are closed and orders watched meanwhile, in the same event loop."""
    went_on, waited = threading.Event(), list[bool]()
    reports = ErrorReports("http://key@127.0.0.1:9/1", deployment="test", release="")
    await reports.start()
    monkeypatch.setattr(sentry_sdk.get_client(), "close", lambda **_: waited.append(went_on.wait(10)))
    ending = asyncio.create_task(reports.close())
    await asyncio.sleep(0)
    went_on.set()
    await ending
    assert waited == [True]
