"""What an answer costs: list prices by model, as published on `AS_OF`. A model that is not in the table costs None.

Failure here means a wrong figure on a dashboard, never a wrong trade. Discounts (cached prompts, batches, contracts)
are left out, so the figure is the most an answer can have cost. Prices change: compare with the services' price pages.
"""

import re
from datetime import date
from decimal import Decimal
from typing import Final, Protocol

from app.domain.vote import Seat

AS_OF: Final = date(2026, 11, 1)

# USD per million tokens: what goes in, what comes out (thinking included).
PRICES: Final[dict[str, tuple[Decimal, Decimal]]] = {
    model: (Decimal(price_in), Decimal(price_out))
    for model, price_in, price_out in (
        ("gpt-5.4", "2.50", "15.00"),
        ("gpt-5.4-mini", "0.75", "4.50"),
        ("gpt-5.4-nano", "0.20", "1.25"),
        ("gpt-5", "1.25", "10.00"),
        ("gpt-5-mini", "0.25", "2.00"),
        ("gpt-5-nano", "0.05", "0.40"),
        ("gpt-4.1", "2.00", "8.00"),
        ("gpt-4.1-mini", "0.40", "1.60"),
        ("gpt-4o", "2.50", "10.00"),
        ("gpt-4o-mini", "0.15", "0.60"),
        ("claude-opus-4-5", "5.00", "25.00"),
        ("claude-sonnet-4-5", "3.00", "15.00"),
        ("claude-haiku-4-5", "1.00", "5.00"),
    )
}
_MILLION = Decimal(1_000_000)
_DATED = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8})$")  # gpt-5.4-mini-2026-03-17, claude-haiku-4-5-20251001
_MOST_TOKENS = 10_000_000  # what a service may claim for one answer


class Meter(Protocol):
    def spent(self, seat: Seat, *, input_tokens: int, output_tokens: int, usd: Decimal | None) -> None:
        """What one answer of a language model used, whether it was a vote or not; None = its price is not known."""
        ...


def cost_usd(model: str, input_tokens: int, output_tokens: int) -> Decimal | None:
    """USD for one answer; None when the model's price is not known. A dated name costs what its model costs."""
    price = PRICES.get(model) or PRICES.get(_DATED.sub("", model))
    if price is None:
        return None
    return (input_tokens * price[0] + output_tokens * price[1]) / _MILLION


def report(meter: Meter | None, seat: Seat, model: str, input_tokens: object, output_tokens: object) -> None:
    """Tell the meter what an answer used, as the service says. What it says unreadably, or not at all, is not guessed.

    A model on the user's own machine has no price: only its tokens are told, with a cost of 0.
    """
    if meter is None or not (_is_count(input_tokens) and _is_count(output_tokens)):
        return
    used = int(str(input_tokens)), int(str(output_tokens))
    usd = Decimal(0) if seat is Seat.LLAMA else cost_usd(model, *used)
    meter.spent(seat, input_tokens=used[0], output_tokens=used[1], usd=usd)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MOST_TOKENS
