"""What was computed once is not computed again, whoever asks; and no more is kept than may be."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.strategies import evaluate as evaluating
from app.strategies.evaluate import Cache
from app.strategies.registry import definition
from tests.unit.strategies.markets import MARKET

EMA_CROSS = definition("ema_cross")


@pytest.fixture
def counted(monkeypatch):
    """How often each kernel ran."""
    counts: dict[str, int] = {}

    def counting(name, kernel):
        def run(*args):
            counts[name] = counts.get(name, 0) + 1
            return kernel(*args)

        return run

    for name, kernel in evaluating.KERNELS.items():
        monkeypatch.setitem(evaluating.KERNELS, name, counting(name, kernel))
    return counts


def test_a_sweep_computes_each_indicator_once(counted):
    cache = Cache()
    for fast in (5, 10, 20):
        for slow in (20, 50, 60):  # 20 is both a fast and a slow length
            EMA_CROSS.signals(MARKET, {"fast": fast, "slow": slow}, cache)
    assert counted["ema"] == 5  # of 5, 10, 20, 50 and 60 bars
    assert counted["atr"] == 1
    assert counted["crossover"] == 9


def test_strategies_share_what_they_have_in_common(counted):
    cache = Cache()
    for name in ("rsi_ema", "cci", "macd_stochastic"):
        definition(name).signals(MARKET, cache=cache)
    assert counted["atr"] == 1
    assert counted["ema"] == 1 + 3  # the trend of 100 bars once, and the MACD's


def test_another_market_is_not_mixed_up():
    cache = Cache()
    first, second = MARKET[:1000], MARKET[500:1500]
    for market in (first, second, first):
        got = EMA_CROSS.signals(market, cache=cache)
        alone = EMA_CROSS.signals(market)
        np.testing.assert_array_equal(got.long_stop, alone.long_stop)
        np.testing.assert_array_equal(got.enter_long, alone.enter_long)


def test_it_holds_no_more_than_it_may_and_stays_right():
    cache = Cache(max_bytes=100_000)
    for fast in range(5, 30):
        got = EMA_CROSS.signals(MARKET, {"fast": fast}, cache)
        alone = EMA_CROSS.signals(MARKET, {"fast": fast})
        np.testing.assert_array_equal(got.enter_long, alone.enter_long)
        assert cache.bytes <= 100_000


def test_threads_share_it():
    cache = Cache(max_bytes=500_000)
    sets = [{"fast": fast, "slow": slow} for fast in (5, 8, 13, 21) for slow in (34, 55, 89)] * 4

    def entries(params):
        found = EMA_CROSS.signals(MARKET, params, cache)
        return np.flatnonzero(found.enter_long).tolist(), np.flatnonzero(found.enter_short).tolist()

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(entries, sets))
    alone = []
    for params in sets:
        found = EMA_CROSS.signals(MARKET, params)
        alone.append((np.flatnonzero(found.enter_long).tolist(), np.flatnonzero(found.enter_short).tolist()))
    assert together == alone
    assert any(longs for longs, _ in alone)


def test_what_is_shared_cannot_be_written_to():
    found = EMA_CROSS.signals(MARKET, cache=Cache())
    for array in (found.enter_long, found.long_stop, EMA_CROSS.plots(MARKET)["Fast EMA"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
