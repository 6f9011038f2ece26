"""The console as a channel: it may close or block, and nobody is held up."""

import io
import os

from app.adapters.console import ConsoleNotifier


async def test_messages_are_printed_with_their_label():
    stream = io.StringIO()
    console = ConsoleNotifier(stream, label="PAPER ")
    await console.send("✅ LONG BTCUSDT\nvotes: …")
    await console.send("")
    await console.close()
    assert stream.getvalue() == "PAPER ✅ LONG BTCUSDT\n   votes: …\nPAPER \n"


async def test_a_closed_console_is_not_an_error():
    stream = io.StringIO()
    stream.close()
    console = ConsoleNotifier(stream)
    await console.send("anybody?")
    await console.close()


async def test_a_blocked_console_holds_nobody_up():
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        console = ConsoleNotifier(stream)
        for _ in range(100):
            await console.send("x" * 4096)
        os.close(reading)
        await console.close()
