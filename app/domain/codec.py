"""Domain values to plain JSON data and back, driven by their annotations.

Decimal, Money, Price and Quantity become text (never a float), datetimes ISO-8601 UTC, enums their value,
dataclasses objects, tuples lists. `decode` is strict: a missing or unknown field raises ValueError, so a row that was
altered or written by newer code is noticed instead of half read. Fields with defaults may be absent (old rows).
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from app.domain.money import Money, Price, Quantity, plain

T = TypeVar("T")
_AMOUNTS = (Money, Price, Quantity)


def encode(value: Any) -> Any:
    """Plain JSON data for a domain value. Raises TypeError for anything that is not one."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, _AMOUNTS):
        return str(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError("a time without a zone")
        return value.astimezone(UTC).isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    raise TypeError(f"not a domain value: {type(value).__name__}")


def decode(kind: type[T], data: Any) -> T:
    """The domain value of type `kind` that `data` describes. Raises ValueError when it describes none."""
    try:
        return typing.cast("T", _decode(kind, data))
    except (TypeError, KeyError, ArithmeticError) as error:
        raise ValueError(f"not a {getattr(kind, '__name__', kind)}: {error}") from error


def _decode(kind: Any, data: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(typing.get_args(kind), data)
    if origin is tuple:
        (item_kind, *_) = typing.get_args(kind)
        return tuple(_decode(item_kind, item) for item in data)
    if origin is dict:
        return {key: _decode(typing.get_args(kind)[1], item) for key, item in data.items()}
    if isinstance(kind, typing.NewType):
        return _decode(kind.__supertype__, data)
    if dataclasses.is_dataclass(kind) and kind not in _AMOUNTS:
        return _decode_dataclass(kind, data)
    return _decode_scalar(kind, data)


def _decode_union(options: tuple[Any, ...], data: Any) -> Any:
    if data is None:
        if type(None) not in options:
            raise ValueError("null where a value belongs")
        return None
    (kind,) = [option for option in options if option is not type(None)]
    return _decode(kind, data)


def _decode_dataclass(kind: Any, data: Any) -> Any:
    hints = _hints(kind)
    unknown = set(data) - set(hints)
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    return kind(**{name: _decode(hints[name], item) for name, item in data.items()})


def _decode_scalar(kind: Any, data: Any) -> Any:
    if kind in (Decimal, *_AMOUNTS):
        if not isinstance(data, str):
            raise ValueError(f"{kind.__name__} is written as text, not {type(data).__name__}")
        return kind(Decimal(data)) if kind is not Decimal else Decimal(data)
    if kind is datetime:
        return datetime.fromisoformat(data)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if type(data) is not kind:
        raise ValueError(f"{kind.__name__} expected, got {type(data).__name__}")
    return data


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)
