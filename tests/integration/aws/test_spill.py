"""The spill queue against a real SQS wire: what goes in comes out the same, once, in order within its symbol."""

import socket
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.adapters.aws.spill import SpillReceiver, SpillSender
from app.domain.alert import Preset
from app.domain.errors import BadSettings, OperatorError, StorageUnavailable
from tests.integration.aws.conftest import Queue
from tests.integration.db.cases import BTC, ETH, an_alert


async def test_an_alert_comes_out_as_it_went_in(sender: SpillSender, receiver: SpillReceiver) -> None:
    sent = an_alert(
        1,
        body='{"comment": "✓ \\u0000 € \u0001 \ufffe 𝔊", "x": "\x7f"}'.encode(),
        preset=Preset.THREE_COMMAS,
        received_at=datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=UTC),
        sender="2001:db8::1",
    )
    await sender.put(sent)
    [message] = await receiver.receive(wait_s=1, hidden_s=20)
    assert (message.alert, message.group, message.received) == (sent, "main:BTCUSDT", 1)
    await receiver.delete([message])
    assert await receiver.depth() == 0


async def test_a_repeat_is_one_message(sender: SpillSender, receiver: SpillReceiver) -> None:
    await sender.put(an_alert(1))
    await sender.put(an_alert(2, dedupe_key=an_alert(1).dedupe_key))
    [message] = await receiver.receive(wait_s=1, hidden_s=20)
    assert message.alert == an_alert(1)


async def test_a_symbols_alerts_come_in_order_and_not_past_one_that_is_held(
    sender: SpillSender, receiver: SpillReceiver, queue: Queue
) -> None:
    for number in range(1, 13):
        await sender.put(an_alert(number, BTC))
    first = await receiver.receive(wait_s=0, hidden_s=20)
    assert [m.alert for m in first] == [an_alert(n, BTC) for n in range(1, 11)]
    await sender.put(an_alert(13, ETH))
    others = await receiver.receive(wait_s=0, hidden_s=20)
    assert [m.alert for m in others] == [an_alert(13, ETH)], "a group goes on only when what was handed out is gone"
    assert await receiver.depth() == 13
    await receiver.delete(first)
    assert [m.alert for m in await receiver.receive(wait_s=0, hidden_s=20)] == [an_alert(11, BTC), an_alert(12, BTC)]


async def test_what_is_handed_back_can_be_had_at_once(sender: SpillSender, receiver: SpillReceiver) -> None:
    await sender.put(an_alert(1))
    [message] = await receiver.receive(wait_s=0, hidden_s=20)
    await receiver.hide([message], 20)
    assert not await receiver.receive(wait_s=0, hidden_s=20)
    await receiver.hide([message], 0)
    [again] = await receiver.receive(wait_s=0, hidden_s=20)
    assert (again.alert, again.received) == (message.alert, 2)


async def test_what_cannot_be_read_is_said(queue: Queue, receiver: SpillReceiver) -> None:
    queue.send("not JSON")
    [message] = await receiver.receive(wait_s=0, hidden_s=20)
    assert (message.alert, message.why, message.group) == (None, "it is not JSON", "main:BTCUSDT")


async def test_a_batch_that_fails_in_part_is_no_error(
    sender: SpillSender, receiver: SpillReceiver, queue: Queue
) -> None:
    for number in (1, 2):
        await sender.put(an_alert(number))
    first, second = await receiver.receive(wait_s=0, hidden_s=20)
    await receiver.delete([replace(first, receipt="no-receipt"), second])
    assert queue.count() == 1


# --- when SQS does not do it -----------------------------------------------------------------------------


async def test_a_queue_that_is_not_there_has_to_be_mended(queue: Queue) -> None:
    for kind in (SpillSender, SpillReceiver):
        missing = kind(queue.url.replace("spill.fifo", "gone.fifo"))
        with pytest.raises(OperatorError, match="names no queue"):
            await missing.open()
        await missing.close()


async def test_a_queue_that_does_not_keep_order_is_refused() -> None:
    with pytest.raises(BadSettings, match="FIFO"):
        SpillSender("https://sqs.eu-west-1.amazonaws.com/123456789012/spill")


async def test_without_a_region_nothing_starts(monkeypatch: pytest.MonkeyPatch, queue: Queue) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    sender = SpillSender(queue.url)
    with pytest.raises(OperatorError, match="AWS_REGION"):
        await sender.open()
    await sender.close()


async def test_nobody_at_home_is_storage_unavailable_and_no_reason_not_to_start(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    sender, receiver = SpillSender(queue.url), SpillReceiver(queue.url)
    await sender.open()
    with pytest.raises(StorageUnavailable, match="send_message"):
        await sender.put(an_alert(1))
    with pytest.raises(StorageUnavailable, match="receive_message"):
        await receiver.receive(wait_s=1, hidden_s=20)
    with pytest.raises(StorageUnavailable):
        await receiver.depth()
    await sender.close()
    await receiver.close()
