"""A server nobody here wrote that speaks the wire formats of OpenAI, Anthropic and Ollama: @copilotkit/aimock.

Needs node 20.15 or newer; without it the tests that ask for it are skipped, and say so. The package is installed from
the lock in tests/node once, by whichever test process comes first. It answers by the model's name: see votes.json.
"""

import fcntl
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HOME = Path(__file__).parent / "node"
_CLI = HOME / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
_OLDEST = (20, 15)
_START_S = 60.0


@contextmanager
def aimock(votes: Path = HOME / "votes.json") -> Iterator[str]:
    """The URL of a server that answers from `votes`. Skips the test where there is no node to run it."""
    node = _node()
    _install()
    command = [node, str(_CLI), "-p", "0", "-f", str(votes), "--log-level", "info", "--strict"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=HOME) as server:
        too_late = threading.Timer(_START_S, server.kill)
        too_late.start()
        try:
            url = _url(server)
            too_late.cancel()
            yield url
        finally:
            too_late.cancel()
            server.kill()


def _url(server: "subprocess.Popen[str]") -> str:
    said = []
    for line in server.stdout or ():
        said.append(line)
        if found := re.search(r"listening on (http://\S+)", line):
            return found[1]
    raise RuntimeError(f"aimock did not start: {''.join(said)}")


def _node() -> str:
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        pytest.skip("node and npm are not installed: the three wire formats of a foreign server go untested")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < _OLDEST:
        pytest.skip(f"node {version.strip()} is older than 20.15, which aimock needs")
    return node


def _install() -> None:
    """`npm ci` from the lock, unless what it asks for is there. One process at a time."""
    with (HOME / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = HOME / "node_modules" / ".installed"
        wanted = lock.read()
        if _CLI.exists() and done.exists() and done.read_text() == wanted:
            return
        npm = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=HOME,
            capture_output=True,
            text=True,
            check=False,
        )
        if npm.returncode:
            raise RuntimeError(f"npm could not install aimock: {npm.stderr[-500:]}")
        done.write_text(wanted)
