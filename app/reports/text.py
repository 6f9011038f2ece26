"""Numbers and times as people read them. UTC throughout; what is missing is a dash."""

import math
from datetime import UTC, datetime

MISSING = "–"
_DAY_MS = 86_400_000


def money(value: float | None, *, signed: bool = False) -> str:
    """Two decimals; more for amounts below one, so that a small fee is not shown as none."""
    if value is None:
        return MISSING
    digits = 2 if value == 0 or abs(value) >= 1 else min(8, 1 - math.floor(math.log10(abs(value))))
    return minus(f"{value:+,.{digits}f}" if signed and value else f"{value:,.{digits}f}")


def percent(value: float | None, *, signed: bool = False, digits: int = 1) -> str:
    """A fraction as per cent. Beyond ten thousand per cent without decimals."""
    if value is None:
        return MISSING
    scaled = value * 100
    shown = 0 if abs(scaled) >= 10_000 else digits  # noqa: PLR2004 - nobody reads decimals there
    if abs(scaled) >= 1e9:  # noqa: PLR2004
        return minus(f"{scaled:+.2e} %" if signed else f"{scaled:.2e} %")
    return minus(f"{scaled:+,.{shown}f} %" if signed else f"{scaled:,.{shown}f} %")


def ratio(value: float | None) -> str:
    return MISSING if value is None else minus(f"{value:,.2f}")


def count(value: int | None) -> str:
    return MISSING if value is None else f"{value:,}"


def price(value: float) -> str:
    """Six significant digits at least, and no decimals that say nothing."""
    digits = max(0, 5 - math.floor(math.log10(abs(value)))) if value else 2
    text = f"{value:,.{min(digits, 8)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(ms: float | None) -> str:
    """Hours below two days, else days."""
    if ms is None:
        return MISSING
    days = ms / _DAY_MS
    if days < 2:  # noqa: PLR2004
        return f"{ms / 3_600_000:.1f} hours".replace(".0 ", " ")
    return f"{days:,.0f} days"


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def day(ms: int | None) -> str:
    return MISSING if ms is None else at(ms).strftime("%Y-%m-%d")


def minute(ms: int | None) -> str:
    return MISSING if ms is None else at(ms).strftime("%Y-%m-%d %H:%M")


def plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def minus(text: str) -> str:
    """A true minus sign is as wide as a plus."""
    return text.replace("-", "−", 1) if text.startswith("-") else text
