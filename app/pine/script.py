"""What a Pine script says about itself, as text: the strategy it came from, the names it has, and plots to show them.

An exported script carries one line for programs: `// tradingbot: {"strategy": "supertrend", "params": {…}}`. A script
without it, or with one that cannot be read, raises OperatorError: what to compare it with is not known.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.domain.errors import OperatorError
from app.pine.compare import FLAGS, LEVELS

EQUITY_PLOT = "parity:equity"
_HEADER = re.compile(r"^// tradingbot: (\{.*\})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Origin:
    """The strategy a script was exported from, and the values its inputs default to."""

    strategy: str
    params: Mapping[str, object]


def origin(source: str) -> Origin:
    found = _HEADER.search(source)
    if found is None:
        raise OperatorError(
            "the script does not say which strategy it is: it has no line '// tradingbot: {…}'."
            " Check scripts made by: tradingbot pine export"
        )
    try:
        said = json.loads(found[1])
        return Origin(str(said["strategy"]), dict(said["params"]))
    except (ValueError, KeyError, TypeError) as error:
        raise OperatorError(f"the script's line '// tradingbot: …' cannot be read ({error}): export it again") from None


def shown(source: str) -> dict[str, str]:
    """Fields of Signals that the script has as variables, by the title of the plot that shows them."""
    return {f"parity:{name}": name for name in (*FLAGS, *LEVELS) if _declares(source, name)}


def instrumented(source: str) -> str:
    """The script with plots at its end that show what it decides; nothing in it is changed."""
    plots = [f'plot({_as_number(name)}, "{title}")' for title, name in shown(source).items()]
    return "\n".join((source.rstrip(), *plots, f'plot(strategy.equity, "{EQUITY_PLOT}")', ""))


def _as_number(name: str) -> str:
    return f"{name} ? 1 : 0" if name in FLAGS else name


def _declares(source: str, name: str) -> bool:
    return re.search(rf"^(?:(?:bool|float) +)?{name} *=[^=]", source, re.MULTILINE) is not None


def parse_params(words: Iterable[str]) -> dict[str, object]:
    """`fast=9` and `fast=9,slow=21` as typed on a command line. Raises OperatorError."""
    found: dict[str, object] = {}
    for word in (part for text in words for part in text.split(",") if part):
        name, equals, value = word.partition("=")
        try:
            number = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise OperatorError(f"{word!r} is not name=number, as in --params fast=9 --params slow=21")
        found[name.strip()] = int(number) if re.fullmatch(r"[+-]?\d+", value.strip()) else number
    return found
