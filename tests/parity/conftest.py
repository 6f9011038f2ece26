"""Parity runs are asked for by name (`make parity`): they take minutes and need engines that are installed apart."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.pine import engines

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ENGINES = ROOT / engines.FOLDER
_COLUMNS = ("strategy", "engine", "candles", "bars", "signals", "trades", "worst equity difference")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked = any(HERE in (path := Path(word.split("::")[0]).resolve()).parents or path == HERE for word in config.args)
    installed = engines.installed(ENGINES)
    if asked and installed:
        return
    why = "no Pine engine is installed: make parity" if asked else "asked for by name only: make parity"
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """`measured(strategy, engine, …)`: a row of the table that the run ends with, from whichever process."""
    return lambda *cells: record_property("parity", " | ".join(cells))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was compared, as the table in docs/concepts/pine.md."""
    passed = terminalreporter.stats.get("passed", [])
    rows = sorted(row for report in passed for name, row in report.user_properties if name == "parity")
    if rows:
        terminalreporter.section("parity")
        for row in (" | ".join(_COLUMNS), "|".join(["---"] * len(_COLUMNS)), *rows):
            terminalreporter.write_line(f"| {row} |")
