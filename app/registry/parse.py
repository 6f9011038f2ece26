"""The registry file, read. Every complaint names the line, the field and what to write instead (BadRegistry).

The YAML is composed into nodes and never constructed into Python objects: numbers stay the text that was written
(0.01 is never a float), duplicate keys are seen, and every value knows its line.
"""

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

import yaml

from app.domain.candle import INTERVALS
from app.domain.errors import BadRegistry
from app.domain.ids import AccountId, StrategyId, Symbol
from app.domain.money import Money
from app.domain.policy import OwnRun, StrategyProfile, TakeProfitRule
from app.domain.side import Side
from app.pipeline.message.fields import decimal
from app.pipeline.message.model import Malformed
from app.pipeline.message.symbols import symbol_of
from app.registry.secret_rules import digest, weakness

VERSION = "1"
DEFAULT_ACCOUNT = AccountId("main")
KEYS = (
    *("secret", "next_secret", "secret_sha256", "next_secret_sha256", "account", "symbols", "sides", "max_notional"),
    *("max_leverage", "risk_per_trade", "max_entries", "take_profits", "min_win_rate", "enabled"),
    *("runs", "interval", "parameters"),
)
_LARGEST = Decimal(10**9)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One strategy of the file. The digests are SHA-256 of its secrets; None = has none of its own."""

    profile: StrategyProfile
    current: bytes | None
    upcoming: bytes | None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one file under the rules of the mode the bot runs in."""

    file: str
    paper: bool
    accounts: Collection[AccountId] | None  # None = any

    def fail(self, node: yaml.Node, path: str, what: str) -> BadRegistry:
        return BadRegistry(f"{self.file} line {node.start_mark.line + 1}: {path} {what}")

    # --- shapes ------------------------------------------------------------------------------------

    def members(self, node: yaml.Node, path: str, known: Collection[str] | None) -> dict[str, yaml.Node]:
        """A mapping's values by key; null counts as empty. `known` None = any name."""
        if _is_null(node):
            return {}
        if not isinstance(node, yaml.MappingNode):
            raise self.fail(node, path or "the file", "must be a mapping of names to values")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            where = f"{path}.{name}" if path else name
            if name in found:
                raise self.fail(key, where, "is there twice: keep one")
            if known is not None and name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
                raise self.fail(key, where, f"is not known; {hint}")
            found[name] = value
        return found

    def text(self, node: yaml.Node, path: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or _is_null(node) or not node.value:
            raise self.fail(node, path, "must be a single value; remove the line when there is none")
        return str(node.value)

    def items(self, node: yaml.Node, path: str) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            raise self.fail(node, path, "must be a list, e.g. [BTCUSDT, ETHUSDT]")
        return list(node.value)

    def number(self, node: yaml.Node, path: str, *, above: Decimal, most: Decimal, example: str) -> Decimal:
        try:
            value = decimal(self.text(node, path), path)
        except Malformed as bad:
            raise self.fail(node, path, f"{bad.why.detail}; write e.g. {example}") from None
        if not above < value <= most:
            raise self.fail(node, path, f"must be above {above} and at most {most}; write e.g. {example}")
        return value

    def whole(self, node: yaml.Node, path: str, *, most: int, example: str) -> int:
        text = self.text(node, path)
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
            raise self.fail(node, path, f"must be a whole number from 1 to {most}; write e.g. {example}")
        return int(text)

    def flag(self, node: yaml.Node, path: str) -> bool:
        if not node.tag.endswith(":bool"):
            raise self.fail(node, path, "must be true or false")
        return self.text(node, path).lower() in ("true", "yes", "on")

    def name(self, node: yaml.Node, path: str) -> str:
        text = self.text(node, path)
        if not _NAME.fullmatch(text):
            raise self.fail(node, path, "may have up to 64 letters, digits, dots, colons, dashes and underscores")
        return text

    # --- a strategy --------------------------------------------------------------------------------

    def entry(self, name: StrategyId, node: yaml.Node) -> Entry:
        path = f"strategies.{name}"
        have = self.members(node, path, KEYS)

        def at(key: str) -> tuple[yaml.Node, str]:
            return have[key], f"{path}.{key}"

        return Entry(
            profile=StrategyProfile(
                strategy=name,
                account=self.account(*at("account")) if "account" in have else DEFAULT_ACCOUNT,
                symbols=self.symbols(*at("symbols")) if "symbols" in have else frozenset(),
                sides=self.sides(*at("sides")) if "sides" in have else frozenset(Side),
                max_notional=Money(self.amount(*at("max_notional"))) if "max_notional" in have else None,
                max_leverage=self.whole(*at("max_leverage"), most=125, example="3") if "max_leverage" in have else None,
                risk_per_trade=self.share(*at("risk_per_trade")) if "risk_per_trade" in have else None,
                max_entries=self.whole(*at("max_entries"), most=20, example="1") if "max_entries" in have else 1,
                take_profits=self.take_profits(*at("take_profits")) if "take_profits" in have else None,
                min_win_rate=self.share(*at("min_win_rate")) if "min_win_rate" in have else None,
                enabled=self.flag(*at("enabled")) if "enabled" in have else True,
                runs=self.own_run(have, node, path),
            ),
            current=self.secret(have, path, "secret"),
            upcoming=self.secret(have, path, "next_secret"),
        )

    def own_run(self, have: Mapping[str, yaml.Node], node: yaml.Node, path: str) -> OwnRun | None:
        """What the bot runs itself. Whether the definition exists and takes these parameters is for the live engine."""
        if "runs" not in have:
            for key in ("interval", "parameters"):
                if key in have:
                    raise self.fail(have[key], f"{path}.{key}", "belongs to a strategy that the bot runs: add runs:")
            return None
        if "symbols" not in have or not self.items(have["symbols"], f"{path}.symbols"):
            raise self.fail(node, path, "runs on candles, so it needs symbols, e.g. symbols: [BTCUSDT]")
        interval = self.text(have["interval"], f"{path}.interval") if "interval" in have else "1h"
        if interval not in INTERVALS:
            raise self.fail(have["interval"], f"{path}.interval", f"must be one of {', '.join(INTERVALS)}")
        if interval == "3d":
            raise self.fail(have["interval"], f"{path}.interval", "3d bars start on other days at each venue; use 1d")
        given = self.members(have["parameters"], f"{path}.parameters", None) if "parameters" in have else {}
        numbers = {name: self.any_number(value, f"{path}.parameters.{name}") for name, value in given.items()}
        return OwnRun(self.name(have["runs"], f"{path}.runs"), interval, tuple(numbers.items()))

    def any_number(self, node: yaml.Node, path: str) -> Decimal:
        return self.number(node, path, above=-_LARGEST, most=_LARGEST, example="14")

    def secret(self, have: Mapping[str, yaml.Node], path: str, key: str) -> bytes | None:
        """From the plain value or from its hash, which is what `add_strategy` writes."""
        plain, hashed = have.get(key), have.get(f"{key}_sha256")
        if plain is not None and hashed is not None:
            raise self.fail(plain, f"{path}.{key}", f"is there beside {key}_sha256: keep one")
        if plain is not None:
            weak = weakness(self.text(plain, f"{path}.{key}"), paper=self.paper)
            if weak:
                raise self.fail(plain, f"{path}.{key}", f"{weak}; make one with: tradingbot strategy rotate")
            return digest(str(plain.value))
        if hashed is None:
            return None
        text = self.text(hashed, f"{path}.{key}_sha256")
        if not _SHA256.fullmatch(text):
            raise self.fail(hashed, f"{path}.{key}_sha256", "must be 64 characters 0-9 and a-f: a SHA-256")
        return bytes.fromhex(text)

    def account(self, node: yaml.Node, path: str) -> AccountId:
        account = AccountId(self.name(node, path))
        if self.accounts is not None and account not in self.accounts:
            close = difflib.get_close_matches(account, self.accounts, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(self.accounts))}"
            raise self.fail(node, path, f"is not an account of this bot; {hint}")
        return account

    def symbols(self, node: yaml.Node, path: str) -> frozenset[Symbol]:
        """Any spelling of the ticker; [] = every symbol of the venue."""
        found = set()
        for item in self.items(node, path):
            try:
                found.add(symbol_of(self.text(item, path), path))
            except Malformed as bad:
                raise self.fail(item, path, bad.why.detail) from None
        return frozenset(found)

    def sides(self, node: yaml.Node, path: str) -> frozenset[Side]:
        names = [self.text(item, path).upper() for item in self.items(node, path)]
        if not names or not set(names) <= {side.value for side in Side}:
            raise self.fail(node, path, "must list LONG, SHORT or both, e.g. [LONG]")
        return frozenset(Side(name) for name in names)

    def amount(self, node: yaml.Node, path: str) -> Decimal:
        return self.number(node, path, above=Decimal(0), most=Decimal(10**9), example="5000")

    def share(self, node: yaml.Node, path: str) -> Decimal:
        return self.number(node, path, above=Decimal(0), most=Decimal(1), example="0.01 for 1 %")

    def take_profits(self, node: yaml.Node, path: str) -> tuple[TakeProfitRule, ...]:
        rules = []
        for index, item in enumerate(self.items(node, path)):
            where = f"{path}[{index}]"
            have = self.members(item, where, ("reward_risk", "ratio"))
            if len(have) != 2:  # noqa: PLR2004 - both of the two
                raise self.fail(item, where, "needs reward_risk and ratio, e.g. {reward_risk: 1.5, ratio: 0.5}")
            multiple = self.number(
                have["reward_risk"], f"{where}.reward_risk", above=Decimal(0), most=Decimal(100), example="1.5"
            )
            rules.append(TakeProfitRule(multiple, self.share(have["ratio"], f"{where}.ratio")))
        if sum(rule.ratio for rule in rules) > 1:
            raise self.fail(node, path, "takes more than the whole position: the ratios may add up to 1 at most")
        return tuple(rules)


def compose(text: str, file: str) -> yaml.Node | None:
    """The document's nodes. Raises BadRegistry when it is not YAML."""
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise BadRegistry(f"{file}{line}: this is not YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise BadRegistry(f"{file}: this is not YAML: {type(error).__name__}") from None
    return node


def parse(
    text: str, *, file: str, paper: bool, accounts: Collection[AccountId] | None = None
) -> dict[StrategyId, Entry]:
    """The strategies of the file by name. Raises BadRegistry."""
    reader = _Reader(file, paper, accounts)
    root = compose(text, file)
    if root is None:
        return {}
    top = reader.members(root, "", ("version", "strategies"))
    if "version" in top and reader.text(top["version"], "version") != VERSION:
        raise reader.fail(top["version"], "version", f"must be {VERSION}")
    entries: dict[StrategyId, Entry] = {}
    owners: dict[bytes, StrategyId] = {}
    for name, node in reader.members(top["strategies"], "strategies", None).items() if "strategies" in top else ():
        if not _NAME.fullmatch(name):
            raise reader.fail(node, f"strategies.{name[:64]}", "is not a name: letters, digits and . _ : - only")
        entry = reader.entry(StrategyId(name), node)
        for secret in filter(None, (entry.current, entry.upcoming)):
            if owners.setdefault(secret, StrategyId(name)) != name:
                raise reader.fail(node, f"strategies.{name}", f"has the same secret as {owners[secret]}: rotate one")
        entries[StrategyId(name)] = entry
    return entries


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")
