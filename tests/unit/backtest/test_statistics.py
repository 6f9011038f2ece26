"""Statistics: the papers' worked examples, peers, plain copies of each method, and markets whose truth is known."""

import json
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from app.backtest.statistics import (
    Rivals,
    assess,
    block_length,
    bootstrap,
    expected_best_sharpe,
    overfitting,
    probabilistic_sharpe,
    rivals,
)
from app.domain.errors import BadSettings
from tests.unit.backtest.runs import run_of

PEERS = json.loads((Path(__file__).parent / "golden_metrics" / "peers.json").read_text())["curves"]


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- bootstrap ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PEERS)
def test_block_length_equal_to_arch(name: str) -> None:
    equity = np.array(PEERS[name]["equity"])
    assert block_length(equity[1:] / equity[:-1] - 1) == max(1, math.ceil(PEERS[name]["block"]))


def plain_bootstrap(values: np.ndarray, block: int, samples: int, seed: int) -> list[tuple[float, float, float]]:
    """The same draws, put together bar by bar: (return, Sharpe per bar, drawdown) of each sample."""
    generator = np.random.Generator(np.random.PCG64(seed))
    lengths = [block] * (len(values) // block) + [len(values) % block] * (len(values) % block > 0)
    starts = [generator.integers(len(values), size=samples) for _ in lengths]
    found = []
    for sample in range(samples):
        picked = [(at[sample] + np.arange(n)) % len(values) for at, n in zip(starts, lengths, strict=True)]
        drawn = values[np.concatenate(picked)]
        equity = np.r_[1.0, np.cumprod(1 + drawn)]
        depth = (1 - equity / np.maximum.accumulate(equity)).max()
        found.append((equity[-1] - 1, drawn.mean() / drawn.std(ddof=1), depth))
    return found


@pytest.mark.parametrize("block", [1, 7, 60, 101])
def test_blocks_put_together_are_the_resampled_history(block: int) -> None:
    values = rng().standard_t(3, 101) * 0.02
    found = bootstrap(values, 1.0, samples=40, block=block, seed=5)
    total, sharpe, depth = np.array(plain_bootstrap(values, block, 40, 5)).T
    for interval, wanted in ((found.total, total), (found.sharpe, sharpe), (found.drawdown, depth)):
        assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(wanted, [0.025, 0.975])), rel=1e-9)
    assert found.loss_share == pytest.approx((total < 0).mean())


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """Many histories of a true Sharpe of 1.5 a year: 95 % intervals hold it in about 95 %, with and without memory."""
    for memory in (0.0, 0.3):
        truth, spread = 1.5, 0.01 / math.sqrt(1 - memory**2)
        inside = 0
        for seed in range(100):
            shocks = rng(seed).normal(0, 0.01, 620)
            values = np.zeros(620)
            for bar in range(1, 620):
                values[bar] = memory * values[bar - 1] + shocks[bar]
            values += truth / math.sqrt(365) * spread
            found = bootstrap(values[120:], 365.0, samples=200, seed=seed).sharpe
            assert found is not None
            inside += found.low <= truth <= found.high
        assert 0.88 <= inside / 100 <= 0.99


def test_the_width_is_that_of_lo() -> None:
    """Lo (2002): the standard error of a Sharpe ratio of independent returns is sqrt((1 + SR^2 / 2) / n) per bar."""
    values = rng(3).normal(0.001, 0.01, 4000)
    found = bootstrap(values, 1.0, block=1, seed=1).sharpe
    assert found is not None
    expected = 2 * 1.96 * math.sqrt((1 + 0.1**2 / 2) / 4000)
    assert found.high - found.low == pytest.approx(expected, rel=0.06)


def test_memory_needs_longer_blocks() -> None:
    """Returns that follow each other: cut into single bars, the falls look shallower than they are."""
    shocks, values = rng(4).normal(0, 0.01, 3000), np.zeros(3000)
    for bar in range(1, 3000):
        values[bar] = 0.6 * values[bar - 1] + shocks[bar]
    assert block_length(values) > 10
    assert block_length(shocks) <= 3
    together, apart = bootstrap(values, 365.0, seed=1), bootstrap(values, 365.0, block=1, seed=1)
    assert together.drawdown.low > apart.drawdown.low + 0.1
    assert together.drawdown.high > apart.drawdown.high + 0.1


def test_the_seed_decides() -> None:
    values = rng().normal(0, 0.01, 500)
    assert bootstrap(values, 365.0, seed=1) == bootstrap(values, 365.0, seed=1)
    assert bootstrap(values, 365.0, seed=1).total != bootstrap(values, 365.0, seed=2).total


def test_a_long_series_is_compounded_first() -> None:
    values = rng().normal(1e-6, 0.0005, 60_000)
    long = bootstrap(values, 525_600.0, samples=200, block=50, seed=1)
    assert long.step_bars == 3
    plain = bootstrap(values.reshape(-1, 3).sum(axis=1), 525_600.0 / 3, samples=200, block=50, seed=1)
    assert plain.step_bars == 1
    assert long.total.high == pytest.approx(plain.total.high, rel=0.02)
    assert long.sharpe is not None
    truth = values.mean() / values.std() * math.sqrt(525_600)
    assert long.sharpe.low < truth < long.sharpe.high


# --- Sharpe ratios -----------------------------------------------------------------------------------


def test_probabilistic_sharpe_of_the_paper() -> None:
    """Bailey & López de Prado (2012): 24 months, Sharpe 0.458 a month, skewness -2.448, kurtosis 10.164."""
    assert probabilistic_sharpe(0.458, 24, -2.448, 10.164) == pytest.approx(0.913, abs=5e-4)
    assert probabilistic_sharpe(0.458, 24, 0.0, 3.0) == pytest.approx(0.982, abs=5e-4)


@pytest.mark.parametrize(("trials", "published"), [(100, 0.9004), (46, 0.9505)])
def test_deflated_sharpe_of_the_paper(trials: int, published: float) -> None:
    """Bailey & López de Prado (2014): 1,250 days, Sharpe 2.5, trials' variance 1/2, skew -3, kurtosis 10."""
    hurdle = expected_best_sharpe(trials, 0.5 / 250)
    if trials == 100:
        assert hurdle == pytest.approx(0.1132, abs=5e-5)
    found = probabilistic_sharpe(2.5 / math.sqrt(250), 1250, -3.0, 10.0, hurdle)
    assert found == pytest.approx(published, abs=2e-4)


@pytest.mark.parametrize("trials", [25, 100, 1000])
def test_the_best_of_many_worthless_ones(trials: int) -> None:
    best = rng(7).normal(0, 0.3, (2000, trials)).max(axis=1).mean()
    assert expected_best_sharpe(trials, 0.09) == pytest.approx(best, rel=0.03)


def test_one_trial_is_no_choice() -> None:
    assert expected_best_sharpe(1, 0.5) == 0.0


# --- overfitting -------------------------------------------------------------------------------------


def plain_overfitting(matrix: np.ndarray, blocks: int) -> tuple[float, float]:
    """The paper's algorithm step by step: (probability, share of losing choices)."""
    size = len(matrix) // blocks
    parts = [matrix[len(matrix) - size * (blocks - at) :][:size] for at in range(blocks)]
    logits, losing = [], []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[at] for at in chosen])
        outside = np.concatenate([parts[at] for at in range(blocks) if at not in chosen])
        best = (inside.mean(axis=0) / inside.std(axis=0)).argmax()
        ratios = outside.mean(axis=0) / outside.std(axis=0)
        place = (np.sort(ratios).searchsorted(ratios[best]) + 1) / (matrix.shape[1] + 1)
        logits.append(math.log(place / (1 - place)))
        losing.append(ratios[best] < 0)
    return float(np.mean(np.array(logits) <= 0)), float(np.mean(losing))


@pytest.mark.parametrize(("bars", "configurations", "blocks"), [(97, 7, 6), (240, 12, 8), (64, 2, 4)])
def test_overfitting_equals_the_paper_step_by_step(bars: int, configurations: int, blocks: int) -> None:
    matrix = rng(bars).normal(0.0005, 0.01, (bars, configurations))
    found = overfitting(matrix, blocks)
    assert (found.probability, found.loss_share) == pytest.approx(plain_overfitting(matrix, blocks))
    assert found.splits == math.comb(blocks, blocks // 2)


def test_overfitting_where_the_truth_is_known() -> None:
    noise = [overfitting(rng(seed).normal(0, 0.01, (800, 30)), 10).probability for seed in range(40)]
    assert np.mean(noise) == pytest.approx(
        0.5, abs=0.08
    )  # nothing to find: the best of one half is anywhere in the other
    real = rng(1).normal(0, 0.01, (800, 30))
    real[:, 4] += 0.004
    assert overfitting(real, 10).probability == 0.0
    # What gains in one half is taken back in the other: the sum over all of time is the same for all.
    swapped = rng(2).normal(0, 0.01, (800, 30))
    swapped -= swapped.mean(axis=0)
    assert overfitting(swapped, 10).probability > 0.9


def test_idle_configurations_have_a_ratio_of_zero() -> None:
    matrix = np.zeros((160, 3))
    matrix[:, 1] = rng(1).normal(-0.01, 0.001, 160)
    assert overfitting(matrix, 8).loss_share == 0.0  # standing still beats losing


@pytest.mark.parametrize(("shape", "blocks"), [((100, 1), 8), ((15, 4), 8), ((100, 4), 7), ((100, 4), 0)])
def test_overfitting_says_what_it_needs(shape: tuple[int, int], blocks: int) -> None:
    with pytest.raises(BadSettings, match="at least 2 configurations and 2 bars"):
        overfitting(np.zeros(shape), blocks)


# --- all of it for one run ---------------------------------------------------------------------------


def test_assess_one_of_many() -> None:
    values = rng(2).normal(0.0008, 0.01, 900)
    run = run_of(np.r_[100.0, 100 * np.cumprod(1 + values)].tolist(), interval="1d")
    matrix = np.c_[values, rng(3).normal(0, 0.01, (900, 4))]
    alone = assess(run)
    among = assess(run, Rivals(50, 0.002, overfitting(matrix)))
    assert alone.psr is not None
    assert among.dsr is not None
    assert among.dsr < alone.psr == among.psr
    assert among.trials_sharpe == pytest.approx(expected_best_sharpe(50, 0.002) * math.sqrt(365))
    assert among.overfitting is not None
    assert set(alone.missing) == {"dsr", "overfitting"}
    assert not among.missing


def test_trials_that_lie_close_together_do_not_lower_the_hurdle() -> None:
    """The best of 50 worthless histories, and a search that dwells there: luck is not to pass for skill."""
    passed, drawn = 0, rng(6)
    for _ in range(40):
        values = max((drawn.normal(0, 0.01, 400) for _ in range(50)), key=lambda one: one.mean() / one.std())
        run = run_of(np.r_[100.0, 100 * np.cumprod(1 + values)].tolist(), interval="1d")
        found = assess(run, Rivals(50, 1e-6), samples=10)
        assert found.psr is not None
        assert found.dsr is not None
        passed += found.dsr > 0.95
        assert found.trials_sharpe == pytest.approx(expected_best_sharpe(50, 1 / 399) * math.sqrt(365))
    assert passed <= 2


def test_assess_leaves_the_warm_up_out() -> None:
    curve = np.r_[100.0, 100 * np.cumprod(1 + rng(2).normal(0.0008, 0.01, 300))]
    late = run_of([100.0] * 500 + curve.tolist(), warm_up=500)
    assert assess(late) == assess(run_of(curve.tolist()))


def test_assess_says_what_it_cannot() -> None:
    assert assess(run_of([100.0, 101.0])).missing["bootstrap"] == "fewer than 30 bars"
    ruined = assess(run_of([100.0] * 40 + [-1.0] * 40))
    assert ruined.missing["psr"] == "equity fell to zero or below"
    idle = assess(run_of([100.0] * 100), Rivals(9, 0.1))
    assert idle.dsr is None
    assert idle.missing["psr"] == idle.missing["dsr"] == "nothing ever moved"
    seldom = [100.0] * 1000 + [101.0] * 1000
    assert assess(run_of(seldom)).missing["bootstrap.sharpe"] == "too few trades: some resamples have none"


def test_rivals_of_runs() -> None:
    """The ruined one was tried too; what it returned cannot be compared."""
    curves = [np.r_[100.0, 100 * np.cumprod(1 + rng(seed).normal(0, 0.01, 200))].tolist() for seed in (1, 2)]
    found = rivals([run_of(curves[0]), run_of(curves[1], warm_up=60), run_of([100.0] * 100 + [-1.0] * 101)])
    first, second = np.diff(curves[0]) / curves[0][:-1], (np.diff(curves[1]) / curves[1][:-1])[60:]
    assert found.trials == 3
    assert found.overfitting == overfitting(np.c_[first[60:], second])
    ratios = [first.mean() / first.std(ddof=1), second.mean() / second.std(ddof=1)]
    assert found.variance == pytest.approx(np.var(ratios, ddof=1))
    assert rivals([run_of(curves[0])]) == Rivals(1)


def test_a_search_that_does_not_know_its_trials() -> None:
    curve = np.r_[100.0, 100 * np.cumprod(1 + rng(1).normal(0, 0.01, 200))]
    found = assess(run_of(curve.tolist()), Rivals(trials=40))
    assert found.missing["dsr"] == "the Sharpe ratios of the others are not known"
    assert found.missing["overfitting"] == "needs the returns of every configuration tried"
    assert found.trials == 40
