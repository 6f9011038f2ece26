"""`tradingbot venue`: the local exchange as a process of its own."""

import asyncio
from typing import Annotated

import typer

from app.commands.hosting import local_exchange, simulator_config, stop_on_signals
from app.commands.shared import console, settings
from simulator.clock import Mode

app = typer.Typer(rich_markup_mode=None)


@app.command()
def venue(
    host: Annotated[
        str, typer.Option(help="Address to listen on. Whoever reaches it can trade the paper account.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Where it listens; SIMULATOR_PORT otherwise.")
    ] = None,
    mode: Annotated[
        Mode | None, typer.Option(help="How its clock runs: real, scaled (SIMULATOR_SPEED), stepped.")
    ] = None,
) -> None:
    """Run the local Binance USDⓈ-M exchange alone: made-up money, real protocol. Ctrl-C stops it.

    `tradingbot serve` in paper mode finds it and uses it; started alone, it outlives the bot.
    """
    found = settings()
    config = simulator_config(found, mode=mode)
    chosen = port or found.simulator.port

    async def run() -> None:
        stop = stop_on_signals()
        async with local_exchange(config, chosen, host=host):
            console().print(f"local exchange at http://{host}:{chosen}   ledger: http://{host}:{chosen}/_sim/ledger")
            await stop.wait()

    asyncio.run(run())
