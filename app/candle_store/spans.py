"""Stretches of time, in milliseconds since 1970 UTC: what is there, what is missing, which month it belongs to."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from app.history import Stamps, group_start

Span = tuple[int, int]  # from the first millisecond up to, and without, the second
Spans = tuple[Span, ...]  # growing, apart from each other

DAY_MS = 86_400_000


def milliseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def clock_text(at_ms: int) -> str:
    """For people: 2024-03-01 08:00, with seconds only where there are any."""
    at = moment(at_ms)
    return at.strftime("%Y-%m-%d %H:%M:%S" if at.second else "%Y-%m-%d %H:%M")


def merged(spans: Iterable[Span]) -> Spans:
    """The same time as few spans; those that touch become one."""
    found: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return tuple(found)


def without(span: Span, covered: Iterable[Span]) -> Spans:
    """What is left of `span` outside `covered`."""
    left, (at, end) = [], span
    for begin, stop in merged(covered):
        if begin > at:
            left.append((at, min(begin, end)))
        at = max(at, stop)
        if at >= end:
            break
    left.append((at, end))
    return tuple((first, last) for first, last in left if first < last)


def runs(ts: Stamps, step_ms: int) -> Spans:
    """The spans that bars of one length cover. `ts` grows."""
    if not len(ts):
        return ()
    breaks = np.flatnonzero(np.diff(ts) != step_ms)
    starts, ends = np.r_[0, breaks + 1], np.r_[breaks, len(ts) - 1]
    return tuple((int(ts[first]), int(ts[last]) + step_ms) for first, last in zip(starts, ends, strict=True))


def opened(at_ms: int, step_ms: int) -> int:
    """When the bar that holds a moment opened, on the grid exchanges use."""
    return int(group_start(np.array([at_ms], dtype=np.int64), step_ms)[0])


def first_open(at_ms: int, step_ms: int) -> int:
    """When the first bar opens at or after a moment."""
    return opened(at_ms + step_ms - 1, step_ms)


def month_span(name: str) -> Span:
    """The UTC month "2024-03"."""
    start = datetime.strptime(name, "%Y-%m").replace(tzinfo=UTC)
    return milliseconds(start), milliseconds((start + timedelta(days=32)).replace(day=1))


def months(span: Span) -> Iterator[tuple[str, Span]]:
    """The UTC months a span touches: ("2024-03", the whole month)."""
    if span[0] >= span[1]:
        return
    at = span[0]
    while at < span[1]:
        name = f"{moment(at):%Y-%m}"
        yield name, month_span(name)
        at = month_span(name)[1]
