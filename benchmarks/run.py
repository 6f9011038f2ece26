"""make bench: our engine beside engines nobody here wrote, in one run, and the targets: python -m benchmarks.run.

Ratios count; seconds depend on the machine. With --date the table also goes to docs/benchmarks.md. Exit status 1: a
result did not agree. A target that is missed is written down as missed and is no error.
"""

import argparse
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.parity import ROOT, PeerError, peers_python
from benchmarks.rows import Row, rows, without
from benchmarks.timing import Timed, timed

PAGE = ROOT / "docs/benchmarks.md"
REPEATS = 5
INSTALL = (
    "The peers are not installed, so ours is timed alone. To compare: .venv/bin/uv venv var/peers/venv && "
    ".venv/bin/uv pip install --python var/peers/venv/bin/python --require-hashes -r benchmarks/requirements.txt"
)


@dataclass(frozen=True, slots=True)
class Found:
    row: Row
    took: dict[str, Timed]
    equal: str

    def lines(self) -> list[tuple[str, ...]]:
        """(engine, time, how many times ours it took, peak memory) of every contender."""
        first = next(iter(self.took.values())).seconds
        return [
            (
                f"**ours, {one.label}**" if one.script is None else one.label,
                _time(self.took[one.label].seconds),
                f"{self.took[one.label].seconds / first:.1f} ×",
                f"{self.took[one.label].peak_mb:,.0f} MB" if self.took[one.label].peak_mb else "",
            )
            for one in self.row.contenders
        ]

    def verdicts(self) -> list[str]:
        """Each target of the row, and whether it is met here."""
        row, ours = self.row, next(iter(self.took.values()))
        said = []
        for peer, least in row.ratios.items():
            if peer in self.took:
                ratio = self.took[peer].seconds / ours.seconds
                said.append(f"{peer} at least {least:g} ×: {_met(ratio >= least)} ({ratio:.1f} ×)")
        for other, most in row.limits.items():
            ratio = ours.seconds / self.took[other].seconds
            said.append(f"at most {most:g} × {other}: {_met(ratio <= most)} ({ratio:.1f} ×)")
        if row.most_seconds is not None:
            said.append(f"at most {row.most_seconds:g} s: {_met(ours.seconds <= row.most_seconds)}")
        if row.most_mb is not None:
            said.append(f"at most {row.most_mb:g} MB: {_met(ours.peak_mb <= row.most_mb)}")
        return said


def _met(met: bool) -> str:  # noqa: FBT001 - one word for it
    return "met" if met else "MISSED"


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds < 1.0 else f"{seconds:.2f} s"


def machine() -> str:
    """Processor, cores, system."""
    name = platform.processor() or platform.machine()
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        models = [line.split(":")[1].strip() for line in listed.read_text().splitlines() if line.startswith("model n")]
        name, cores = models[0], len(models)
        return f"{name}, {cores} cores, {platform.system()}, Python {platform.python_version()}"
    return f"{name}, {platform.system()}, Python {platform.python_version()}"


def page(found: list[Found], date: str, peers: list[str], repeats: int) -> str:
    """docs/benchmarks.md."""
    parts = [HEAD.format(date=date, machine=machine(), versions=", ".join([*_versions(), *peers]), repeats=repeats)]
    for one in found:
        table = ["| engine | time | times ours | peak memory |", "|---|---|---|---|"]
        table += [f"| {' | '.join(line)} |" for line in one.lines()]
        said = [f"- Target, {text}." for text in one.verdicts()]
        said += [f"- Checked first: {one.equal}."] if one.equal else []
        parts.append("\n".join([f"## {one.row.name}", "", f"{one.row.about}.", "", *table, "", *said]).strip())
    return "\n\n".join(parts) + "\n"


def _versions() -> list[str]:
    return [f"numpy {version('numpy')}", f"numba {version('numba')}"]


HEAD = """# Benchmarks

Written by `make bench` on {date}: {machine};
{versions}.
Ratios count; seconds are a guide, for nothing keeps other programs off the machine.

How it is measured: every engine in a process of its own, the caches filled by a first call, then in turn
A B C A B C, medians of {repeats}. Work under 50 ms is repeated within a turn. The market is generated
(`app.history.synthetic`), the same for all. Before anything is timed, the results are compared; a row with a
difference is not printed.

What the rows are, and are not:

- **score** is every figure of `app.backtest.engine.Scores` without storing trades or equity: what a search runs.
  **full run** stores every trade and the equity at every bar and computes all the metrics of a report from them. A
  sweep and a search do this only for the sets that are chosen; their ratios are those of scores.
- vectorbt is timed with four figures (total return, Sharpe ratio, maximum drawdown, win rate), the sweep 10 columns at
  a time, which suits it best. raptorbt runs one side of a market: a sweep asks it for longs and shorts in one batch.
- Memory is the peak of the whole process, libraries and data included.
- No row times fetching candles, drawing charts or writing reports."""


def show(console: Console, found: Found) -> None:
    table = Table(title=found.row.name, caption=found.row.about)
    for name in ("engine", "time", "times ours", "peak memory"):
        table.add_column(name, justify="left" if name == "engine" else "right")
    for line in found.lines():
        table.add_row(*(text.replace("**", "") for text in line))
    console.print(table)
    for text in [*found.verdicts(), *([f"checked first: {found.equal}"] if found.equal else [])]:
        console.print(f"  {text}", style="red" if "MISSED" in text else None)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few thousand bars: does it run, and does it agree?")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    parser.add_argument("--date", help="the day, for docs/benchmarks.md; without it nothing is written")
    options = parser.parse_args()
    console, python, found = Console(), peers_python(), []
    if python is None:
        console.print(INSTALL, markup=False)
    for row in rows(quick=options.quick):
        if options.only.lower() in row.name.lower():
            try:
                took, equal = timed(without(row, python is not None), python, options.repeats)
            except PeerError as error:
                console.print(f"{error}", style="red", markup=False)
                return 1
            found.append(Found(without(row, python is not None), took, equal))
            show(console, found[-1])
    if options.date and not options.quick:
        PAGE.write_text(page(found, options.date, pinned(), options.repeats))
        console.print(f"Written to {PAGE.relative_to(ROOT)}.")
    return 0


def pinned() -> list[str]:
    """The peers with their versions, as they are asked for."""
    names = ("backtesting", "raptorbt", "vectorbt", "vectorbt-rust")
    lines = (ROOT / "benchmarks/requirements.txt").read_text().splitlines()
    return [line.split()[0].replace("==", " ") for line in lines if line.split("==")[0] in names]


if __name__ == "__main__":
    sys.exit(main())
