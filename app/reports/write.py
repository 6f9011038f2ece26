"""Writes a report in the formats asked for. Each file appears whole or not at all."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from app.backtest.metrics import Metrics
from app.backtest.model import Run
from app.backtest.statistics import Statistics
from app.domain.errors import BadSettings
from app.history import Floats
from app.reports.data import write_json
from app.reports.page import write_html
from app.reports.report import Report, Surface


def _png(report: Report, path: Path) -> None:
    from app.reports.pictures import write_png  # noqa: PLC0415 - matplotlib: a second that a page need not pay

    write_png(report, path)


def _pdf(report: Report, path: Path) -> None:
    from app.reports.pictures import write_pdf  # noqa: PLC0415 - matplotlib, likewise

    write_pdf(report, path)


def _xlsx(report: Report, path: Path) -> None:
    from app.reports.workbook import write_workbook  # noqa: PLC0415 - XlsxWriter, likewise

    write_workbook(report, path)


_WRITERS: dict[str, Callable[[Report, Path], None]] = {
    "html": write_html,
    "png": _png,
    "pdf": _pdf,
    "xlsx": _xlsx,
    "json": write_json,
}
FORMATS = tuple(_WRITERS)


def check_formats(names: Iterable[str]) -> tuple[str, ...]:
    """Each once. Raises BadSettings for one that is not in FORMATS, before any work is done for it."""
    wanted = tuple(dict.fromkeys(names))
    for one in wanted:
        if one not in _WRITERS:
            raise BadSettings(f"unknown report format {one!r}; choose from {', '.join(FORMATS)}")
    return wanted


def write_report(
    run: Run,
    metrics: Metrics,
    statistics: Statistics,
    folder: Path,
    formats: Iterable[str] = ("html",),
    *,
    name: str = "report",
    surface: Surface | None = None,
    plots: Mapping[str, Floats] | None = None,
) -> dict[str, Path]:
    """The files written, by format: folder / f"{name}.{format}". `plots` are lines to draw over the price, (n,) each.

    Raises BadSettings for an unknown format, or a folder that cannot be written.
    """
    wanted = check_formats(formats)
    report = Report(run, metrics, statistics, surface, plots or {})
    written = {}
    for one in wanted:
        written[one] = folder / f"{name}.{one}"
        whole(written[one], functools.partial(_WRITERS[one], report))
    return written


def whole(path: Path, write: Callable[[Path], object]) -> None:
    """Have a file written under a name of its own, until it is complete. Raises BadSettings when it cannot be."""
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        partial.replace(path)
    except OSError as error:
        raise BadSettings(f"the report cannot be written to {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):  # what matters has been said
            partial.unlink(missing_ok=True)
