"""Environment to settings, once, at the start. Everything that is wrong is reported together, each with its remedy.

Outside paper mode unknown names, placeholder and weak secrets refuse to start; in paper mode they are warnings. A value
that cannot be read refuses to start everywhere: a limit that was meant and not understood must not be ignored.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource

from app.domain.errors import BadSettings
from app.settings.assemble import assemble, contradictions
from app.settings.environment import NAMES, Environment
from app.settings.problems import unknown_names, weak_secrets
from app.settings.shapes import Mode, SecretRef, Settings

__all__ = ["Fetch", "Mode", "SecretRef", "Settings", "load_settings"]

Fetch = Callable[[Sequence[SecretRef]], Mapping[str, str]]
"""The values of these settings, by name. One that the store does not have is left out."""


def load_settings(
    env: Mapping[str, str] | None = None,
    env_file: Path | None = Path(".env"),
    *,
    fetch: Fetch | None = None,
    trades: bool = True,
) -> Settings:
    """Settings from the environment (default: the process's) over `env_file` (may be absent).

    `fetch` reads what SECRETS_FROM_AWS names; its values go before the environment's, which were true when the process
    began. Without `trades` they are for a process that only takes alerts in: the exchange's keys may be missing.
    Raises BadSettings that lists everything there is to mend.
    """
    in_file = _read(env_file)
    process = dict(os.environ if env is None else env)
    refs = {**in_file, **process}.get("SECRETS_FROM_AWS", "")
    if fetch is not None and refs.strip():
        process |= fetch(_parse({"SECRETS_FROM_AWS": refs})[0].SECRETS_FROM_AWS)
    # A value's edges are never meant: a secret that was stored from a file ends in a newline. Empty means not set.
    given = {name: text for name, value in {**in_file, **process}.items() if (text := value.strip())}
    parsed, unreadable = _parse({name: given[name] for name in NAMES & given.keys()})
    doubtful = [*unknown_names(in_file, process), *weak_secrets(given)]
    wrong = [*unreadable, *contradictions(parsed, trades=trades)]
    if wrong or (doubtful and parsed.TRADING_MODE is not Mode.PAPER):
        raise BadSettings("the settings need attention:\n" + "\n".join(f"  - {line}" for line in [*wrong, *doubtful]))
    return assemble(parsed, warnings=tuple(doubtful))


def _read(env_file: Path | None) -> dict[str, str]:
    if env_file is None:
        return {}
    try:
        values = DotEnvSettingsSource(Environment, env_file=env_file, case_sensitive=True).env_vars
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"{env_file} cannot be read: {error}") from error
    return {name: value or "" for name, value in values.items()}


def _parse(values: Mapping[str, Any]) -> tuple[Environment, list[str]]:
    """The typed variables, and what cannot be read (those are left at their defaults, so that the rest is checked too).

    Never quotes a value: it may be a secret in the wrong place.
    """
    try:
        return Environment(**values), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
    unreadable = {str(item["loc"][0]): item["msg"].removeprefix("Value error, ") for item in found}
    rest = {name: value for name, value in values.items() if name not in unreadable}
    return Environment(**rest), [f"{name}: {message}" for name, message in unreadable.items()]
