"""Changing the registry file: add a strategy, rotate its secret. What people wrote in it stays as it is.

Secrets are made here, returned once and never written: the file keeps their SHA-256. Every change is made on the text,
read back, and only written (whole, atomically, readable by the owner alone) when it says exactly what was meant.
Otherwise BadRegistry, and the file is untouched.
"""

import contextlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import yaml

from app.domain.errors import BadRegistry
from app.domain.ids import StrategyId
from app.domain.policy import OwnRun
from app.registry.parse import DEFAULT_ACCOUNT, Entry, compose, parse
from app.registry.secret_rules import digest

HEADER = """\
# Who may send alerts, and what each strategy may do. Changes take effect within a second, without a restart.
#
#   secret_sha256       SHA-256 of the secret the alert message carries; the secret itself is kept nowhere.
#                       tradingbot strategy add makes one, tradingbot strategy rotate replaces it:
#   next_secret_sha256  the new secret during a rotation; both are accepted until it is finished.
#   account             the venue account it trades on                     (default: main)
#   symbols             what it may trade, e.g. [BTCUSDT]; [] = everything (default: [])
#   sides               [LONG], [SHORT] or both                            (default: both)
#
# Limits; each can only be tighter than the account's own. Rates are fractions, 0.01 = 1 %.
#   max_notional        USDT per position          max_leverage   e.g. 3
#   risk_per_trade      share of equity at risk    min_win_rate   e.g. 0.55
#   max_entries         entries per position; more than 1 allows adding to it (default: 1)
#   take_profits        [{reward_risk: 1.5, ratio: 0.5}]; [] = leave by signal or stop only
#   enabled             false = no new entries; exits go on
#
# A strategy that the bot runs itself, on live candles, needs no secret:
#   runs                one of: tradingbot strategies        interval   of its candles (default: 1h)
#   parameters          those that differ from the defaults, e.g. {atr_period: 14, factor: 2.5}
version: 1
strategies:
"""
_SECRET_KEYS = ("secret", "secret_sha256", "next_secret", "next_secret_sha256")
_RANDOM_BYTES = 32


def add_strategy(
    path: Path,
    name: str,
    symbols: Sequence[str],
    *,
    account: str = DEFAULT_ACCOUNT,
    sides: Sequence[str] = (),
    max_notional: Decimal | None = None,
    max_leverage: int | None = None,
    risk_per_trade: Decimal | None = None,
    runs: OwnRun | None = None,
) -> str:
    """Add a strategy and return its new secret: the only time it is ever shown. Makes the file when there is none.

    With `runs` the bot runs it itself: it takes no messages, and its secret is "".
    """
    text = _read(path) if path.exists() else HEADER
    before = parse(text, file=path.name, paper=True)
    if name in before:
        raise BadRegistry(
            f"{path.name}: there is a strategy {name} already; tradingbot strategy rotate renews its secret"
        )
    secret = "" if runs else secrets.token_urlsafe(_RANDOM_BYTES)
    parameters = ", ".join(f"{key}: {value}" for key, value in runs.parameters) if runs else ""
    values = {
        "secret_sha256": f'"{digest(secret).hex()}"' if secret else None,
        "runs": runs.definition if runs else None,
        "interval": runs.interval if runs else None,
        "parameters": f"{{{parameters}}}" if parameters else None,
        "account": account,
        "symbols": f"[{', '.join(symbols)}]",
        "sides": f"[{', '.join(sides)}]" if sides else None,
        "max_notional": max_notional,
        "max_leverage": max_leverage,
        "risk_per_trade": risk_per_trade,
    }
    lines = [f"{key}: {value}" for key, value in values.items() if value is not None]
    changed = _appended(text, path.name, name, lines)
    after = parse(changed, file=path.name, paper=True)
    added = after.get(StrategyId(name))
    kept = added is not None and added.current == (digest(secret) if secret else None) and added.profile.runs == runs
    if added is None or not kept or {**before, StrategyId(name): added} != after:
        raise _not_editable(path, "\n".join([f"{name}:", *(f"  {line}" for line in lines)]))
    _write(path, changed)
    return secret


def rotate(path: Path, name: str) -> str:
    """Give a strategy a second secret and return it. Both are accepted until `finish_rotation`."""
    text, entry = _known(path, name)
    if entry.upcoming is not None:
        raise BadRegistry(
            f"{path.name}: {name} is being rotated already; finish with: tradingbot strategy rotate {name} --finish"
        )
    secret = secrets.token_urlsafe(_RANDOM_BYTES)
    line = f'next_secret_sha256: "{digest(secret).hex()}"'
    _write(path, _with_line(text, path, replace(entry, upcoming=digest(secret)), line))
    return secret


def finish_rotation(path: Path, name: str) -> None:
    """From now on only the new secret counts."""
    text, entry = _known(path, name)
    if entry.upcoming is None:
        raise BadRegistry(f"{path.name}: {name} is not being rotated; start with: tradingbot strategy rotate {name}")
    line = f'secret_sha256: "{entry.upcoming.hex()}"'
    meant = replace(entry, current=entry.upcoming, upcoming=None)
    _write(path, _with_line(text, path, meant, line, drop=_SECRET_KEYS))


# --- on the text -----------------------------------------------------------------------------------------


def _known(path: Path, name: str) -> tuple[str, Entry]:
    text = _read(path)
    entries = parse(text, file=path.name, paper=True)
    if name not in entries:
        raise BadRegistry(f"{path.name}: there is no strategy {name}; there are {', '.join(entries) or 'none'}")
    return text, entries[StrategyId(name)]


def _with_line(text: str, path: Path, meant: Entry, line: str, *, drop: Sequence[str] = ()) -> str:
    """The text with `line` first in the strategy and those keys gone, if it then says what was meant and no more."""
    name = meant.profile.strategy
    key, node = _node_of(text, path.name, name)
    inner = node.value if isinstance(node, yaml.MappingNode) and not node.flow_style else []
    indent = inner[0][0].start_mark.column if inner else key.start_mark.column + 2
    lines = text.splitlines(keepends=True)
    dropped = {k.start_mark.line for k, _ in inner if k.value in drop}
    kept = [content for number, content in enumerate(lines) if number not in dropped]
    kept[key.start_mark.line] = _ended(kept[key.start_mark.line]) + f"{' ' * indent}{line}\n"
    changed = "".join(kept)
    expected = {**parse(text, file=path.name, paper=True), name: meant}
    with contextlib.suppress(BadRegistry):
        if parse(changed, file=path.name, paper=True) == expected:
            return changed
    raise _not_editable(path, line)


def _appended(text: str, file: str, name: str, lines: Sequence[str]) -> str:
    """The text with one more strategy behind the last one."""
    strategies = next((v for k, v in _top(text, file) if k.value == "strategies"), None)
    if strategies is None:
        return f"{_ended(text)}strategies:\n{_block(2, name, lines)}"
    if isinstance(strategies, yaml.MappingNode) and strategies.value:
        indent, end = strategies.value[0][0].start_mark.column, _end_of(strategies)
    else:  # nothing there, or {}
        indent, end = 2, strategies.start_mark.index
        text = text[:end] + text[strategies.end_mark.index :]
    line_end = text.find("\n", end)
    cut = len(text) if line_end < 0 else line_end + 1
    return _ended(text[:cut]) + _block(indent, name, lines) + text[cut:]


def _block(indent: int, name: str, lines: Sequence[str]) -> str:
    return "".join([f"{' ' * indent}{name}:\n", *(f"{' ' * (indent + 2)}{line}\n" for line in lines)])


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _top(text: str, file: str) -> list[tuple[yaml.Node, yaml.Node]]:
    root = compose(text, file)
    return list(root.value) if isinstance(root, yaml.MappingNode) else []


def _node_of(text: str, file: str, name: str) -> tuple[yaml.Node, yaml.Node]:
    strategies = next(value for key, value in _top(text, file) if key.value == "strategies")
    return next((key, value) for key, value in strategies.value if key.value == name)


def _end_of(node: yaml.Node) -> int:
    """Where the node's last character stands; a block's own end mark lies behind the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end_of(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


# --- on the disk -----------------------------------------------------------------------------------------


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRegistry(f"{path} cannot be read: {error}") from None


def _write(path: Path, text: str) -> None:
    """Replace the file in one step: a reader sees the old one or the new one."""
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise BadRegistry(f"{path} cannot be written: {error}") from None


def _not_editable(path: Path, lines: str) -> BadRegistry:
    return BadRegistry(f"{path.name} is written in a way that cannot be edited safely; put this in by hand:\n{lines}")
