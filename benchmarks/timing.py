"""Engines in processes of their own, timed in turn: A B C A B C …, so that a busy moment falls on all of them."""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from benchmarks.jobs import difference, ends_alike
from benchmarks.jobs import rows as trades_of
from benchmarks.parity import PEERS, ROOT, PeerError, ask
from benchmarks.rows import Contender, Row

LEAST_SECONDS = 0.05  # what is shorter is called several times
TOLERANCE = 1e-3  # quote currency, of what a pair of a sweep earned on a million


@dataclass(frozen=True, slots=True)
class Timed:
    seconds: float  # median of one call
    peak_mb: float  # of the process, libraries and data included


class Engine:
    """A contender at work in its own process."""

    def __init__(self, contender: Contender, python: Path | None, question: Path) -> None:
        self.contender, self._command = contender, _command(contender, python, question)
        self._process = subprocess.Popen(  # noqa: S603 - our own scripts
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            cwd=ROOT, env=environment(),
        )  # fmt: skip
        self.answer: dict[str, Any] = self._read()
        self.calls = max(1, math.ceil(LEAST_SECONDS / self.ask(1)[0]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, calls: int) -> tuple[float, float]:
        """(seconds of a call, peak megabytes)."""
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        self._process.stdin.write(f"{calls}\n")
        self._process.stdin.flush()
        found = self._read()
        return found["seconds"], found["peak_mb"]

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        for line in self._process.stdout:
            if line.startswith("{"):
                return dict(json.loads(line))
        raise PeerError(f"{' '.join(self._command)} ended with {self._process.wait()}")


def environment() -> dict[str, str]:
    """That of a user: compiled modules are kept on disk."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _command(contender: Contender, python: Path | None, question: Path) -> list[str]:
    if contender.script is None:
        return [sys.executable, "-m", contender.module, contender.work, str(question)]
    return [str(python), str(PEERS / f"{contender.script}_peer.py"), contender.work, str(question)]


def timed(row: Row, python: Path | None, repeats: int) -> tuple[dict[str, Timed], str]:
    """Every contender's median, and in words what was found equal. Raises PeerError when something is not."""
    with tempfile.TemporaryDirectory() as folder:
        question = Path(folder) / "job.npz"
        np.savez(question, allow_pickle=False, **row.arrays())
        equal = compared(row, python) if row.job is not None and row.same else ""
        if row.fresh:
            return _fresh(row, python, question, repeats), equal
        # One after another at first: a peer's answer is checked before anything is timed.
        engines = [Engine(one, python, question) for one in row.contenders]
        try:
            if row.same and row.job is None:
                equal = answered_alike(row, {one.contender: one.answer["answer"] for one in engines})
            took: dict[str, list[tuple[float, float]]] = {one.contender.label: [] for one in engines}
            for _ in range(repeats):
                for one in engines:
                    took[one.contender.label].append(one.ask(one.calls))
        finally:
            for one in engines:
                one.__exit__(None, None, None)
    return {label: _median(found) for label, found in took.items()}, equal


def _median(found: list[tuple[float, float]]) -> Timed:
    return Timed(statistics.median(seconds for seconds, _ in found), max(peak for _, peak in found))


def _fresh(row: Row, python: Path | None, question: Path, repeats: int) -> dict[str, Timed]:
    took: dict[str, list[tuple[float, float]]] = {one.label: [] for one in row.contenders}
    for number in range(repeats + 1):
        for one in row.contenders:
            start = time.perf_counter()
            subprocess.run(  # noqa: S603 - our own scripts
                _command(one, python, question), check=True, stdin=subprocess.DEVNULL, capture_output=True, cwd=ROOT,
                env=environment(),
            )  # fmt: skip
            if number:  # the first fills the caches on disk
                took[one.label].append((time.perf_counter() - start, 0.0))
    return {label: _median(found) for label, found in took.items()}


def compared(row: Row, python: Path | None) -> str:
    """Trade by trade, against each peer that has the same rules."""
    assert row.job is not None  # noqa: S101 - asked by the caller
    assert python is not None  # noqa: S101
    job, said = row.job(), []
    ours = trades_of(job.run())
    for peer in row.same:
        answer = ask(python, peer, job)
        why = difference(ours, answer["trades"], ends=ends_alike(peer, job))
        if why:
            raise PeerError(f"{row.name}: {answer['peer']} does not agree: {why}")
        said.append(answer["peer"])
    return f"all {len(ours):,} trades those of {' and '.join(said)}"


def answered_alike(row: Row, answers: Mapping[Contender, list[float]]) -> str:
    """What every pair earned, against each peer's."""
    ours = np.array(answers[row.contenders[0]])
    for contender, answer in answers.items():
        if contender.script in row.same and not np.allclose(ours, answer, rtol=0.0, atol=TOLERANCE):
            raise PeerError(f"{row.name}: {contender.label} does not agree: {np.abs(ours - answer).max():g} apart")
    return f"what each of {len(ours):,} pairs earned is that of {' and '.join(row.same)}"
