"""The `tradingbot` command in a process of its own, forked from one that has its modules loaded already.

What runs is what the installed command runs: `app.cli.main` with these arguments and this environment. Loading the
libraries anew for each of a hundred restarts would be most of the test's time; everything after that is the real thing.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence

PRELOADED = (
    "app.commands.serve",
    "app.commands.venue",
    "app.commands.verify",
    "app.commands.replay",
    "ai.ensemble.claude",  # loaded when its seat is filled, as the next two
    "ai.ensemble.gpt",
    "ai.ensemble.llama",
    "onnxruntime",
    "pydantic.v1",  # these four when they are first used
    "aiosqlite",
    "anyio._backends._asyncio",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
    "pytest",  # what multiprocessing takes for the main module
)
_PR_SET_PDEATHSIG = 1


def run(arguments: Sequence[str], environment: Mapping[str, str], folder: str, log: str) -> None:
    """Become `tradingbot arguments…`; the exit code is the command's."""
    if sys.platform == "linux":  # nothing outlives an interrupted test run
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()  # as a container starts it: nobody's terminal, nothing to read from
    os.close(0)
    assert os.open(os.devnull, os.O_RDONLY) == 0
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)  # where no .env is
    sink = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    sys.argv = ["tradingbot", *arguments]
    from app.cli import main  # noqa: PLC0415 - this file must load without the product

    main()
