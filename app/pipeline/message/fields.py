"""Typed reading of a message's members: text becomes Decimal and datetime here, and nowhere else.

A member that is absent, null or empty text is absent; anything else must be exactly what its reader expects, or
Malformed names it. What was never read is reported by `unread`, so nothing is dropped without a word.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from app.domain.money import Price
from app.pipeline.message.model import Malformed
from app.pipeline.message.strict_json import Json, Number, type_name

T = TypeVar("T")

MAX_DIGITS = 28  # what Decimal arithmetic keeps exactly
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_LARGEST, _SMALLEST = 15, -18  # powers of ten: no price or size of any market is beyond
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})")
_ISO_WITHOUT_ZONE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+)?")
_UNIX = re.compile(r"[0-9]{10}(?:[0-9]{3})?")
_UNIX_MS_DIGITS = 13
_YEARS = range(2009, 2101)  # from the first bitcoin to a typing error


class Fields:
    """The members of one object."""

    def __init__(self, members: Mapping[str, Json], path: str = "") -> None:
        self._members = members
        self._path = path
        self._read: set[str] = set()

    def path(self, name: str) -> str:
        return f"{self._path}{name}"

    def has(self, name: str) -> bool:
        return self._members.get(name) not in (None, "")

    def unread(self) -> list[str]:
        """Paths of the members nobody asked for."""
        return [self.path(name) for name in self._members if name not in self._read]

    def skip(self, *names: str) -> list[str]:
        """Known and without effect here. Returns those that are present."""
        self._read.update(names)
        return [self.path(name) for name in names if self.has(name)]

    def text(self, name: str, *, longest: int = 128) -> str:
        """Printable text, "" when absent. A number counts as its digits: {"interval": 60} is common."""
        value = self._take(name)
        if isinstance(value, Number):
            value = value.text
        if value is None:
            return ""
        if not isinstance(value, str):
            raise Malformed(self.path(name), f"must be text, not {_kind(value)}")
        if len(value) > longest:
            raise Malformed(self.path(name), f"is {len(value)} characters long, at most {longest} are allowed")
        if not value.isprintable():
            raise Malformed(self.path(name), "contains control characters")
        return value

    def required(self, name: str, *, longest: int = 128) -> str:
        value = self.text(name, longest=longest)
        if not value:
            raise Malformed(self.path(name), f"is missing{self._perhaps(name)}")
        return value

    def word(self, name: str, words: Mapping[str, T]) -> T | None:
        """One of a closed set of words, in any case."""
        value = self.text(name)
        if not value:
            return None
        if value.lower() not in words:
            close = difflib.get_close_matches(value.lower(), words, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise Malformed(self.path(name), f"must be one of {', '.join(words)}{hint}")
        return words[value.lower()]

    def flag(self, name: str) -> bool | None:
        """A yes or no: true and false, also as text, for that is what Pine's str.tostring makes of a bool."""
        value = self._take(name)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if value is None or isinstance(value, bool):
            return value
        raise Malformed(self.path(name), "must be true or false")

    def number(self, name: str) -> Decimal | None:
        value = self._take(name)
        return None if value is None else decimal(value, self.path(name))

    def price(self, name: str) -> Price | None:
        value = self.number(name)
        if value is not None and value <= 0:
            raise Malformed(self.path(name), "must be above zero; leave it out when there is none")
        return None if value is None else Price(value)

    def amount(self, name: str) -> Decimal | None:
        """A size: zero or more."""
        value = self.number(name)
        if value is not None and value < 0:
            raise Malformed(self.path(name), "must not be negative")
        return value

    def time(self, name: str) -> datetime | None:
        """UTC, from ISO 8601 with its zone (TradingView's own form) or Unix time in seconds or milliseconds."""
        text = self.text(name)
        if not text:
            return None
        try:
            when = _instant(text)
        except (ValueError, OverflowError, OSError):
            when = None
        if when is None or when.year not in _YEARS:
            hint = ": say the zone, e.g. end with Z for UTC" if _ISO_WITHOUT_ZONE.fullmatch(text) else ""
            raise Malformed(self.path(name), f"is not a time like 2026-01-05T12:00:00Z{hint}")
        return when

    def child(self, name: str) -> "Fields | None":
        value = self._take(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise Malformed(self.path(name), f"must be an object, not {_kind(value)}")
        return Fields(value, f"{self.path(name)}.")

    def children(self, name: str, *, most: int) -> "list[Fields]":
        value = self._take(name)
        if value is None:
            return []
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise Malformed(self.path(name), f"must be a list, not {_kind(value)}")
        if len(value) > most:
            raise Malformed(self.path(name), f"has {len(value)} entries, at most {most} are allowed")
        for index, item in enumerate(value):
            if not isinstance(item, Mapping):
                raise Malformed(f"{self.path(name)}[{index}]", f"must be an object, not {_kind(item)}")
        return [Fields(item, f"{self.path(name)}[{index}].") for index, item in enumerate(value)]

    def _take(self, name: str) -> Json:
        self._read.add(name)
        value = self._members.get(name)
        return None if value == "" else value

    def _perhaps(self, name: str) -> str:
        close = difflib.get_close_matches(name, self._members, n=1, cutoff=0.75)
        return f"; did you mean it by {close[0][:64]}?" if close and close[0] != name else ""


def decimal(value: Json, path: str) -> Decimal:
    """Exactly the number that was written. Raises Malformed for everything that is not plainly one."""
    text = value.text if isinstance(value, Number) else value
    if not isinstance(text, str):
        raise Malformed(path, f"must be a number, not {_kind(value)}")
    digits = len(text) > MAX_DIGITS and sum(character.isdigit() for character in text.lower().partition("e")[0])
    if digits > MAX_DIGITS:
        raise Malformed(path, f"has {digits} digits, at most {MAX_DIGITS} are allowed")
    if not _NUMBER.fullmatch(text):
        raise Malformed(path, "is not a number; leave the field out when there is none")
    number = Decimal(text)
    if number and not _SMALLEST <= number.adjusted() <= _LARGEST:
        raise Malformed(path, f"is out of range: between 1e{_SMALLEST} and 1e{_LARGEST + 1} is allowed")
    return number


def near_misses(unknown: Iterable[str], known: Iterable[str]) -> tuple[str, str] | None:
    """The first unknown name that looks like a slip of the pen, with the name that was probably meant."""
    names = list(known)
    for name in unknown:
        close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.85)
        if close:
            return name, close[0]
    return None


def _instant(text: str) -> datetime | None:
    if _UNIX.fullmatch(text):
        seconds = Decimal(text) / (1000 if len(text) == _UNIX_MS_DIGITS else 1)
        return datetime.fromtimestamp(float(seconds), tz=UTC)
    if _ISO.fullmatch(text):
        return datetime.fromisoformat(text).astimezone(UTC)
    return None


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return type_name.get(type(value), "null")
