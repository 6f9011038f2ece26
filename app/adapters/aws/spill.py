"""The spill queue on SQS (FIFO): SpillSender puts alerts in, SpillReceiver takes them out.

A message is the stored alert as JSON, its secret blanked like in the database. Its group is account and symbol, so SQS
hands out one symbol's alerts in order; its deduplication id is the alert's key, so repeats within five minutes are one
message (later ones the database recognises). Every failure is StorageUnavailable: of a call that was not answered
nobody knows whether it was done, and doing it again is harmless.
"""

import asyncio
import json
import threading
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import structlog

from app.adapters.aws.session import FAILURES, client, code_of
from app.domain.alert import Alert, Preset
from app.domain.errors import BadSettings, OperatorError, StorageUnavailable
from app.domain.ids import AccountId, AlertId, StrategyId, Symbol
from app.spill import Spilled

log = structlog.get_logger(__name__)
FORMAT = 1  # a newer process may add fields, and older ones ignore them; what changes their meaning is another format
BATCH = 10  # the most that SQS takes or gives in one call
SENDS_AT_ONCE = 16
_MISSING = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "InvalidAddress")


class SpillSender:
    """SpillQueue. It is quick or fails: the sender of the alert waits, and sends it again."""

    def __init__(self, url: str) -> None:
        # The second try is for a connection that was closed while it lay idle.
        self._queue = _Queue(url, threads=SENDS_AT_ONCE, connect_s=0.4, read_s=0.8, tries=2)

    async def open(self) -> None:
        """Connect before it is needed. A queue that does not answer yet is no reason not to start.

        Raises OperatorError when there is no such queue, or nobody said in which region.
        """
        await self._queue.open()

    async def put(self, alert: Alert) -> None:
        await self._queue.call(
            "send_message",
            MessageBody=to_text(alert),
            MessageGroupId=f"{alert.account}:{alert.symbol}",
            MessageDeduplicationId=alert.dedupe_key,
        )

    async def close(self) -> None:
        self._queue.close()


class SpillReceiver:
    """SpillSource."""

    def __init__(self, url: str) -> None:
        self._queue = _Queue(url, threads=2, connect_s=1.0, read_s=5.0, tries=1)
        self._attempt = ""

    async def open(self) -> None:
        """Like SpillSender's."""
        await self._queue.open()

    async def receive(self, *, wait_s: int, hidden_s: int) -> Sequence[Spilled]:
        # SQS repeats the answer to an attempt it knows: messages whose delivery was lost are not hidden for nothing.
        self._attempt = self._attempt or uuid.uuid4().hex
        answer = await self._queue.call(
            "receive_message",
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=wait_s,
            VisibilityTimeout=hidden_s,
            MessageSystemAttributeNames=["MessageGroupId", "ApproximateReceiveCount"],
            ReceiveRequestAttemptId=self._attempt,
        )
        self._attempt = ""
        return [_spilled(message) for message in answer.get("Messages", ())]

    async def delete(self, messages: Sequence[Spilled]) -> None:
        await self._each("delete_message_batch", messages)

    async def hide(self, messages: Sequence[Spilled], seconds: int) -> None:
        await self._each("change_message_visibility_batch", messages, VisibilityTimeout=seconds)

    async def depth(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = await self._queue.call("get_queue_attributes", AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    async def close(self) -> None:
        self._queue.close()

    async def _each(self, operation: str, messages: Sequence[Spilled], **entry: Any) -> None:
        """One call for all of them. Those it fails for are handed out again by SQS, which is no harm."""
        for begin in range(0, len(messages), BATCH):
            part = messages[begin : begin + BATCH]
            entries = [{"Id": str(i), "ReceiptHandle": message.receipt} | entry for i, message in enumerate(part)]
            failed = (await self._queue.call(operation, Entries=entries)).get("Failed", ())
            if failed:
                log.warning("SQS did not do it for some messages", what=operation, codes=[f["Code"] for f in failed])


class _Queue:
    """Calls to one queue, each in a thread: a queue that hangs holds up nobody else."""

    def __init__(self, url: str, *, threads: int, connect_s: float, read_s: float, tries: int) -> None:
        if not urlsplit(url).path.endswith(".fifo"):
            raise BadSettings("SPILL_QUEUE_URL must name a FIFO queue, https://sqs.…/….fifo: others change the order")
        self._url = url
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="sqs")
        self._make = partial(client, "sqs", connect_s=connect_s, read_s=read_s, tries=tries, connections=threads)
        self._lock = threading.Lock()
        self._client: Any = None

    async def open(self) -> None:
        try:
            await self.call("get_queue_attributes", AttributeNames=["QueueArn"])
        except StorageUnavailable as error:
            code = code_of(error.__cause__) if isinstance(error.__cause__, Exception) else ""
            if code in _MISSING:
                raise OperatorError(f"SPILL_QUEUE_URL names no queue there is: {self._url}") from error
            if code == "NoRegionError":
                raise OperatorError("SPILL_QUEUE_URL needs a region: set AWS_REGION") from error
            log.warning("the spill queue does not answer yet", why=str(error))

    async def call(self, operation: str, **arguments: Any) -> Mapping[str, Any]:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._blocking, operation, arguments)
        except FAILURES as error:
            raise StorageUnavailable(f"SQS {operation}: {code_of(error)}") from error

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()

    def _blocking(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._lock:  # made once, and not on the event loop: it reads 100 kB of descriptions
            self._client = self._client or self._make()
        answer: Mapping[str, Any] = getattr(self._client, operation)(QueueUrl=self._url, **arguments)
        return answer


# --- messages --------------------------------------------------------------------------------------------


def to_text(alert: Alert) -> str:
    """ASCII: SQS refuses some characters that messages may contain."""
    return json.dumps(
        {
            "format": FORMAT,
            "alert_id": alert.alert_id,
            "strategy": alert.strategy,
            "account": alert.account,
            "symbol": alert.symbol,
            "preset": alert.preset.value,
            "dedupe_key": alert.dedupe_key,
            "body": alert.body.decode(),
            "received_at": alert.received_at.astimezone(UTC).isoformat(),
            "sender": alert.sender,
        }
    )


def from_text(text: str) -> Alert:
    """Raises ValueError that does not quote the message."""
    try:
        fields = json.loads(text)
    except ValueError:
        raise ValueError("it is not JSON") from None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise ValueError(f"it is not of format {FORMAT}")
    texts = ("alert_id", "strategy", "account", "symbol", "preset", "dedupe_key", "body", "received_at", "sender")
    wrong = [name for name in texts if not isinstance(fields.get(name), str)]
    if wrong:
        raise ValueError(f"it has no text for {', '.join(wrong)}")
    try:
        return Alert(
            alert_id=AlertId(fields["alert_id"]),
            strategy=StrategyId(fields["strategy"]),
            account=AccountId(fields["account"]),
            symbol=Symbol(fields["symbol"]),
            preset=Preset(fields["preset"]),
            dedupe_key=fields["dedupe_key"],
            body=fields["body"].encode(),
            received_at=_utc(fields["received_at"]),
            sender=fields["sender"],
        )
    except (ValueError, OverflowError):
        raise ValueError("its preset, time or text is none") from None


def _utc(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError("a time without a zone")
    return when.astimezone(UTC)


def _spilled(message: Mapping[str, Any]) -> Spilled:
    attributes = message.get("Attributes", {})
    known = {
        "receipt": message["ReceiptHandle"],
        "group": attributes.get("MessageGroupId", ""),
        "received": int(attributes.get("ApproximateReceiveCount", 0)),
    }
    try:
        return Spilled(**known, alert=from_text(message["Body"]))
    except ValueError as error:
        return Spilled(**known, alert=None, why=str(error))
