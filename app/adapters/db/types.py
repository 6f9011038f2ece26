"""Column types that lose nothing, whichever database is underneath.

A float or a time without a zone is refused when it is bound, before it reaches the database.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.domain.money import plain

# A plain INTEGER is what SQLite needs for a primary key without a hidden second one; it holds 64 bits there.
Counter = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class Exact(TypeDecorator[Decimal]):
    """A Decimal, digit for digit: NUMERIC without limits on PostgreSQL, text on SQLite (whose numbers are floats)."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        exact: TypeEngine[Any] = sa.Numeric() if dialect.name == "postgresql" else sa.Text()
        return dialect.type_descriptor(exact)

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if not isinstance(value, Decimal):
            raise TypeError(f"money is stored from a Decimal, not from {type(value).__name__}")
        return value if dialect.name == "postgresql" else plain(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        del dialect
        return None if value is None else Decimal(value)


class UtcTime(TypeDecorator[datetime]):
    """A moment in UTC to the microsecond; on SQLite as text of fixed width, so that it also sorts and compares."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        moment: TypeEngine[Any] = sa.DateTime(timezone=True) if dialect.name == "postgresql" else sa.Text()
        return dialect.type_descriptor(moment)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError("a time without a zone")
        return value if dialect.name == "postgresql" else utc_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        del dialect
        if value is None:
            return None
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return moment.astimezone(UTC)


class Prose(TypeDecorator[str]):
    """Words for people, from anywhere. What no database stores (NUL, half a surrogate pair) is left out or replaced."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        del dialect
        return None if value is None else value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


def utc_text(moment: datetime) -> str:
    """The one way a moment is written: 2026-01-05T12:00:00.000000+00:00."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
