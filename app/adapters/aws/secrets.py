"""Settings out of Secrets Manager. Nothing in here raises: what cannot be read is left out, and said by its name.

The process then goes on with what its environment holds, which was true when the task began. Values appear in no
message. Calls block; run them in a thread where an event loop runs.
"""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from app.adapters.aws.session import FAILURES, code_of
from app.adapters.aws.session import client as make_client

log = structlog.get_logger(__name__)
BATCH = 20  # secrets in one BatchGetSecretValue


class Ref(Protocol):
    """Where the value of one setting is kept."""

    @property
    def name(self) -> str:
        """Of the setting."""

    @property
    def secret(self) -> str:
        """Name or ARN."""

    @property
    def key(self) -> str:
        """Of the JSON object in it; "" is the whole text."""


def read_secrets(
    refs: Sequence[Ref], *, client: Any = None, warn: Callable[[str], None] | None = None
) -> dict[str, str]:
    """The newest values, by the name of the setting. A setting whose value cannot be read is left out with a warning.

    One call for up to 20 secrets where the task's role may batch, one call each where it may not.
    """
    warn = warn or log.warning
    if not refs:
        return {}
    try:
        client = client or _client()
    except BotoCoreError as error:  # no region
        warn(f"Secrets Manager cannot be asked ({type(error).__name__}): is AWS_REGION set?")
        return {}
    texts = _texts(client, list(dict.fromkeys(ref.secret for ref in refs)), warn)
    found = {}
    for ref in refs:
        if ref.secret in texts:
            try:
                found[ref.name] = _value(texts[ref.secret], ref.key)
            except ValueError as error:
                warn(f"{ref.name}: the secret {_short(ref.secret)} {error}")
    return found


@functools.cache
def _client() -> Any:
    return make_client("secretsmanager")


def _texts(client: Any, secrets: list[str], warn: Callable[[str], None]) -> dict[str, str]:
    """Text by secret, as it was asked for."""
    texts: dict[str, str] = {}
    for begin in range(0, len(secrets), BATCH):
        part = secrets[begin : begin + BATCH]
        try:
            texts |= _from_batch(_pages(client, part), part, warn)
        except FAILURES as error:
            if code_of(error) == "AccessDeniedException":
                texts |= _one_by_one(client, part, warn)
            else:
                warn(f"Secrets Manager gives nothing ({code_of(error)}); {_those(part)} stay as they are")
    return texts


def _pages(client: Any, secrets: list[str]) -> Iterator[Any]:
    page = client.batch_get_secret_value(SecretIdList=secrets)
    yield page
    while token := page.get("NextToken"):
        page = client.batch_get_secret_value(SecretIdList=secrets, NextToken=token)
        yield page


def _from_batch(pages: Iterable[Any], asked: list[str], warn: Callable[[str], None]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for page in pages:
        for value in page.get("SecretValues", ()):
            for secret in _asked_as(value, asked):
                _keep(texts, secret, value, warn)
        for error in page.get("Errors", ()):
            warn(f"the secret {_short(error.get('SecretId', '?'))} cannot be read: {error.get('ErrorCode', '?')}")
    return texts


def _one_by_one(client: Any, secrets: list[str], warn: Callable[[str], None]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for secret in secrets:
        try:
            _keep(texts, secret, client.get_secret_value(SecretId=secret), warn)
        except ClientError as error:
            warn(f"the secret {_short(secret)} cannot be read: {code_of(error)}")
        except BotoCoreError as error:
            warn(f"Secrets Manager gives nothing ({code_of(error)}); the settings stay as they are")
            break  # the next one would only wait for another timeout
    return texts


def _keep(texts: dict[str, str], secret: str, value: Any, warn: Callable[[str], None]) -> None:
    text = value.get("SecretString")
    if text is None:
        warn(f"the secret {_short(secret)} is binary: store it as text")
    else:
        texts[secret] = text


def _asked_as(value: Any, asked: list[str]) -> Iterator[str]:
    """The ids under which this secret was asked for: its name, its ARN, or that without the six random characters."""
    arn, name = str(value.get("ARN", "")), str(value.get("Name", ""))
    return (secret for secret in asked if secret in (arn, name, arn[: -len("-XXXXXX")]))


def _value(text: str, key: str) -> str:
    """Raises ValueError whose message does not quote the text."""
    if not key:
        return text
    try:
        fields = json.loads(text)
    except ValueError:
        raise ValueError(f"is not JSON, so it has no key {key}") from None
    value = fields.get(key) if isinstance(fields, dict) else None
    if not isinstance(value, str):
        raise ValueError(f"has no text under the key {key}")  # noqa: TRY004 - of the secret, not of our types
    return value


def _those(secrets: list[str]) -> str:
    return ", ".join(map(_short, secrets))


def _short(secret: str) -> str:
    """An ARN without account and region."""
    return secret.rpartition(":secret:")[2] or secret
