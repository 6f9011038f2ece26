"""How a refusal and its numbers are worded. Nothing here decides anything, so nothing here can fail a trade."""

from decimal import Context, Decimal

from app.domain.decision import DenyReason, Refusal, Stage
from app.domain.money import plain

_READABLE = Context(prec=8)


def refused(reason: DenyReason, detail: str, **numbers: object) -> Refusal:
    """A no of the risk stage: one sentence for people, the same numbers by name for machines."""
    said = {name: plain(n) if isinstance(n, Decimal) else str(n) for name, n in numbers.items() if n is not None}
    return Refusal(Stage.RISK, reason, detail, said)


def say(value: Decimal) -> str:
    """Eight significant digits, no exponent: enough to check a sentence by hand."""
    return plain(_READABLE.plus(value))


def percent(rate: Decimal) -> str:
    return f"{say(rate * 100)} %"
