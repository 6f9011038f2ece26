"""The same alerts through the running bot and its exchange, and through the backtest engine: the same trades."""

from datetime import timedelta

import numpy as np
import pytest

from app.backtest.engine import backtest
from app.backtest.model import Costs, ExitReason, Funding, Rules, TargetRule
from app.strategies.signals import Signals
from simulator.config import SimulatorConfig
from simulator.instruments import contract_for
from simulator.state import Terms
from tests.e2e.world import START, WARM_UP, drawn_market

# Closes, hour by hour from 50,000: both targets, a stop, a reversal, an exit by signal.
FUTURE = (50_500.0, 51_800.0, 53_200.0, 53_500.0, 54_200.0, 54_500.0, 54_300.0, 54_000.0, 53_900.0)
# (hour, what to become, stop)
SAYS = ((0, "long", 49_000.0), (3, "short", 54_000.0), (5, "long", 53_000.0), (7, "short", 55_500.0), (9, "flat", 0.0))
TICK = 0.1


async def test_live_rules_and_backtest_rules_make_the_same_trades(bot):
    run = _backtested()
    async with bot(future=FUTURE) as world:
        hour = 0
        for at, side, stop in SAYS:
            await world.hours_pass(at - hour)
            hour = at
            await world.until("the bot knows what is held", lambda: _known(world))
            world.models_say(side.upper())
            story = await world.story(_alert(world, side, stop))
            assert story["state"] in ("filled", "closed"), story["summary"]
        ledger = await world.ledger()
    expected = _as_fills(run)
    orders = sorted(ledger["orders"], key=lambda one: int(one["order_id"]))
    got = [
        (order["side"], float(fill["quantity"]), float(fill["price"]), float(fill["fee"]))
        for order in orders
        for fill in order["fills"]
    ]
    assert [(side, quantity) for side, quantity, *_ in got] == [
        (side, pytest.approx(quantity)) for side, quantity, *_ in expected
    ]
    for (_, _, price, fee), (_, _, ours, our_fee) in zip(got, expected, strict=True):
        assert ours == pytest.approx(price, abs=1.01 * TICK)  # the exchange fills on its tick, against the taker
        assert our_fee == pytest.approx(fee, rel=1e-4)
    assert run.trades["funding"].sum() == pytest.approx(-float(ledger["account"]["funding_fee"]), abs=1e-6)
    assert run.equity[-1] == pytest.approx(float(ledger["account"]["wallet"]), abs=0.2)
    assert [ExitReason(one) for one in run.trades["reason"]] == [
        *[ExitReason.TARGET] * 2, ExitReason.STOP, ExitReason.REVERSAL, ExitReason.SIGNAL,
    ]  # fmt: skip


async def _known(world):
    """The bot's record of the position is the venue's: news of stops and targets have arrived."""
    held = await world.held()
    ours = [(row["side"], row["quantity"]) for row in (await world.get("/positions"))["positions"]]
    return ours == ([(held[0], str(held[1]))] if held else [])


def _alert(world, side, stop):
    if side == "flat":
        return world.exit(action="buy")
    action = "buy" if side == "long" else "sell"
    return world.alert(action=action, market_position=side, stop_loss=str(stop), take_profits=None)


def _backtested():
    series, venue, contract = drawn_market("BTCUSDT", 50_000, FUTURE), Terms(), contract_for("BTCUSDT")
    count = len(series)
    flags = {side: np.zeros(count, np.bool_) for side in ("long", "short", "flat")}
    stops = {side: np.full(count, np.nan) for side in ("long", "short", "flat")}
    for hour, side, stop in SAYS:  # what is done at the open of a bar was said at the close of the one before
        flags[side][WARM_UP + hour - 1], stops[side][WARM_UP + hour - 1] = True, stop
    none = np.broadcast_to(np.nan, count)
    signals = Signals(
        enter_long=flags["long"],
        enter_short=flags["short"],
        exit_long=flags["flat"],
        exit_short=flags["flat"],
        long_stop=stops["long"],
        short_stop=stops["short"],
        long_target=none,
        short_target=none,
        warm_up=0,
    )
    rules = Rules(
        targets=(TargetRule(1.5, 0.5), TargetRule(3.0, 0.5)),
        quantity_step=float(contract.step),
        min_notional=float(contract.min_notional),
    )
    costs = Costs(
        taker_fee_rate=float(venue.taker_fee),
        maker_fee_rate=float(venue.maker_fee),
        slippage_rate=float(venue.half_spread + venue.slippage),
        market_targets=True,
    )
    due = int((START + timedelta(hours=4)).timestamp() * 1000)  # 16:00 UTC
    rate = float(SimulatorConfig().funding_rate)
    return backtest(series, signals, rules, costs, Funding(np.array([due], np.int64), np.array([rate])))


def _as_fills(run):
    """(side, quantity, price, fee) of every fill of the run, in order: entries once, exits as they were made."""
    fee, seen, fills = run.costs.taker_fee_rate, set(), []
    for number, one in enumerate(run.trades):
        key = int(one["entry_bar"])
        if key not in seen:
            seen.add(key)
            whole = float(run.trades["quantity"][run.trades["entry_bar"] == key].sum())
            fills.append((key, 1, number, "BUY" if one["side"] > 0 else "SELL", whole, float(one["entry_price"])))
        out = "SELL" if one["side"] > 0 else "BUY"
        fills.append((int(one["exit_bar"]), 0, number, out, float(one["quantity"]), float(one["exit_price"])))
    return [(side, quantity, price, quantity * price * fee) for *_, side, quantity, price in sorted(fills)]
