"""`make bench` measures the product: its jobs survive their file, and its page says what was missed."""

import numpy as np
import pytest

from app.backtest.engine import backtest
from benchmarks import ours
from benchmarks.jobs import markets, one_sided, reversals, rows, told
from benchmarks.rows import NUMBA, RUST
from benchmarks.rows import rows as bench_rows
from benchmarks.run import Found, page
from benchmarks.timing import Timed, answered_alike


def test_a_job_that_went_through_a_file_makes_the_same_trades(tmp_path):
    for job in (*one_sided(markets(400)["jumpy"]), *reversals(markets(400)["calm"])):
        np.savez(tmp_path / "job.npz", allow_pickle=False, **job.arrays())
        with np.load(tmp_path / "job.npz") as file:
            assert rows(backtest(*told(dict(file)))) == rows(job.run()) != []


def test_a_pair_of_the_sweep_earns_what_its_own_trades_earn():
    row = next(row for row in bench_rows(quick=True) if row.name.startswith("Sweep"))
    job = row.arrays()
    call, shown = ours.swept(job)
    earned, asked, signals_of = shown(call()), told(job), ours.crossing(job)
    for pair, one in zip(job["pairs"].tolist(), earned, strict=True):
        trades = backtest(asked.series, signals_of(pair), asked.rules, asked.costs).trades
        assert one == pytest.approx(trades["pnl"].sum(), abs=1e-4)
        assert len(trades) > 10
    answers = dict.fromkeys(row.contenders, earned)
    assert "10 pairs" in answered_alike(row, answers)
    answers[row.contenders[1]] = [*earned[:-1], earned[-1] + 1.0]
    with pytest.raises(Exception, match="does not agree"):
        answered_alike(row, answers)


def test_the_page_says_what_is_met_and_what_is_missed():
    row = bench_rows(quick=True)[0]
    took = {one.label: Timed(0.001, 100.0) for one in row.contenders} | {RUST: Timed(0.0099, 100.0)}
    text = page([Found(row, took, "all")], "2026-01-05", ["vectorbt 1.2.0"], 5)
    assert "2026-01-05" in text
    assert f"| {NUMBA} | 1.00 ms | 1.0 × | 100 MB |" in text
    assert "Target, vectorbt, Rust at least 10 ×: MISSED (9.9 ×)." in text
    took[RUST] = Timed(0.0101, 100.0)
    assert "at least 10 ×: met (10.1 ×)" in page([Found(row, took, "all")], "2026-01-05", [], 5)
