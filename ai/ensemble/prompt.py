"""The one question all language models are asked.

Built from numbers and enums alone: no text of an alert, no name a person chose, ever gets in here, so nothing that
TradingView sends can talk to a model. What cannot be put as a number raises ValueError, and then nobody is asked.
"""

import re

from ai.ensemble.reading import Reading, read
from app.domain.candle import INTERVALS, MarketView
from app.domain.side import OrderSide, Side
from app.domain.signal import Signal

_SYMBOL = re.compile(r"[A-Z0-9]{2,20}")  # what instrument lists are made of; anything else did not come from one


class MarketPrompter:
    """Implements `app.ports.Prompter`."""

    def prompt(self, signal: Signal, view: MarketView) -> str:
        """The question about an entry. Raises ValueError for an exit, or when the market cannot be read."""
        if not _SYMBOL.fullmatch(view.symbol):
            raise ValueError("not the symbol of an instrument")
        if view.interval not in INTERVALS:
            raise ValueError("not an interval of candles")
        reading = read(view)
        return "\n".join(
            (
                f"You judge one trade on {view.symbol}, a USDT-margined perpetual future, on {view.interval} candles.",
                f"A rule-based strategy wants to enter {_side(signal).value} now. It may well be wrong.",
                "Form an opinion of your own on the next few candles from the numbers below and nothing else.",
                "",
                *_trade(signal, reading),
                "",
                *_market(reading),
                "",
                "Answer with a JSON object of exactly three fields:",
                '"opinion": "LONG", "SHORT", or "NEUTRAL" when the numbers show no edge;',
                '"confidence": an integer from 0 to 100, how sure you are of that opinion, 50 being a coin toss;',
                '"reason": one plain sentence of at most 200 characters.',
            )
        )


def _side(signal: Signal) -> Side:
    if signal.target is not None:
        side = signal.target.side
    else:
        side = {OrderSide.BUY: Side.LONG, OrderSide.SELL: Side.SHORT, None: None}[signal.action]
    if side is None:
        raise ValueError("the signal enters nothing")
    return side


def _trade(signal: Signal, reading: Reading) -> list[str]:
    lines = [f"Mark price: {reading.price:.6g}"]
    if signal.stop_loss is None:
        lines.append("Stop: set by the bot")
    else:
        lines.append(f"Stop: {_distance(float(signal.stop_loss.value), reading)}")
    lines += [
        f"Target {number}: {_distance(float(target.price.value), reading)}, {float(target.ratio):.0%} of the position"
        for number, target in enumerate(signal.take_profits[:5], start=1)
    ]
    return lines


def _distance(price: float, reading: Reading) -> str:
    percent = 100 * (price / reading.price - 1)
    return f"{percent:+.2f} % from the mark price, {percent / reading.atr_pct:+.1f} ATR"


def _market(reading: Reading) -> list[str]:
    r = reading
    return [
        f"ATR(14): {r.atr_pct:.2f} % of the price",
        f"Returns over 1, 5 and 20 candles: {r.return_1_pct:+.2f} %, {r.return_5_pct:+.2f} %, {r.return_20_pct:+.2f} %",
        f"Standard deviation of one-candle returns (20): {r.volatility_pct:.2f} %",
        f"RSI(14): {r.rsi:.0f}",
        f"MACD(12,26,9): line {r.macd_atr:+.2f} ATR, histogram {r.macd_histogram_atr:+.2f} ATR",
        f"Close against EMA(20): {r.ema20_distance_atr:+.2f} ATR, against EMA(50): {r.ema50_distance_atr:+.2f} ATR",
        f"EMA(20) against EMA(50): {r.ema_spread_atr:+.2f} ATR",
        f"Position between the Bollinger(20, 2) bands: {r.bollinger_position:.2f} (0 lower, 1 upper)",
        f"Width of the bands: {r.bollinger_width_pct:.1f} %",
        f"Close in the 20-candle range: {r.range_position:.2f} (0 low, 1 high)",
        f"Volume against its 20-candle mean: {r.volume_ratio:.2f}",
    ]
