"""Messages to Telegram chats, as plain text. The Bot API's words stay in this file.

Every failure is NotDelivered, with the reason and without the token; the outbox tries again later. ChannelBusy means
Telegram asked for a pause, which is honoured without touching the wire. A message that reached some of several chats is
tried again only in the others, for as long as this process lives.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from telegram import Bot, LinkPreviewOptions
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, TelegramError
from telegram.request import HTTPXRequest

from app.domain.errors import Retryable
from app.log import redact, register_secrets
from app.ports import Clock
from app.tls import trusted

OFFICIAL = "https://api.telegram.org"
LONGEST = 4096  # characters, the Bot API's limit
REMEMBERED = 1_000  # partly delivered messages
TOO_MANY_REQUESTS = 429

# The Bot FAQ asks for at most one message a second in one chat and 20 a minute in a group.
CHAT_PAUSE_S = 1.0
GROUP_PAUSE_S = 3.0


class NotDelivered(Retryable):
    """Telegram did not take the message, or did not say so in time."""


class ChannelBusy(NotDelivered):
    """Telegram asked to be left alone for `retry_after_s` seconds."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"flood control: again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class TelegramNotifier:
    """One bot, one or more chats. `label` opens every message: paper trading is never taken for the real thing."""

    def __init__(
        self, token: str, chat_ids: Sequence[int | str], *, clock: Clock, base_url: str = OFFICIAL, label: str = ""
    ) -> None:
        register_secrets([token])
        wire = _Wire(
            connection_pool_size=8,
            connect_timeout=3.0,
            read_timeout=6.0,
            write_timeout=3.0,
            pool_timeout=1.0,
            httpx_kwargs={"verify": trusted()},
        )
        api = base_url.rstrip("/").removesuffix("/bot") + "/bot"
        self._bot = Bot(token, base_url=api, request=wire, get_updates_request=wire)
        self._wire = wire
        self._chats = tuple(_Chat(chat_id) for chat_id in chat_ids)
        self._clock = clock
        self._label = label
        self._reached: OrderedDict[str, set[_Chat]] = OrderedDict()

    async def send(self, text: str) -> None:
        """To every chat, side by side: one that hangs does not keep the others waiting. Raises NotDelivered."""
        reached = self._reached.setdefault(text, set())
        waiting = [chat for chat in self._chats if chat not in reached]
        failures = [
            outcome
            for outcome in await asyncio.gather(
                *(self._send_to(chat, text, reached) for chat in waiting), return_exceptions=True
            )
            if isinstance(outcome, BaseException)
        ]
        if not failures:
            del self._reached[text]
            return
        while len(self._reached) > REMEMBERED:
            self._reached.popitem(last=False)
        busy = [failure for failure in failures if isinstance(failure, ChannelBusy)]
        if len(busy) == len(failures):
            raise max(busy, key=lambda failure: failure.retry_after_s)
        raise NotDelivered(redact("; ".join(str(failure) for failure in failures if failure not in busy)))

    async def whoami(self) -> str:
        """The bot's own name: proof that the token is good. Raises NotDelivered."""
        try:
            return str((await self._bot.get_me()).username)
        except TelegramError as error:
            raise NotDelivered(_explained(error)) from None

    async def close(self) -> None:
        await self._wire.shutdown()

    async def _send_to(self, chat: "_Chat", text: str, reached: set["_Chat"]) -> None:
        await chat.turn(self._clock)
        try:
            await self._bot.send_message(
                chat_id=chat.chat_id,
                text=(self._label + text)[:LONGEST],
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )
        except _FloodError as flood:
            chat.busy_until = self._clock.monotonic() + flood.retry_after_s
            raise ChannelBusy(flood.retry_after_s) from None
        except ChatMigrated as moved:
            chat.chat_id = moved.new_chat_id
            raise NotDelivered(f"chat {chat.name} is now {moved.new_chat_id}: change TELEGRAM_CHAT_IDS") from None
        except TelegramError as error:
            raise NotDelivered(f"chat {chat.name}: {_explained(error)}") from None
        reached.add(chat)


class _Chat:
    """A chat and when it may be written to next."""

    def __init__(self, chat_id: int | str) -> None:
        self.name = str(chat_id)
        self.chat_id = chat_id
        self.busy_until = 0.0
        self._next = 0.0
        self._pause_s = CHAT_PAUSE_S if not self.name.startswith(("-", "@")) else GROUP_PAUSE_S

    async def turn(self, clock: Clock) -> None:
        """Wait for the next slot. Raises ChannelBusy during a pause Telegram asked for."""
        now = clock.monotonic()
        if self.busy_until > now:
            raise ChannelBusy(self.busy_until - now)
        wait_s = max(self._next - now, 0.0)
        self._next = now + wait_s + self._pause_s
        if wait_s:
            await clock.sleep(wait_s)


class _FloodError(TelegramError):
    def __init__(self, retry_after_s: float) -> None:
        super().__init__("flood control")
        self.retry_after_s = retry_after_s


class _Wire(HTTPXRequest):
    """The library's transport. Reads a 429 itself: the library's RetryAfter warns of its own coming change of type."""

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        code, payload = await super().do_request(*args, **kwargs)
        if code == TOO_MANY_REQUESTS:
            raise _FloodError(_retry_after_s(payload))
        return code, payload


def _retry_after_s(payload: bytes) -> float:
    """Seconds to wait; one second when the answer does not say."""
    try:
        return max(float(json.loads(payload)["parameters"]["retry_after"]), 1.0)
    except (ValueError, KeyError, TypeError):
        return 1.0


def _explained(error: TelegramError) -> str:
    """What went wrong and who can mend it. Some of the library's messages quote the token."""
    what = redact(f"{type(error).__name__}: {error}")
    if isinstance(error, InvalidToken):
        return f"{what} (check TELEGRAM_BOT_TOKEN)"
    if isinstance(error, Forbidden | BadRequest):
        return f"{what} (check TELEGRAM_CHAT_IDS; the chat must have started the bot)"
    return what
