"""docker-compose.yml as data: what each service runs, and with which environment."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import yaml

from tests.architecture.skeleton import ROOT
from tests.intake_messages import native

FILE = ROOT / "docker-compose.yml"
# ${NAME}, ${NAME:-default}, ${NAME:?what to do}
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<kind>:-|:\?)?(?P<rest>[^}]*)\}")


class Missing(Exception):  # noqa: N818 - reads as what it is
    """A variable without a value that has to have one; the message is what `docker compose` prints."""


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]
    return found


def ours() -> dict[str, dict[str, Any]]:
    """The services that run our image."""
    return {name: service for name, service in services().items() if "tradingbot" in service["image"]}


def interpolated(text: str, given: Mapping[str, str]) -> str:
    """As compose does it. Raises Missing."""

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found["name"], found["kind"], found["rest"]
        if given.get(name):
            return given[name]
        if kind == ":?":
            raise Missing(f"{name}: {rest}")
        return rest if kind == ":-" else ""

    return VARIABLE.sub(value, text)


def environment(service: str, given: Mapping[str, str]) -> dict[str, str]:
    """What the container gets: all of .env (`given`), and over it what the file says."""
    said = services()[service]["environment"]
    return {**given, **{name: interpolated(str(value), given) for name, value in said.items()}}


def alert(secret: str) -> bytes:
    """To be long, sent now (an older one would be refused as stale), with stop and targets left to the bot."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    prices = dict.fromkeys(("price", "stop_loss", "take_profits", "trailing_stop", "market_position_size"))
    return native(secret=secret, fired_at=now, bar_time=now, **prices)
