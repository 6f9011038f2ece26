"""How an alert of a strategy that the bot runs itself gets in: stored like one from outside, then the workers wake."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from app.domain.ids import AlertId
from app.domain.policy import StrategyProfile
from app.pipeline.alert import Unreadable, alert_of, read_message
from app.ports import AlertInbox, Bell, Clock

log = structlog.get_logger(__name__)
SENDER = "this bot"


@dataclass(frozen=True, slots=True)
class OwnAlerts:
    """Called with the message. Raises StorageUnavailable; every process may take the same one in, it is kept once."""

    inbox: AlertInbox
    bell: Bell
    clock: Clock
    new_alert_id: Callable[[], AlertId]

    async def __call__(self, body: bytes, profile: StrategyProfile) -> None:
        message = read_message(body)
        alert = (
            message
            if isinstance(message, Unreadable)
            else alert_of(
                body,
                message,
                profile,
                alert_id=self.new_alert_id(),
                received_at=self.clock.now(),
                sender=SENDER,
            )
        )
        if isinstance(alert, Unreadable):
            raise AssertionError(f"our own message cannot be read: {alert}")  # noqa: TRY004 - no type is wrong
        stored = await self.inbox.put(alert)
        if not stored.duplicate:
            self.bell.ring()
            log.info("own alert", alert_id=stored.alert_id, strategy=profile.strategy, symbol=alert.symbol)
