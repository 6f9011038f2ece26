"""Names the pipeline counts by are the names the metrics know: none of them ends up as "other"."""

import ast
from collections.abc import Iterator

from app.adapters.metrics import ALARMS, FEEDS
from tests.architecture.skeleton import ROOT


def literals(method: str) -> Iterator[str]:
    """First arguments of every call of that method in the product, where they are written out."""
    for path in (ROOT / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr=name), args=[ast.Constant(value=str(text)), *_]) if (
                    name == method
                ):
                    yield text


def test_every_alarm_has_its_own_series() -> None:
    raised = set(literals("alarm"))
    assert raised, "nobody raises an alarm: the search is broken"
    assert raised == ALARMS


def test_every_feed_has_its_own_series() -> None:
    assert set(literals("set_feed_age")) <= FEEDS
