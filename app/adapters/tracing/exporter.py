"""Sends finished stories to an OTLP/HTTP receiver, from a thread of its own.

Bounded everywhere: a receiver that is slow or gone costs traces, which are counted as dropped or failed, never memory
and never a moment of trading. What is lost can be read with `tradingbot why`, which prints the trace's id too.
"""

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol
from urllib.parse import unquote

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

from app.adapters.tracing.spans import Step, Value, span_number, step_of_trade, steps_of, trace_number
from app.domain import events as ev
from app.domain.errors import BadSettings
from app.domain.ids import alert_stream
from app.log import redact
from app.ports import EventLog

log = structlog.get_logger(__name__)
WAITING = 1_000  # alerts whose trace is to be made, and traces to be sent
BATCH = 100  # traces in one request
TIMEOUT_S = 5.0  # of one request, with what is tried again inside it
LAST_S = 3.0  # at the end, for what is still waiting
_ALERT = alert_stream("")
_SCOPE = InstrumentationScope("tradingbot")
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)

# It quotes the receiver's answers and addresses, and repeats itself while the receiver is away; we count instead.
_QUIET = logging.getLogger("opentelemetry.exporter.otlp")


class Count(Protocol):
    def __call__(self, outcome: str, count: int = 1) -> None:
        """`outcome` is exported, failed or dropped. Called from another thread."""
        ...


class Tracer:
    """`endpoint` without a path, e.g. http://127.0.0.1:4318; `resource` names this process to the receiver."""

    def __init__(
        self, events: EventLog, *, endpoint: str, headers: Mapping[str, str], resource: Mapping[str, str], count: Count
    ) -> None:
        _QUIET.setLevel(logging.CRITICAL)
        self._events, self._count = events, count
        self._resource = Resource(dict(resource))
        url = f"{endpoint.rstrip('/')}/v1/traces"
        self._exporter = OTLPSpanExporter(endpoint=url, headers=dict(headers), timeout=TIMEOUT_S)
        self._stories: asyncio.Queue[tuple[str, type[ev.Event]]] = asyncio.Queue(WAITING)  # stream, and what ended
        self._traces: queue.Queue[list[ReadableSpan] | None] = queue.Queue(WAITING)
        self._reading: asyncio.Task[None] | None = None
        self._sending = threading.Thread(target=self._send, name="traces", daemon=True)

    def heard(self, stream: str, event: ev.Event) -> None:
        """A listener of the event log: an alert, or the position it opened, has come to its end."""
        if stream.startswith(_ALERT) and isinstance(event, ev.AlertFinished | ev.PositionClosed):
            try:
                self._stories.put_nowait((stream, type(event)))
            except asyncio.QueueFull:
                self._count("dropped")

    async def start(self) -> None:
        self._sending.start()
        self._reading = asyncio.create_task(self._read(), name="traces")

    async def close(self) -> None:
        """Send what is waiting, for at most LAST_S each; what is left is counted as dropped."""
        if self._reading is None:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stories.join(), LAST_S)
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._count("dropped", self._stories.qsize() + self._leave())
        await asyncio.to_thread(self._sending.join, LAST_S)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # as the SDK has it

    def _leave(self) -> int:
        """Tell the thread to end after what is queued. Returns how many traces had to make room for that."""
        left_out = 0
        while True:
            try:
                self._traces.put_nowait(None)
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._traces.get_nowait()
                    left_out += 1
            else:
                return left_out

    # --- in the event loop -------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            stream, what = await self._stories.get()
            try:
                self._traces.put_nowait(await self._spans(stream, what))
            except queue.Full:
                self._count("dropped")
            except Exception as error:  # noqa: BLE001 - the database is away, or a story is odd: it costs its trace
                log.warning("an alert could not be traced", stream=stream, error=type(error).__name__)
                self._count("failed")
            finally:
                self._stories.task_done()

    async def _spans(self, stream: str, what: type[ev.Event]) -> list[ReadableSpan]:
        recorded = await self._events.read(stream)
        if what is ev.AlertFinished:
            steps = steps_of(recorded)
        else:
            trades = [(item.event, item.at) for item in recorded if isinstance(item.event, ev.PositionClosed)]
            steps = [step_of_trade(*trades[-1])]
        return [self._span(stream.removeprefix(_ALERT), step) for step in steps]

    def _span(self, alert_id: str, step: Step) -> ReadableSpan:
        def context(key: str) -> SpanContext:
            return SpanContext(
                trace_number(alert_id), span_number(alert_id, key), is_remote=False, trace_flags=_SAMPLED
            )

        return ReadableSpan(
            step.name,
            context(step.key),
            context(step.parent) if step.parent else None,
            self._resource,
            attributes=_clean(step.about),
            events=[Event(moment.name, _clean(moment.about), _nanoseconds(moment.at)) for moment in step.moments],
            status=Status(StatusCode.ERROR if step.failed else StatusCode.UNSET),
            start_time=_nanoseconds(step.begin),
            end_time=_nanoseconds(step.end),
            instrumentation_scope=_SCOPE,
        )

    # --- in the thread -----------------------------------------------------------------------------------

    def _send(self) -> None:
        while (first := self._traces.get()) is not None:
            traces = [first]
            ended = False
            while len(traces) < BATCH and not self._traces.empty():
                more = self._traces.get()
                if more is None:
                    ended = True
                    break
                traces.append(more)
            self._export(traces)
            if ended:
                return

    def _export(self, traces: list[list[ReadableSpan]]) -> None:
        try:
            result = self._exporter.export([span for spans in traces for span in spans])
        except Exception as error:  # noqa: BLE001 - whatever a library throws, it costs these traces
            log.warning("traces could not be sent", error=type(error).__name__)
            result = SpanExportResult.FAILURE
        self._count("exported" if result is SpanExportResult.SUCCESS else "failed", len(traces))


def _clean(about: Mapping[str, Value]) -> dict[str, Value]:
    """Plain strings without secrets: a strategy's name and a symbol were somebody's input."""
    return {name: redact(str(value)) if isinstance(value, str) else value for name, value in about.items()}


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1_000


def headers_of(text: str) -> dict[str, str]:
    """name=value, separated by commas, values URL-encoded, as OTEL_EXPORTER_OTLP_HEADERS is written.

    Raises BadSettings when it is not.
    """
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if any(not name.strip() or not equals for name, equals, _ in pairs):
        raise BadSettings("OTEL_EXPORTER_OTLP_HEADERS: write name=value pairs, separated by commas")
    return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}
