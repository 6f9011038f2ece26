"""Processes to be killed: start the `tradingbot` command, send it signals, read how it ended."""

import asyncio
import multiprocessing
import os
import random
import signal
import socket
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.faults import command

_PORTS = range(20_000, 32_000)  # below the range the kernel gives to outgoing connections: a port stays ours
_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload(list(command.PRELOADED))


class Program:
    """One running `tradingbot` command, from its start on."""

    def __init__(self, *arguments: str, env: Mapping[str, str], folder: Path, name: str = "") -> None:
        self.log = folder / f"{name or arguments[0]}.log"
        self._process: BaseProcess = _forking.Process(
            target=command.run, args=(arguments, dict(env), str(folder), str(self.log)), daemon=True
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> None:
        """SIGKILL, and gone when this returns: a host that loses power, a kernel out of memory."""
        self._process.kill()
        self._process.join()

    def terminate(self) -> None:
        """SIGTERM, as a deploy sends it."""
        self._process.terminate()

    def send(self, number: signal.Signals) -> None:
        assert self.running
        os.kill(self.pid, number)

    def freeze(self) -> None:
        """SIGSTOP: alive, holding everything, doing nothing."""
        assert self.running
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.running
        os.kill(self.pid, signal.SIGCONT)

    async def ended(self, within_s: float) -> int:
        """The exit code; -9 after SIGKILL."""
        await asyncio.to_thread(self._process.join, within_s)
        code = self._process.exitcode
        assert code is not None, f"still running after {within_s:g} s"
        return code

    def said(self) -> str:
        """Everything that programs of this kind have written in this folder."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def free_port() -> int:
    """A port nobody listens on, and nobody is given by chance while its owner is dead."""
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("a hundred ports are taken")
