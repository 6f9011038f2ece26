"""What the live engine needs of a venue's public market data; adapters and tests provide it."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Protocol

from app.domain.candle import Candle
from app.domain.ids import Symbol


class CandleFeed(Protocol):
    """Closed candles of public markets, the same for every account. Raises VenueUnavailable."""

    async def history(self, symbol: Symbol, interval: str, bars: int) -> Sequence[Candle]:
        """The newest closed candles, oldest first; fewer when the market is younger."""
        ...

    def closed(self, symbol: Symbol, interval: str, after: datetime) -> AsyncGenerator[Candle]:
        """Each candle that opened after `after`, once it has closed: in order, none twice, gaps filled in."""
        ...
