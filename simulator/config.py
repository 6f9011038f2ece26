"""What kind of exchange to run. One frozen object, handed in once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from app.domain.errors import BadSettings
from app.history import PAPER_SEED, PAPER_START_BAR, CandleSeries, interval_ms, load_folder, load_funding, synthetic
from simulator.clock import Mode
from simulator.funding import PERIOD_MS, Funding
from simulator.state import Terms

SYNTHETIC_SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT")
SYNTHETIC_SINCE = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Request limits; None = counted but not enforced."""

    weight_1m: int | None = 2400
    orders_1m: int | None = 1200
    orders_10s: int | None = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorConfig:
    """Candles come from `series`, else from the folder `data_dir`, else they are synthetic (seeded)."""

    series: Mapping[str, CandleSeries] | None = None
    data_dir: Path | None = None
    symbols: tuple[str, ...] | None = None  # None = all there are
    seed: int = PAPER_SEED
    interval: str = "1h"  # of the bars the price path follows
    bars: int = 26_280  # of synthetic history: three years of hours
    start: datetime | None = None  # where a fresh venue's now stands in the candles' time; None = bar 600
    mode: Mode = Mode.REAL
    speed: float = 1.0  # scaled mode: venue seconds per real second
    balance: Decimal = Decimal(10000)  # USDT
    terms: Terms = field(default_factory=Terms)
    funding_rate: Decimal = Decimal("0.0001")  # where the folder has no history
    journal_path: Path | None = None  # None = forget everything at exit
    api_key: str = "paper-trading-key"
    api_secret: str = field(default="paper-trading-secret", repr=False)
    limits: Limits = field(default_factory=Limits)
    listen_key_ttl_s: float = 3600.0
    withdrawals_allowed: bool = False  # what the key claims about itself
    ip_restricted: bool = True

    def candles(self) -> Mapping[str, CandleSeries]:
        """The markets of this venue. Raises BadSettings when there are none."""
        if PERIOD_MS % interval_ms(self.interval):
            raise BadSettings(f"bars of {self.interval} do not divide the eight hours of funding")
        if self.series is not None:
            found = dict(self.series)
        elif self.data_dir is not None:
            found = dict(load_folder(self.data_dir, self.interval))
        else:
            names = self.symbols or SYNTHETIC_SYMBOLS
            found = {name: synthetic(name, self.interval, self.bars, self.seed, SYNTHETIC_SINCE) for name in names}
        missing = set(self.symbols or ()) - set(found)
        if missing or not found:
            raise BadSettings(f"no candles for {', '.join(sorted(missing)) or 'any symbol'}")
        return {name: one for name, one in found.items() if self.symbols is None or name in self.symbols}

    def start_ms(self, candles: Mapping[str, CandleSeries]) -> int:
        """Where now stands at first, in the candles' time. Raises BadSettings when a market has no bar there."""
        first = max(int(one.ts[0]) for one in candles.values())
        last = min(int(one.ts[-1]) for one in candles.values())
        step = interval_ms(self.interval)
        wanted = (
            int(self.start.timestamp() * 1000)
            if self.start
            else first + min(PAPER_START_BAR * step, (last - first) // 2)
        )
        if not first < wanted <= last:
            raise BadSettings("the start lies outside the candles that all markets share")
        return wanted

    def funding(self, candles: Mapping[str, CandleSeries], shift_ms: int) -> Funding:
        """Rates from the folder, moved like the candles; the default rate elsewhere."""
        if self.data_dir is None:
            return Funding(self.funding_rate)
        history = {}
        for symbol in candles:
            loaded = load_funding(self.data_dir, symbol)
            if loaded is not None:
                times, rates = loaded
                history[symbol] = ([int(at) + shift_ms for at in times], [Decimal(repr(float(rate))) for rate in rates])
        return Funding(self.funding_rate, history)
