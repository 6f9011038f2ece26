"""Telegram as it is on the wire: a loopback Bot API answers, its ledger is what arrived."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import pytest

from app.adapters.telegram.notifier import ChannelBusy, NotDelivered, TelegramNotifier
from app.log import configure_logging
from app.pipeline.notify import deliver_due
from tests.fakes import FakeClock
from tests.unit.notify.outbox import MemoryOutbox

TOKEN = "123456789:AAcanaryTELEGRAMcanaryTELEGRAMcana1"
ME, GROUP = 4242, -100777


@dataclass
class Answer:
    status: int
    body: dict[str, object] | bytes


def flood(seconds: float) -> Answer:
    return Answer(429, {"ok": False, "error_code": 429, "description": "x", "parameters": {"retry_after": seconds}})


@dataclass
class BotApi:
    """Takes messages; answers what the test queued, else as Telegram would."""

    url: str = ""
    queued: list[Answer] = field(default_factory=list)
    arrived: list[dict[str, str]] = field(default_factory=list)  # accepted messages
    asked: int = 0
    hang: asyncio.Event | None = None
    asked_once: asyncio.Event = field(default_factory=asyncio.Event)
    refuse: Callable[[dict[str, str]], Answer | None] = lambda _: None

    def answer(self, path: str, form: dict[str, str]) -> Answer:
        if path.split("/")[1] != f"bot{TOKEN}":
            return Answer(401, {"ok": False, "error_code": 401, "description": "Unauthorized"})
        if self.queued:
            return self.queued.pop(0)
        if refused := self.refuse(form):
            return refused
        if path.endswith("/getMe"):
            return Answer(
                200, {"ok": True, "result": {"id": 1, "is_bot": True, "first_name": "b", "username": "mybot"}}
            )
        self.arrived.append(form)
        chat = {"id": int(form["chat_id"]), "type": "private"}
        return Answer(200, {"ok": True, "result": {"message_id": 1, "date": 1767614400, "chat": chat}})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                path = line.split()[1].decode()
                length = 0
                while (header := await reader.readline()).strip():
                    name, _, value = header.decode().partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                form = {k: v[0] for k, v in parse_qs((await reader.readexactly(length)).decode()).items()}
                self.asked += 1
                self.asked_once.set()
                if self.hang:
                    await self.hang.wait()
                answer = self.answer(path, form)
                body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (answer.status, len(body)) + body)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    api = BotApi()
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    api.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield api
    if api.hang:
        api.hang.set()
    server.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def connect(api: BotApi, clock: FakeClock) -> AsyncIterator[Callable[..., TelegramNotifier]]:
    made: list[TelegramNotifier] = []

    def make(*chats: int, token: str = TOKEN, label: str = "") -> TelegramNotifier:
        made.append(TelegramNotifier(token, chats or (ME,), clock=clock, base_url=api.url, label=label))
        return made[-1]

    yield make
    for notifier in made:
        await notifier.close()


async def test_a_message_arrives_as_plain_text_in_every_chat(api, connect):
    await connect(ME, GROUP, label="PAPER ").send("✅ LONG <BTC> *0.015* @ 64,210 & more_")
    assert sorted(m["chat_id"] for m in api.arrived) == [str(GROUP), str(ME)]
    assert {m["text"] for m in api.arrived} == {"PAPER ✅ LONG <BTC> *0.015* @ 64,210 & more_"}
    assert all("parse_mode" not in m for m in api.arrived)


async def test_flood_control_is_honoured_without_touching_the_wire_again(api, connect, clock):
    notifier = connect()
    api.queued = [flood(35)]
    with pytest.raises(ChannelBusy) as refusal:
        await notifier.send("one")
    assert refusal.value.retry_after_s == 35
    clock.advance(30)
    with pytest.raises(ChannelBusy):
        await notifier.send("one")
    assert api.asked == 1
    clock.advance(6)
    await notifier.send("one")
    assert [m["text"] for m in api.arrived] == ["one"]


@pytest.mark.parametrize("body", [b"slow down", {"ok": False}, {"ok": False, "parameters": {"retry_after": "x"}}])
async def test_a_429_that_does_not_say_how_long_means_a_second(api, connect, body):
    api.queued = [Answer(429, body)]
    with pytest.raises(ChannelBusy) as refusal:
        await connect().send("one")
    assert refusal.value.retry_after_s == 1


async def test_flood_control_reaches_the_outbox_as_a_pause(api, connect):
    outbox = MemoryOutbox("one")
    api.queued = [flood(35)]
    delivery = await deliver_due(outbox, connect(), RealSleep())
    assert (delivery.wait_s, outbox.errors) == (35.0, [])


async def test_messages_to_one_chat_are_spaced(api, connect, clock):
    notifier, began = connect(), clock.monotonic()
    for n in range(4):
        await notifier.send(str(n))
    assert clock.monotonic() - began == 3.0
    assert len(api.arrived) == 4


async def test_groups_get_at_most_twenty_a_minute(api, connect, clock):
    notifier, began = connect(GROUP), clock.monotonic()
    for n in range(21):
        await notifier.send(str(n))
    assert clock.monotonic() - began == 60.0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(500, {"ok": False, "description": "Internal Server Error"}), "Internal Server Error"),
        (Answer(502, b"<html>bad gateway</html>"), "Bad Gateway"),
        (Answer(403, {"ok": False, "description": "Forbidden: bot was blocked by the user"}), "TELEGRAM_CHAT_IDS"),
        (Answer(400, {"ok": False, "description": "Bad Request: chat not found"}), "TELEGRAM_CHAT_IDS"),
        (Answer(200, b"not json"), "Invalid server response"),
    ],
)
async def test_refusals_say_what_and_who(api, connect, answer, words):
    api.queued = [answer]
    with pytest.raises(NotDelivered, match=words):
        await connect().send("one")


async def test_a_group_that_moved_is_followed(api, connect):
    notifier = connect(GROUP)
    api.queued = [Answer(400, {"ok": False, "description": "x", "parameters": {"migrate_to_chat_id": -100888}})]
    with pytest.raises(NotDelivered, match="-100888: change TELEGRAM_CHAT_IDS"):
        await notifier.send("one")
    await notifier.send("one")
    assert [m["chat_id"] for m in api.arrived] == ["-100888"]


async def test_only_the_chats_that_missed_it_get_it_again(api, connect):
    notifier = connect(ME, 4343)
    api.refuse = lambda form: Answer(500, {"ok": False}) if form["chat_id"] == "4343" else None
    for _ in range(3):
        with pytest.raises(NotDelivered, match="chat 4343"):
            await notifier.send("one")
    api.refuse = lambda _: None
    await notifier.send("one")
    assert sorted(m["chat_id"] for m in api.arrived) == [str(ME), "4343"]


class RealSleep(FakeClock):
    """For what waits on a real socket: the limit on a sending must not be over at once."""

    def __init__(self, limit: asyncio.Event | None = None) -> None:
        super().__init__()
        self._limit = limit or asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        await self._limit.wait()


async def test_a_server_that_hangs_only_makes_the_message_late(api, connect):
    api.hang = asyncio.Event()
    outbox, over = MemoryOutbox("one"), asyncio.Event()
    delivering = asyncio.create_task(deliver_due(outbox, connect(), RealSleep(over)))
    await asyncio.wait_for(api.asked_once.wait(), 5)
    over.set()  # ten seconds have passed
    assert (await asyncio.wait_for(delivering, 5)).failed
    assert outbox.errors == [("k0", "TimeoutError: no answer within 10 s")]
    assert list(outbox.waiting) == ["k0"]


async def test_nobody_there(connect, api):
    api.url = "http://127.0.0.1:9"  # the discard port: nothing listens
    with pytest.raises(NotDelivered, match="ConnectError"):
        await connect().send("one")


async def test_the_bot_knows_its_name(connect):
    assert await connect().whoami() == "mybot"


async def test_a_wrong_token_is_explained_and_never_shown(api, connect):
    wrong = "123456789:AAwrongCANARYwrongCANARYwrongCANAR2"
    notifier = connect(token=wrong)
    for attempt in (notifier.whoami(), notifier.send("one")):
        with pytest.raises(NotDelivered, match="check TELEGRAM_BOT_TOKEN") as refusal:
            await attempt
        assert wrong not in repr(refusal.value)


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
async def test_the_token_is_in_no_log_line(api, connect, level, tmp_path):
    path = tmp_path / "log"
    before, root = logging.getLogger().handlers[:], logging.getLogger()
    with path.open("w") as stream:
        writer = configure_logging(level, stream=stream)
        try:
            notifier = connect()
            await notifier.send("one")
            api.queued = [Answer(200, b"not json"), Answer(500, b"oops"), flood(1)]
            for _ in range(3):
                with pytest.raises(NotDelivered):
                    await notifier.send("two")
            logging.getLogger("httpx").warning("https://api.telegram.org/bot%s/x", TOKEN)
            assert writer.flush(5)
        finally:
            writer.close()
            root.handlers[:] = before
            for name in ("httpx", "httpcore", "telegram"):
                logging.getLogger(name).setLevel(logging.NOTSET)
            root.setLevel(logging.WARNING)
    text = path.read_text()
    assert "redacted" in text
    assert TOKEN not in text
    assert TOKEN.split(":")[1] not in text
