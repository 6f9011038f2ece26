"""Scripted trouble: rules that make the venue misbehave in exactly the way a test asked for.

A rule matches requests (method, path, parameters), lets the first `skip` of them pass and strikes `count` times. Rules
without a path act inside the engine: partial fills, refusals at the trigger. Nothing here is random.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from simulator.orders import Conditional, Order

BEFORE, AFTER = "before", "after"


class RuleError(ValueError):
    """The rule cannot be understood; the message says why."""


@dataclass(slots=True)
class Rule:
    """`when` says whether the trouble comes before or after the request was executed."""

    method: str = "*"
    path: str = ""  # as on the wire, e.g. /fapi/v1/order; * at the end matches any rest
    params: Mapping[str, str] = field(default_factory=dict)  # all must be equal
    skip: int = 0
    count: int | None = 1  # None = for ever
    when: str = BEFORE
    status: int | None = None  # answer with this instead
    body: Any = None  # JSON, or text when it is a string
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False  # cut the connection instead of answering
    delay_s: float = 0.0  # real seconds, at the moment `when` says
    hide_s: float = 0.0  # venue seconds during which queries do not know the orders this request made
    fill_ratio: Decimal | None = None  # share of the next matching orders' first execution
    reject_trigger: str | None = None  # reason with which the next matching conditional is refused at its trigger
    struck: int = 0

    @property
    def spent(self) -> bool:
        return self.count is not None and self.struck >= self.count

    def takes(self, method: str, path: str, params: Mapping[str, str]) -> bool:
        """Whether the rule strikes this request; counts it if the rule is about such requests."""
        if self.spent or self.method not in ("*", method) or not _same_path(self.path, path):
            return False
        return self._counted(params)

    def about(self, params: Mapping[str, str]) -> bool:
        """Whether an engine rule strikes this order."""
        return not self.spent and self._counted(params)

    def _counted(self, params: Mapping[str, str]) -> bool:
        if any(params.get(name) != value for name, value in self.params.items()):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.struck += 1
        return True


class Faults:
    """The rules in force, and the orders hidden from queries."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.rules: list[Rule] = []
        self._hidden: dict[str, int] = {}  # client id → until

    def set(self, specs: Sequence[Mapping[str, Any]]) -> None:
        """Replace all rules. Raises RuleError and changes nothing when one is wrong."""
        self.rules = [_rule(spec) for spec in specs]

    def strike(self, method: str, path: str, params: Mapping[str, str]) -> Rule | None:
        """The first rule that hits this request."""
        wire = (rule for rule in self.rules if rule.path)
        hit = next((rule for rule in wire if rule.takes(method, path, params)), None)
        if hit and hit.hide_s:
            client_id = params.get("newClientOrderId") or params.get("clientAlgoId") or ""
            self._hidden[client_id] = self._now_ms() + int(hit.hide_s * 1000)
        return hit

    def hidden(self, client_id: str) -> bool:
        return self._hidden.get(client_id, 0) > self._now_ms()

    def fill_ratio(self, order: Order) -> Decimal | None:
        about = _about(order.request.symbol, order.request.kind, order.request.side, order.request.client_id)
        for rule in self.rules:
            if rule.fill_ratio is not None and not order.executed and rule.about(about):
                return rule.fill_ratio
        return None

    def reject_trigger(self, algo: Conditional) -> str | None:
        about = _about(algo.request.symbol, algo.request.kind, algo.request.side, algo.request.client_id)
        for rule in self.rules:
            if rule.reject_trigger is not None and rule.about(about):
                return rule.reject_trigger
        return None


def _about(symbol: str, kind: str, side: str, client_id: str) -> dict[str, str]:
    return {"symbol": symbol, "type": str(kind), "side": str(side), "client_id": client_id}


def _same_path(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def _rule(spec: Mapping[str, Any]) -> Rule:
    if not isinstance(spec, Mapping):
        raise RuleError("a rule is a JSON object")
    allowed = set(Rule.__dataclass_fields__) - {"struck"}
    unknown = set(spec) - allowed
    if unknown:
        raise RuleError(f"unknown field {', '.join(sorted(unknown))}; a rule has {', '.join(sorted(allowed))}")
    fields = dict(spec)
    try:
        if fields.get("fill_ratio") is not None:
            fields["fill_ratio"] = Decimal(str(fields["fill_ratio"]))
        rule = Rule(**fields)
        inside = rule.fill_ratio is not None or rule.reject_trigger is not None
        sane = rule.when in (BEFORE, AFTER) and rule.skip >= 0 and rule.delay_s >= 0 and rule.hide_s >= 0
    except (TypeError, InvalidOperation) as error:
        raise RuleError(f"a field of the wrong type: {error}") from error
    if not sane:
        raise RuleError("when is before or after; skip, delay_s and hide_s are not negative")
    if inside == bool(rule.path):
        raise RuleError("a rule is about requests (path) or about the engine (fill_ratio, reject_trigger)")
    rule.method = rule.method.upper()
    return rule
