"""A real Redis server for tests: on a unix socket, so that parallel runs never meet, and killable at will."""

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

START_WITHIN_S = 20.0


def redis_binary() -> str:
    """The system's server, or the one that comes in a wheel with the test tools."""
    bundled = Path(sys.executable).parent / "redis-server"
    found = shutil.which("redis-server") or (str(bundled) if bundled.exists() else None)
    if found is None:
        raise RuntimeError("no redis-server: install the Debian package of that name, or use Python 3.11 or 3.12")
    return found


class RedisServer:
    """One server that keeps nothing on disk: a restart is also a wipe."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self, *options: str) -> None:
        """Start, and return when it answers. `options` as on the server's command line."""
        command = [redis_binary(), "--port", "0", "--unixsocket", str(self._socket), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, cwd=self._socket.parent)
        deadline = time.monotonic() + START_WITHIN_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the Redis server did not come up")
            time.sleep(0.01)

    def freeze(self) -> None:
        """Alive and mute: connections are taken, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """As power loss does it. Killing a dead server is fine."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "not started"
        self._process.send_signal(number)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
            line.settimeout(1)
            line.connect(str(self._socket))
            line.sendall(b"PING\r\n")
            return line.recv(7) == b"+PONG\r\n"
        return False
