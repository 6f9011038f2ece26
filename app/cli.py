"""The command line. `COMMANDS` is the whole of it: a command's module is loaded when the command is used, not before.

What a person must change ends in one line on stderr and exit code 2; what may work later in exit code 1.
"""

import contextlib
import importlib
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from app.domain.errors import OperatorError, TradingBotError
from app.extras import missing

# name: (module that has it as `app`, what it is for). One line per command.
COMMANDS = {
    "serve": ("app.commands.serve", "take alerts and trade them; in paper mode with a local exchange"),
    "migrate": ("app.commands.migrate", "bring the database's schema up to date, before processes that expect it"),
    "health": ("app.commands.health", "ask a running process whether it lives: exit code 0 or 1"),
    "demo": ("app.commands.demo.run", "replay a tape of alerts at high speed and say what happened"),
    "venue": ("app.commands.venue", "run the local exchange alone"),
    "strategies": ("app.commands.strategies", "list the strategies and their parameters"),
    "backtest": ("app.commands.backtest", "test a strategy on past candles: figures, a report, what they cannot say"),
    "optimize": ("app.commands.optimize", "search for parameters, and say how much of what is found may be luck"),
    "pine": ("app.commands.pine", "write strategies as Pine scripts, and check that both sides trade the same"),
    "data": ("app.commands.data", "fetch candles and funding, keep, check, resample and query them"),
    "train": ("app.commands.train", "train the LSTM seat on candles"),
    "why": ("app.commands.why", "tell one alert's whole story"),
    "verify": ("app.commands.verify", "check the audit chain and name the first bad row"),
    "replay": ("app.commands.replay", "rebuild everything from the events and compare"),
    "backup": ("app.commands.backup", "write the whole database into one encrypted archive"),
    "restore": ("app.commands.restore", "prove a backup, or put it into an empty database"),
    "strategy": ("app.commands.strategy", "add, list, rotate and check strategies and their secrets"),
    "aws": ("app.commands.aws", "price the stack on AWS, and roll out a new image"),
    "doctor": ("app.commands.doctor", "check settings, database, exchange and channels, and say what to do"),
}

_SHELL_OPTIONS = ("install_completion", "show_completion")  # of the whole program, not of each command


class LazyGroup(TyperGroup):
    """Knows its commands by name; loads only the one that is used."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature is the library's
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, about = COMMANDS[cmd_name]
        command = typer.main.get_command(importlib.import_module(module).app)
        command.name, command.help = cmd_name, command.help or about
        command.params = [option for option in command.params if option.name not in _SHELL_OPTIONS]
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # The reader (head, less) has left; let the interpreter's last flush go nowhere instead of complaining.
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except ModuleNotFoundError as error:
            absent = missing(error)
            if absent is None:
                raise
            _complain(absent)
            raise typer.Exit(2) from None
        except TradingBotError as error:
            _complain(error)
            raise typer.Exit(2 if isinstance(error, OperatorError) else 1) from None


def _complain(error: TradingBotError) -> None:
    # Imported here, not above: structlog would cost every `--help` half a second.
    from app.log import redact  # noqa: PLC0415

    typer.echo(f"tradingbot: {redact(str(error))}", err=True)


app = typer.Typer(
    name="tradingbot",
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # they print local variables, and those hold secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def tradingbot() -> None:
    """TradingView alerts in, protected futures positions out, and a reason for every step.

    Settings come from the environment and from .env; .env.example explains them.
    New here? tradingbot demo shows all of it. Before you trade: tradingbot doctor
    """


def main() -> None:
    """The entry point of the `tradingbot` command."""
    app(prog_name="tradingbot")
