"""What every engine does on the command line: say its trades, or run one piece of work again and again when told to.

ENGINE trades JOB.npz OUT.json     writes {"peer": name and version, "trades": [...]}
ENGINE WORK JOB.npz                answers on stdout, a line of JSON each: first what the work came to, then for every
                                   line on stdin, a number of calls, the seconds that one of them took

Imported by our process and by those of the peers, so it knows nothing of either.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Work = tuple[Callable[[], Any], Callable[[Any], Any]]  # what is timed; its result as JSON


def main(name: str, trades: Callable[[Any], list[Any]], works: Mapping[str, Callable[[Any], Work]]) -> None:
    """`works` make a work from a job's arrays; making it is not timed."""
    with np.load(sys.argv[2]) as file:
        job = dict(file)
    if sys.argv[1] == "trades":
        Path(sys.argv[3]).write_text(json.dumps({"peer": name, "trades": trades(job)}))
        return
    call, shown = works[sys.argv[1]](job)
    _say({"peer": name, "answer": shown(call())})
    for line in sys.stdin:
        calls = int(line)
        start = time.perf_counter()
        for _ in range(calls):
            call()
        seconds = (time.perf_counter() - start) / calls
        _say({"seconds": seconds, "peak_mb": _peak_mb()})


def _peak_mb() -> float:
    """The most memory this process ever held; Linux counts what its parent held into getrusage's figure."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201 - how the two processes talk
