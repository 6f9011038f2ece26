"""The options that commands on candles and strategies have in common, each said once."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from app.domain.candle import INTERVALS

MOST_RISK = 0.1  # as RISK_PER_TRADE
CANDLES = Path("var/candles")  # where `tradingbot data fetch` puts them


def moment(text: str) -> datetime:
    """A moment in UTC, however it is written: 2024-01-31, 2024-01-31T08:00, …+02:00."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no date; write 2024-01-31 or 2024-01-31T08:00 (UTC)") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


# --- candles -----------------------------------------------------------------------------------------

Symbol = Annotated[str, typer.Option(help="Market.")]
Interval = Annotated[str, typer.Option(help=f"Length of a candle: {', '.join(INTERVALS)}.")]
From = Annotated[datetime | None, typer.Option("--from", parser=moment, metavar="DATE", help="First day, UTC.")]
To = Annotated[datetime | None, typer.Option("--to", parser=moment, metavar="DATE", help="Up to, and without, this.")]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help=f"Folder of candles. Without it {CANDLES}, and where that is not, generated candles.", envvar="DATA_DIR"
    ),
]
Exchange = Annotated[str | None, typer.Option(help="Where a folder has a market of several venues: which.")]
Bars = Annotated[int, typer.Option(help="Candles to generate where there is no folder.", min=1)]

# --- strategies --------------------------------------------------------------------------------------

Strategy = Annotated[str, typer.Argument(help="As in `tradingbot strategies`.")]
Params = Annotated[
    list[str] | None, typer.Option("--params", metavar="NAME=VALUE", help="Repeatable; the defaults without it.")
]
StrategiesDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder of your own strategies, one file each; ./strategies when it is there.", envvar="STRATEGIES_DIR"
    ),
]

# --- money -------------------------------------------------------------------------------------------

Equity = Annotated[float, typer.Option(help="At the start, quote currency.")]
Risk = Annotated[
    float | None, typer.Option(help="Size: share of equity lost at the stop, 0.01 = 1 %.", min=0.0, max=MOST_RISK)
]
Quantity = Annotated[float | None, typer.Option(help="Size: base units, always the same.")]
Share = Annotated[float | None, typer.Option(help="Size: notional / equity, compounding.")]
Leverage = Annotated[int, typer.Option(help="Notional / equity at most.", min=1)]
MaxNotional = Annotated[
    float | None, typer.Option(help="Of a position. 10,000 with --risk, as live; no limit with the others.")
]
Step = Annotated[
    float, typer.Option("--quantity-step", help="Sizes are floored to it, as the venue asks; 0 = not.", min=0)
]
MinNotional = Annotated[float, typer.Option(help="The venue's smallest order: an entry below is left out.", min=0)]
MinRewardRisk = Annotated[
    float | None, typer.Option(help="Target / stop distance at least. 1.5 with --risk, as live; else not looked at.")
]
Fee = Annotated[float, typer.Option(help="Taker fee / notional.", min=0)]
MakerFee = Annotated[
    float | None, typer.Option(help="Targets rest in the book for this fee; at market without it, as live.", min=0)
]
Slippage = Annotated[float, typer.Option(help="Of the price, against each market order.", min=0)]
WithFunding = Annotated[bool, typer.Option("--funding/--no-funding", help="Charge funding where it is known.")]

# --- what is written ---------------------------------------------------------------------------------

Formats = Annotated[str, typer.Option("--report", help="html,png,pdf,xlsx,json; empty for none.")]
