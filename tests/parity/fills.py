"""Bars made by hand on which the tester's rules of filling show, each with the trades PyneCore makes of them.

One entry is signalled on bar 2 (so it fills at bar 3's open) with a fixed stop and target; some cases signal more.
PineTS differs from PyneCore in two rules, and `pinets` is what it makes of these: PyneCore was measured against
TradingView's own exports, so it is believed.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from app.history import CandleSeries
from app.strategies.signals import Signals

Bar = tuple[float, float, float, float]  # open, high, low, close
Trade = tuple[int, int, int, float, float]  # side, entry bar, exit bar, entry price, exit price

FLAT: Bar = (100, 101, 99, 100)
ENTRY = 2  # the bar of the signal
SIGNALS = ("enter_long", "enter_short", "exit_long", "exit_short")


@dataclass(frozen=True)
class Case:
    name: str
    side: int
    stop: float
    target: float
    bars: dict[int, Bar]  # the others are FLAT
    trades: list[Trade]
    also: dict[str, int] = field(default_factory=dict)  # further signals: name, bar
    pinets: list[Trade] | None = None  # where it differs


CASES = (
    Case("stop on the entry bar", 1, 98, 110, {3: (100, 101, 97, 100)}, [(1, 3, 3, 100, 98)]),
    Case("short stop on the entry bar", -1, 102, 90, {3: (100, 103, 99, 100)}, [(-1, 3, 3, 100, 102)]),
    Case("target on the entry bar", 1, 90, 105, {3: (100, 106, 99, 100)}, [(1, 3, 3, 100, 105)]),
    Case("stop touched", 1, 95, 105, {4: (100, 101, 95, 100)}, [(1, 3, 4, 100, 95)]),
    Case("target touched", 1, 95, 105, {4: (100, 105, 99, 100)}, [(1, 3, 4, 100, 105)]),
    Case("nothing touched", 1, 95, 105, {4: (100, 104.9, 95.1, 100)}, []),
    Case("gap beyond the stop", 1, 95, 105, {4: (90, 92, 89, 91)}, [(1, 3, 4, 100, 90)]),
    Case("gap beyond the target", 1, 95, 105, {4: (110, 112, 109, 111)}, [(1, 3, 4, 100, 110)]),
    Case("short: gap beyond the stop", -1, 105, 95, {4: (110, 112, 109, 111)}, [(-1, 3, 4, 100, 110)]),
    Case("both in a bar, the high nearer", 1, 95, 105, {4: (100, 105.5, 94, 100)}, [(1, 3, 4, 100, 105)]),
    Case("both in a bar, the low nearer", 1, 95, 105, {4: (100, 107, 94.5, 100)}, [(1, 3, 4, 100, 95)]),
    Case("short: both in a bar, the high nearer", -1, 105, 95, {4: (100, 105.5, 94, 100)}, [(-1, 3, 4, 100, 105)]),
    Case("short: both in a bar, the low nearer", -1, 105, 95, {4: (100, 107, 94.5, 100)}, [(-1, 3, 4, 100, 95)]),
    Case("both on the entry bar, the high nearer", 1, 95, 105, {3: (100, 105.5, 94, 100)}, [(1, 3, 3, 100, 105)]),
    Case(
        "both in a bar, equally near: the low comes first",
        1, 95, 105, {4: (100, 106, 94, 100)}, [(1, 3, 4, 100, 95)], pinets=[(1, 3, 4, 100, 105)],
    ),
    Case(
        "short: both in a bar, equally near: the low comes first",
        -1, 105, 95, {4: (100, 106, 94, 100)}, [(-1, 3, 4, 100, 95)], pinets=[(-1, 3, 4, 100, 105)],
    ),
    Case("long stop above the entry", 1, 100.5, 110, {3: (100, 101, 97, 100)}, [(1, 3, 3, 100, 100)]),
    Case(
        "short stop below the entry",
        -1, 99.5, 90, {3: (100, 101, 97, 100)}, [(-1, 3, 3, 100, 100)], pinets=[(-1, 3, 4, 100, 100)],
    ),
    Case("long target below the entry", 1, 90, 99.5, {3: (100, 101, 97, 100)}, [(1, 3, 3, 100, 100)]),
    Case("short target above the entry", -1, 110, 100.5, {3: (100, 101, 97, 100)}, [(-1, 3, 3, 100, 100)]),
    Case("stop at the entry's open", 1, 100, 105, {3: (100, 101, 100, 100)}, [(1, 3, 3, 100, 100)]),
    Case("exit by signal", 1, 95, 105, {4: (101, 102, 100, 101)}, [(1, 3, 4, 100, 101)], {"exit_long": 3}),
    Case(
        "exit by signal at a gap beyond the stop",
        1, 95, 105, {4: (90, 92, 89, 91)}, [(1, 3, 4, 100, 90)], {"exit_long": 3},
    ),
    Case("exit signal while flat", 1, 95, 105, {}, [], {"exit_long": 2}),
    Case("reversal", 1, 95, 105, {4: (101, 102, 100, 101)}, [(1, 3, 4, 100, 101)], {"enter_short": 3}),
    Case(
        "reversal at a gap beyond the stop",
        1, 95, 105, {4: (90, 92, 89, 91)}, [(1, 3, 4, 100, 90)], {"enter_short": 3},
    ),
    Case(
        "reversal at a gap beyond the target",
        1, 95, 105, {4: (110, 112, 109, 111)}, [(1, 3, 4, 100, 110)], {"enter_short": 3},
    ),
    Case(
        "reversal before the old stop is touched",
        1, 98, 110, {4: (100, 101, 97, 100)}, [(1, 3, 4, 100, 100)], {"enter_short": 3},
    ),
    Case(
        "another entry of the held side",
        1, 95, 105, {6: (100, 106, 99, 100)}, [(1, 3, 6, 100, 105)], {"enter_long": 4},
    ),
    Case(
        "entered again on the bar of the stop",
        1, 98, 110, {3: (100, 101, 97, 100), 6: (100, 111, 99, 100)},
        [(1, 3, 3, 100, 98), (1, 4, 6, 100, 110)], {"enter_long": 3},
    ),
)  # fmt: skip


def market(case: Case) -> CandleSeries:
    rows = np.array([case.bars.get(bar, FLAT) for bar in range(9)], dtype=np.float64)
    start = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
    ts = start + 3_600_000 * np.arange(len(rows), dtype=np.int64)
    return CandleSeries("BTCUSDT", "1h", ts, *rows.T.copy(), np.ones(len(rows)), source=case.name)


def signals(case: Case) -> Signals:
    flags = {name: np.zeros(9, dtype=bool) for name in SIGNALS}
    flags["enter_long" if case.side > 0 else "enter_short"][ENTRY] = True
    for name, bar in case.also.items():
        flags[name][bar] = True
    never = np.full(9, np.nan)
    held, other = ("long", "short") if case.side > 0 else ("short", "long")
    levels = {f"{held}_stop": np.full(9, case.stop), f"{held}_target": np.full(9, case.target)}
    return Signals(**flags, **levels, **{f"{other}_stop": never, f"{other}_target": never}, warm_up=0)


def script(case: Case) -> str:
    """The same in Pine, with orders as exported scripts have them."""
    said: dict[str, list[int]] = {name: [] for name in SIGNALS}
    said["enter_long" if case.side > 0 else "enter_short"].append(ENTRY)
    for name, bar in case.also.items():
        said[name].append(bar)
    flags = {name: " or ".join(f"bar_index == {bar}" for bar in bars) or "false" for name, bars in said.items()}
    side = "Long" if case.side > 0 else "Short"
    return f"""\
//@version=6
strategy("fills", pyramiding=0, initial_capital=1000000, commission_type=strategy.commission.percent, margin_long=0, margin_short=0)
bool open_long = ({flags["enter_long"]}) and strategy.position_size <= 0
bool open_short = ({flags["enter_short"]}) and strategy.position_size >= 0
if open_long
    strategy.entry("Long", strategy.long, qty=1)
if open_short
    strategy.entry("Short", strategy.short, qty=1)
if {flags["exit_long"]}
    strategy.close("Long")
if {flags["exit_short"]}
    strategy.close("Short")
strategy.exit("exit", "{side}", stop={case.stop}, limit={case.target})
"""  # noqa: E501 - Pine has no way to break it
