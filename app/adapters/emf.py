"""Prints the bot's figures as CloudWatch reads them: one line of embedded metric format a minute, to standard output.

The agent that ships the log makes metrics of it, so nothing here calls AWS. A line that cannot be written is lost and
trading goes on; figures that are not known are left out, never printed as zero. Counts are those since the last line.
Specification: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog

log = structlog.get_logger(__name__)
NAMESPACE = "TradingBot"
DIMENSION = "Deployment"

Sample = tuple[str, Mapping[str, str], float]
"""Series name, labels, value: as a Prometheus server would store it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One CloudWatch metric, made of the series called `series` whose labels include `where`."""

    name: str
    unit: str  # one of CloudWatch's
    series: str
    where: Mapping[str, str] = field(default_factory=dict)
    counts: bool = False  # of a counter: what was added since the last line
    most: bool = False  # of several series: the greatest, not the sum


FIGURES = (
    Figure("WorkerHeartbeat", "None", "tradingbot_worker_heartbeat"),
    Figure("AlertsAccepted", "Count", "tradingbot_alerts_accepted_total", {"outcome": "accepted"}, counts=True),
    Figure("AlertsRefused", "Count", "tradingbot_alerts_refused_total", counts=True),
    Figure("AlertsFailed", "Count", "tradingbot_alert_seconds_count", {"state": "failed"}, counts=True),
    Figure("OrdersSent", "Count", "tradingbot_orders_total", counts=True),
    Figure("OrdersRejected", "Count", "tradingbot_orders_total", {"outcome": "rejected"}, counts=True),
    Figure("OrdersUnknown", "Count", "tradingbot_orders_total", {"outcome": "unknown"}, counts=True),
    Figure("BacklogAlerts", "Count", "tradingbot_backlog_alerts"),
    Figure("SpillMessages", "Count", "tradingbot_spill_messages"),
    Figure("OpenPositions", "Count", "tradingbot_open_positions"),
    Figure("EquityUsdt", "None", "tradingbot_equity_usdt"),
    Figure("FeedAgeSeconds", "Seconds", "tradingbot_feed_age_seconds", most=True),
    Figure("Alarms", "Count", "tradingbot_alarms_total", counts=True),
)
NAKED = "NakedSeconds"
OF_AN_API = frozenset({"AlertsAccepted"})  # a process without a worker knows nothing of the others


class EmfPrinter:
    """`write` takes one line and must not block; `naked` gives the most seconds without a stop since it was last asked.

    `now` is real time: CloudWatch refuses what is far from its own.
    """

    def __init__(
        self,
        read: Callable[[], Iterable[Sample]],
        naked: Callable[[], float | None],
        write: Callable[[str], None],
        *,
        deployment: str,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
        only: frozenset[str] | None = None,
        every_s: float = 60.0,
    ) -> None:
        self._read, self._naked, self._write = read, naked, write
        self._deployment, self._now, self._sleep = deployment, now, sleep
        self._only, self._every_s = only, every_s
        self._before: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = self._task or asyncio.create_task(self._run(), name="embedded metrics")

    async def close(self) -> None:
        """One line more, with what happened since the last one."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.print()

    def print(self) -> None:
        """One line, now. Nothing when nothing is known."""
        figures = dict(self._figures())
        if figures:
            self._write(self._line(figures))

    async def _run(self) -> None:
        while True:
            await self._sleep(self._every_s)
            try:
                self.print()
            except Exception:
                log.exception("the metrics line could not be made")

    def _figures(self) -> Iterator[tuple[str, float]]:
        samples = list(self._read())
        for figure in FIGURES:
            if self._only is not None and figure.name not in self._only:
                continue
            values = [value for name, labels, value in samples if name == figure.series and _fits(figure, labels)]
            total = max(_known(values), default=math.nan) if figure.most else sum(values) if values else math.nan
            if figure.counts:
                total = (0.0 if math.isnan(total) else total) - self._before.get(figure.name, 0.0)
                self._before[figure.name] = self._before.get(figure.name, 0.0) + total
            if math.isfinite(total):
                yield figure.name, total
        if self._only is None and (naked := self._naked()) is not None:
            yield NAKED, naked

    def _line(self, figures: Mapping[str, float]) -> str:
        units = {figure.name: figure.unit for figure in FIGURES} | {NAKED: "Seconds"}
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [[DIMENSION]],
            "Metrics": [{"Name": name, "Unit": units[name]} for name in figures],
        }
        about = {"Timestamp": int(self._now().timestamp() * 1000), "CloudWatchMetrics": [directive]}
        return json.dumps({"_aws": about, DIMENSION: self._deployment, **figures}, allow_nan=False)


def _fits(figure: Figure, labels: Mapping[str, str]) -> bool:
    return figure.where.items() <= labels.items()


def _known(values: Iterable[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]
