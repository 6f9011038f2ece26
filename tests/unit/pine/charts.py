"""Lists of trades as a chart exports them, made from trades of our own: prices on the tick, profits to the cent."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from app.history import CandleSeries
from app.pine.clock import zone
from app.pine.compare import Deal

FEE = 0.0004  # on each side
QUANTITY = 0.5
HEADER = "Trade #,Type,Date and time,Signal,Price USDT,Position size (qty),Net P&L USDT"


def listed(series: CandleSeries, deals: Iterable[Deal], clock: str) -> Iterator[str]:
    """The file's lines, with the exit's row before the entry's, at the wall clock of that zone."""
    yield HEADER
    for number, deal in enumerate(deals, 1):
        side = "long" if deal.side > 0 else "short"
        for word, bar, price in (("Exit", deal.exit_bar, deal.exit_price), ("Entry", deal.entry_bar, deal.entry_price)):
            at = datetime.fromtimestamp(series.ts[bar] / 1000, UTC).astimezone(zone(clock))
            yield f"{number},{word} {side},{at:%Y-%m-%d %H:%M},s,{price:.1f},{QUANTITY},{deal.pnl:.2f}"
