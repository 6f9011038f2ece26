"""Every trade of our engine against raptorbt, vectorbt and backtesting.py: python -m benchmarks.parity [--record].

The peers run in their own interpreter (PEERS_PYTHON, var/peers/venv by default; benchmarks/requirements.txt).
--record writes their trades on small generated markets to tests/unit/backtest/golden, which the ordinary suite reads.
"""

import argparse
import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from app.history import CandleSeries, load_series
from benchmarks.jobs import Job, difference, ends_alike, markets, one_sided, reversals, rows, slipped

ROOT = Path(__file__).resolve().parents[1]
PEERS = Path(__file__).with_name("peers")
GOLDEN = ROOT / "tests/unit/backtest/golden"
GOLDEN_BARS = 1500
ATTEMPTS = 4


class PeerError(Exception):
    """A peer gave no answer, and why."""


def peers_python() -> Path | None:
    """The interpreter that has the peers, if there is one."""
    found = Path(os.environ.get("PEERS_PYTHON", ROOT / "var/peers/venv/bin/python"))
    return found if found.exists() else None


def ask(python: Path, peer: str, job: Job) -> Any:
    """What a peer makes of a job: {"peer": name and version, "trades": [...]}. Raises PeerError.

    raptorbt 0.13.4 dies of a memory fault about once in fifty runs of the same job: whoever dies so is asked again.
    """
    with tempfile.TemporaryDirectory() as folder:
        question, answer = Path(folder) / "job.npz", Path(folder) / "answer.json"
        np.savez(question, **job.arrays())
        command = [str(python), str(PEERS / f"{peer}_peer.py"), "trades", str(question), str(answer)]
        for _ in range(ATTEMPTS):
            done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own script
            if done.returncode == 0:
                return json.loads(answer.read_text())
            if done.returncode != -signal.SIGSEGV:
                break
    raise PeerError(f"{peer} left {job.name} with {done.returncode}: {done.stderr[-1000:]}")


def questions(series: CandleSeries) -> Iterator[tuple[str, Job]]:
    for job in one_sided(series):
        yield "raptorbt", job
    for job in reversals(series):
        yield "vectorbt", job
        yield "backtesting", job
    yield "vectorbt", slipped(series)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the golden trades of the ordinary suite")
    parser.add_argument("--data-dir", default=os.environ.get("DATA_DIR", str(ROOT.parent / "shared/data")))
    options = parser.parse_args()
    python = peers_python()
    if python is None:
        print("The peers are not installed: see benchmarks/requirements.txt.")  # noqa: T201 - what a script says
        return 1
    tested = dict(markets(GOLDEN_BARS))
    if not options.record and Path(options.data_dir).exists():
        tested["BTCUSDT 1h"] = load_series(options.data_dir, "BTCUSDT", "1h")
    unequal, golden = 0, []
    for name, series in tested.items():
        for peer, job in questions(series):
            answer = ask(python, peer, job)
            ours = rows(job.run())
            why = difference(ours, answer["trades"], ends=ends_alike(peer, job))
            unequal += bool(why)
            print(f"{answer['peer']:20} {name:12} {job.name:28} {len(ours):5} trades  {why or 'equal'}")  # noqa: T201
            golden.append({"peer": answer["peer"], "market": name, "job": job.name, "trades": answer["trades"]})
    if options.record:
        GOLDEN.mkdir(parents=True, exist_ok=True)
        with gzip.GzipFile(GOLDEN / "peers.json.gz", "wb", mtime=0) as file:
            file.write(json.dumps(golden).encode())
    return 1 if unequal else 0


if __name__ == "__main__":
    sys.exit(main())
