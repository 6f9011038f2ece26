"""Names the pipeline counts by are the names the metrics know: none of them ends up as "other"."""

import ast
from collections.abc import Iterator

from app.adapters.metrics import ALARMS, FEEDS
from app.adapters.metrics.labels import ENDS
from app.adapters.metrics.watched import STATES_OF_EVENTS
from app.domain.order import OrderState
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
    """`follow(…, candles=…, user_stream=…)` in the bootstrap: the keywords are the labels."""
    tree = ast.parse((ROOT / "app" / "bootstrap.py").read_text())
    followed = {
        keyword.arg
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "follow"
        for keyword in node.keywords
    }
    assert followed == FEEDS


def test_every_way_a_position_ends_has_its_own_series() -> None:
    """What `_why_closed` of the reconciliation can answer."""
    tree = ast.parse((ROOT / "app" / "pipeline" / "reconcile.py").read_text())
    why = next(node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef) and node.name == "_why_closed")
    answers = [
        node.value
        for part in ast.walk(why)
        if isinstance(part, ast.Return) and part.value is not None
        for node in ast.walk(part.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    named = [
        value.value
        for part in ast.walk(why)
        if isinstance(part, ast.Dict)
        for value in part.values
        if isinstance(value, ast.Constant)
    ]
    assert (set(answers) | set(named)) - {"tp"} == ENDS


def test_every_event_of_an_order_is_counted() -> None:
    """All states but those that OrderFilled decides between have one event of their own."""
    assert set(STATES_OF_EVENTS.values()) == set(OrderState) - {OrderState.FILLED, OrderState.PARTIALLY_FILLED}
