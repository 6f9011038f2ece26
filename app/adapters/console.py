"""Messages to the console, for those without a chat. Nothing here fails: a closed or blocked console loses messages."""

import sys
from typing import TextIO

from app.log import LineWriter


class ConsoleNotifier:
    """Prints every message, framed by its `label`, from a thread of its own: a console that blocks holds nobody up."""

    def __init__(self, stream: TextIO | None = None, *, label: str = "") -> None:
        self._writer = LineWriter(stream or sys.stdout)
        self._label = label

    async def send(self, text: str) -> None:
        first, *rest = f"{self._label}{text}".splitlines() or [""]
        self._writer.write("\n".join([first, *(f"   {line}" for line in rest)]))

    async def close(self) -> None:
        """Let what was said come out, for at most a second."""
        self._writer.close()
