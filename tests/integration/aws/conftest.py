"""A spill queue with its dead letters on a moto server, as Terraform makes them."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from app.adapters.aws.spill import SpillReceiver, SpillSender
from tests.aws.server import moto, moto_process  # noqa: F401 - fixtures

MAX_RECEIVES = 3


@dataclass
class Queue:
    url: str
    dead_url: str
    client: Any

    def send(self, body: str, group: str = "main:BTCUSDT", key: str = "") -> None:
        """As somebody else would."""
        self.client.send_message(
            QueueUrl=self.url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=key or str(hash(body))
        )

    def everything(self, url: str = "") -> list[dict[str, Any]]:
        """All that is there to be had, hidden from everybody afterwards."""
        found: list[dict[str, Any]] = []
        while True:
            answer = self.client.receive_message(
                QueueUrl=url or self.url, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
            )
            if not answer.get("Messages"):
                return found
            found += answer["Messages"]

    def dead(self) -> list[str]:
        return [message["Body"] for message in self.everything(self.dead_url)]

    def count(self) -> int:
        """Visible and hidden ones: the most of two looks, as the server does not count one that is just reappearing."""
        return max(self._count(), self._count())

    def _count(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(value) for value in attributes.values())


@pytest.fixture
def queue(moto: str, monkeypatch: pytest.MonkeyPatch) -> Queue:  # noqa: F811 - the fixture
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    client = boto3.client("sqs")
    fifo = {"FifoQueue": "true"}
    dead = client.create_queue(QueueName="spill-dead.fifo", Attributes=fifo)["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVES})
    url = client.create_queue(QueueName="spill.fifo", Attributes=fifo | {"RedrivePolicy": redrive})["QueueUrl"]
    return Queue(url, dead, client)


@pytest.fixture
async def sender(queue: Queue) -> AsyncIterator[SpillSender]:
    sender = SpillSender(queue.url)
    await sender.open()
    yield sender
    await sender.close()


@pytest.fixture
async def receiver(queue: Queue) -> AsyncIterator[SpillReceiver]:
    receiver = SpillReceiver(queue.url)
    await receiver.open()
    yield receiver
    await receiver.close()


@pytest.fixture
def secretsmanager(queue: Queue) -> Any:
    return boto3.client("secretsmanager")
