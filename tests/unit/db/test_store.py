"""Which databases are accepted, and what of a failure is said aloud."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from app.adapters.db.store import async_url, make_engine, unavailable
from app.domain.errors import BadSettings, OperatorError, StorageUnavailable


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


@pytest.mark.parametrize(
    "text", ["", "nonsense", "mysql://u@h/d", "sqlite://", "sqlite:///:memory:", "postgresql://u@h:99999/d"]
)
def test_what_cannot_hold_money_is_refused(text: str) -> None:
    with pytest.raises(BadSettings):
        async_url(text)


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "junk.db").write_text("garbage " * 100)
    engine = make_engine(f"sqlite:///{tmp_path}/junk.db")
    with pytest.raises(OperatorError, match=r"junk\.db is no SQLite database"):
        await engine.connect()
    await engine.dispose()
    with pytest.raises(BadSettings, match=r"the folder .*/junk\.db cannot be made"):
        make_engine(f"sqlite:///{tmp_path}/junk.db/bot.db")


def test_a_password_is_not_repeated_in_the_refusal() -> None:
    with pytest.raises(BadSettings) as refused:
        async_url("mysql://user:hunter2@host/d")
    assert "hunter2" not in str(refused.value)
    with pytest.raises(BadSettings) as refused:
        async_url("user:hunter2@host")
    assert "hunter2" not in str(refused.value)


def test_a_pool_that_holds_only_dead_connections_is_an_outage() -> None:
    """SQLAlchemy says so in an error of its own, without a driver's error behind it."""
    engine = sa.create_engine("sqlite://")

    @sa.event.listens_for(engine, "checkout")
    def dead(*_: object) -> None:
        raise sa.exc.DisconnectionError("gone")

    with pytest.raises(StorageUnavailable), unavailable():
        engine.connect()
    with pytest.raises(sa.exc.InvalidRequestError), unavailable():
        raise sa.exc.InvalidRequestError("our own mistake")
    engine.dispose()
