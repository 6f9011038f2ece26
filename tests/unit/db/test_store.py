"""Which databases are accepted, and what of a failure is said aloud."""

import pytest

from app.adapters.db.store import async_url
from app.domain.errors import BadSettings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sqlite:///var/bot.db", "sqlite+aiosqlite:///var/bot.db"),
        ("sqlite+aiosqlite:////var/bot.db", "sqlite+aiosqlite:////var/bot.db"),
        ("postgres://u:p@h:5432/d", "postgresql+asyncpg://u:p@h:5432/d"),
        ("postgresql://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql+psycopg://u@h/d?sslmode=verify-full", "postgresql+asyncpg://u@h/d?ssl=verify-full"),
    ],
)
def test_the_async_driver_is_put_into_the_url(text: str, expected: str) -> None:
    assert async_url(text).render_as_string(hide_password=False) == expected


@pytest.mark.parametrize("text", ["", "nonsense", "mysql://u@h/d", "sqlite://", "sqlite:///:memory:"])
def test_what_cannot_hold_money_is_refused(text: str) -> None:
    with pytest.raises(BadSettings):
        async_url(text)


def test_a_password_is_not_repeated_in_the_refusal() -> None:
    with pytest.raises(BadSettings) as refused:
        async_url("mysql://user:hunter2@host/d")
    assert "hunter2" not in str(refused.value)
    with pytest.raises(BadSettings) as refused:
        async_url("user:hunter2@host")
    assert "hunter2" not in str(refused.value)
