"""JSON as money needs it: numbers kept as text, every ambiguity refused.

The standard parser is used, but it is never given anything it could choke on: depth is counted first, so that nesting
cannot exhaust the stack, and numbers are handed out as their digits, so that a 5,000-digit integer or 1e400 costs
nothing and no value ever passes through a float.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.pipeline.message.model import Malformed

MAX_DEPTH = 8

# A string (also one that never ends) or one bracket: always consumes what it starts on, so it runs in linear time.
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)
# Without any of these in the raw text, no member can be NaN, hold a NUL or half a character, or be a placeholder.
_SUSPICIOUS = re.compile(r"\\u|\{\{|NaN|Infinity")
_POISON = re.compile(r"[\x00\ud800-\udfff]|\{\{[^{}]*\}\}")


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number (or NaN, Infinity, which JSON forbids but Python's parser knows), as its text."""

    text: str


type_name = {dict: "an object", list: "a list", str: "text", bool: "true or false", Number: "a number"}

Json = Mapping[str, Any] | Sequence[Any] | str | bool | Number | None


def parse_object(text: str) -> dict[str, Json]:
    """The members of the JSON object in `text`. Raises Malformed for anything else."""
    _check_depth(text)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Malformed("", f"the message is not valid JSON: {error.msg} at {where}", status=400) from None
    if not isinstance(value, dict):
        raise Malformed("", f"the message must be a JSON object, not {type_name.get(type(value), 'null')}", status=400)
    if _SUSPICIOUS.search(text):
        check_texts(value)
    return value


def check_texts(members: Mapping[str, Json]) -> None:
    """Refuse text that is no text (NUL, half of a surrogate pair) and placeholders that were never filled in."""
    for path, text in _texts(members, ""):
        bad = _POISON.search(text)
        if not bad:
            continue
        if bad[0].startswith("{{"):
            raise Malformed(
                path,
                f"{bad[0][:64]} arrived as it stands: TradingView fills it in only when the alert is set on a script "
                "that has it (strategy placeholders need an alert on a strategy); remove the field or move the alert",
            )
        what = "a NUL character" if bad[0] == "\0" else "half of a surrogate pair"
        raise Malformed(path, f"contains {what}")


def string_tokens(text: str) -> Iterator[re.Match[str]]:
    """Every string token of valid JSON text, with its quotes."""
    return (match for match in _STRING_OR_BRACKET.finditer(text) if match[0].startswith('"'))


def _check_depth(text: str) -> None:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        what = match[0]
        if what in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise Malformed("", f"nested more than {MAX_DEPTH} levels deep", status=400)
        elif what in "]}":
            depth -= 1


def _texts(value: Json, path: str) -> Iterator[tuple[str, str]]:
    """Every key and text with its path. Recursion is bounded by MAX_DEPTH."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, member in value.items():
            inner = f"{path}.{key}" if path else key
            yield inner, key
            yield from _texts(member, inner)
    elif isinstance(value, Sequence):
        for index, member in enumerate(value):
            yield from _texts(member, f"{path}[{index}]")
    elif isinstance(value, Number) and value.text.lstrip("-") in ("NaN", "Infinity"):
        raise Malformed(path, f"{value.text} is not a number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Malformed(key, "this key is there twice: which one counts?", status=400)
            seen.add(key)
    return members


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=Number)
