"""What every command does the same way: settings, time, and how answers are printed."""

import difflib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console

from app.domain.errors import OperatorError
from app.log import configure_logging, register_secrets
from app.settings import SecretRef, Settings, load_settings

log = structlog.get_logger(__name__)
Json = Annotated[bool, typer.Option("--json", help="Print data for programs instead of text for people.")]
WIDE = 110  # columns, where there is no terminal to ask


def settings(log_level: str = "WARNING") -> Settings:
    """The settings in force. From here on, what libraries log goes to stderr, without secrets. Raises BadSettings."""
    early: list[str] = []
    found = load_settings(fetch=lambda refs: from_aws(refs, early.append))
    configure_logging(log_level, stream=sys.stderr)
    register_secrets(found.secrets())
    for warning in early:
        log.warning(warning)
    return found


def from_aws(refs: Sequence[SecretRef], warn: Callable[[str], None]) -> Mapping[str, str]:
    """The values of secrets that are kept in Secrets Manager. Blocks; never raises."""
    if not refs:
        return {}
    from app.adapters.aws.secrets import read_secrets  # noqa: PLC0415 - boto3 is loaded where there is AWS

    return read_secrets(refs, warn=warn)


def print_json(data: Any) -> None:
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))


def console() -> Console:
    """As wide as the terminal; plain text of a fixed width in a pipe."""
    wide = None if sys.stdout.isatty() else WIDE
    return Console(file=sys.stdout, width=wide, highlight=False, soft_wrap=False)


def one_of(option: str, value: str, allowed: Sequence[str]) -> None:
    """Raises OperatorError that names what is allowed, and the one that was probably meant."""
    if value in allowed:
        return
    near = difflib.get_close_matches(value, allowed, 1)
    hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(allowed)}"
    raise OperatorError(f"{option}: there is no {value}; {hint}")
