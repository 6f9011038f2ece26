"""What a run says at its end: one line a step, and one exit code."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.terraform.toolchain import Failed, Missing

PASSED, FAILED, SKIPPED = "ok", "FAILED", "skipped"


@dataclass(frozen=True)
class Result:
    name: str
    verdict: str
    seconds: float
    note: str = ""
    complaint: str = ""  # printed in full


@dataclass
class Report:
    """Runs steps, each a function that returns a note, and keeps what became of them."""

    strict: bool = False  # what is missing is a failure
    results: list[Result] = field(default_factory=list)

    def step(self, name: str, work: Callable[[], str]) -> bool:
        """Whether the step may be built upon. Raises nothing that a tool said."""
        started = time.monotonic()
        verdict, note, complaint = PASSED, "", ""
        try:
            note = work()
        except Missing as missing:
            verdict = FAILED if self.strict else SKIPPED
            note = str(missing)
        except (Failed, AssertionError) as failure:
            verdict, complaint = FAILED, str(failure)
        result = Result(name, verdict, time.monotonic() - started, note, complaint)
        self.results.append(result)
        print("\n".join([line(result), *(f"    {each}" for each in complaint.splitlines())]), flush=True)  # noqa: T201
        return verdict == PASSED

    @property
    def failed(self) -> bool:
        return any(one.verdict == FAILED for one in self.results)

    def close(self) -> int:
        """Print the sum; the exit code."""
        counts = {verdict: sum(one.verdict == verdict for one in self.results) for verdict in (PASSED, FAILED, SKIPPED)}
        total = sum(one.seconds for one in self.results)
        print(f"\n{counts[PASSED]} ok, {counts[FAILED]} failed, {counts[SKIPPED]} skipped in {total:.0f} s")  # noqa: T201
        return 1 if self.failed else 0


def line(one: Result) -> str:
    return f"{one.name:<34} {one.verdict:<8} {one.seconds:>6.1f} s  {one.note}".rstrip()
