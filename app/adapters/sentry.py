"""Errors to Sentry, optional: our own redactor has the last word on everything that leaves.

Only what is logged as an error is sent, with its stack but without local variables, source of requests, addresses or
people. Sending happens in the SDK's own thread; a Sentry that is away costs reports, nothing else.
"""

import asyncio
import logging
import sys
from typing import Any

import sentry_sdk
from sentry_sdk.client import BaseClient
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.utils import event_from_exception

from app.log import redact_value

LAST_S = 2.0  # at the end, for what is still to be sent
_LONGEST = 8_000  # characters of one text
_started: list[BaseClient] = []  # of this process, which has two applications while settings are renewed


class ErrorReports:
    """Process-wide while started: the SDK listens to the standard library's loggers.

    The newest one sends. Whichever is closed, the newest that is left sends on.
    """

    def __init__(self, dsn: str, *, deployment: str, release: str) -> None:
        self._dsn, self._deployment, self._release = dsn, deployment, release
        self._client: BaseClient | None = None

    async def start(self) -> None:
        sentry_sdk.init(
            dsn=self._dsn,
            environment=self._deployment,
            release=self._release or None,
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[LoggingIntegration(level=logging.INFO, event_level=logging.ERROR)],
            before_send=_report,
            before_breadcrumb=_breadcrumb,
            # Nothing is sent about people or requests unless asked for; these would be sent otherwise.
            include_local_variables=False,
            include_source_context=False,
            max_request_body_size="never",
            max_value_length=_LONGEST,
            auto_session_tracking=False,
            send_client_reports=False,
            shutdown_timeout=LAST_S,
        )
        self._client = sentry_sdk.get_global_scope().client
        _started.append(self._client)

    async def close(self) -> None:
        mine, self._client = self._client, None
        if mine is None:
            return
        _started.remove(mine)
        sentry_sdk.get_global_scope().set_client(_started[-1] if _started else None)
        await asyncio.to_thread(mine.close, timeout=LAST_S)  # it waits for what is still to be sent


def _report(event: Any, hint: Any) -> Any:
    """An event as it may leave: the log's fields as they were redacted for the log, and the stack."""
    record = hint.get("log_record")
    said = record.msg if record is not None and isinstance(record.msg, dict) else {}
    if said:
        event["logentry"] = {"message": str(said.get("event", ""))}
        fields = {key: value for key, value in said.items() if key not in ("event", "exception") and key[:1] != "_"}
        event["extra"] = {key: str(value) for key, value in fields.items()}
    error = sys.exception()
    if "exception" in said and "exception" not in event and error is not None:
        found, _ = event_from_exception(error, client_options=sentry_sdk.get_client().options)
        event["exception"] = found["exception"]
    for banned in ("request", "user", "modules", "server_name"):
        event.pop(banned, None)
    return redact_value(event)


def _breadcrumb(crumb: Any, hint: Any) -> Any:
    record = hint.get("log_record")
    if record is not None and isinstance(record.msg, dict):
        crumb["message"] = str(record.msg.get("event", ""))
    crumb.pop("data", None)
    return redact_value(crumb)
