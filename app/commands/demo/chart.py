"""The equity curve of a demo run as a picture."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # a file, not a window
from matplotlib import dates as mdates
from matplotlib import pyplot as plt


def _formatter() -> mdates.DateFormatter:
    return mdates.DateFormatter("%d %b", tz=UTC)  # type: ignore[no-untyped-call]


_INK, _GAIN, _LOSS = "#1f2933", "#1a7f5a", "#b3413a"


def draw_equity(curve: Sequence[tuple[datetime, float]], title: str, note: str, path: Path) -> None:
    """Equity in USDT over time with its drawdown below, as a PNG. `curve` has at least two samples, oldest first."""
    times = [at for at, _ in curve]
    equity = [value for _, value in curve]
    peak, drawdown = equity[0], []
    for value in equity:
        peak = max(peak, value)
        drawdown.append((value / peak - 1) * 100)
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(10, 5.6), dpi=120, sharex=True, gridspec_kw={"height_ratios": [3, 1], "hspace": 0.08}
    )
    colour = _GAIN if equity[-1] >= equity[0] else _LOSS
    top.plot(times, equity, color=colour, linewidth=1.4)
    top.axhline(equity[0], color=_INK, linewidth=0.6, linestyle=":")
    top.set_ylabel("equity (USDT)")
    top.set_title(title, loc="left", color=_INK, fontsize=12, fontweight="bold")
    bottom.fill_between(times, drawdown, 0.0, color=_LOSS, alpha=0.35, linewidth=0)
    bottom.set_ylabel("drawdown (%)")
    bottom.xaxis.set_major_formatter(_formatter())
    for axis in (top, bottom):
        axis.grid(visible=True, alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    figure.text(0.01, 0.005, note, fontsize=7.5, color="#667")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight")
    plt.close(figure)
