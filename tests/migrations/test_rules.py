"""Every migration only adds, or names the release that stopped using what it takes away."""

import tomllib
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from app.adapters.db.migrations import config
from tests.migrations.rules import breaches, contract

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS = sorted((ROOT / "alembic" / "versions").glob("*.py"))

ADDING = [
    'op.create_table("new", sa.Column("id", sa.Integer(), nullable=False))',
    'op.add_column("alerts", sa.Column("origin", sa.Text(), nullable=True))',
    'op.add_column("alerts", sa.Column("origin", sa.Text()))',
    'op.add_column("alerts", sa.Column("n", sa.Integer(), nullable=False, server_default="0"))',
    'op.create_index("ix", "alerts", ["sender"])',
    'op.create_table("new", sa.Column("a", sa.Text()))\n    op.create_index("ux", "new", ["a"], unique=True)',
    'op.create_table("new", sa.Column("a", sa.Text()))\n    op.create_unique_constraint("u", "new", ["a"])',
    'op.alter_column("alerts", "sender", nullable=True)',
    'op.alter_column("alerts", "sender", server_default="x")',
    'with op.batch_alter_table("alerts") as batch:\n        batch.add_column(sa.Column("x", sa.Text()))',
    'op.execute("CREATE INDEX CONCURRENTLY ix ON alerts (sender)")',
    "op.execute(sa.text(\"COMMENT ON TABLE alerts IS 'x'\"))",
]
TAKING = [
    'op.drop_table("alerts")',
    'op.drop_column("alerts", "sender")',
    'op.drop_constraint("uq_alerts_dedupe_key", "alerts")',
    'op.drop_index("ix", "alerts")',
    'op.rename_table("alerts", "inbox")',
    'op.alter_column("alerts", "sender", new_column_name="from")',
    'op.alter_column("alerts", "sender", type_=sa.Integer())',
    'op.alter_column("alerts", "sender", nullable=False)',
    'op.alter_column("alerts", "sender", **changes)',
    'op.add_column("alerts", sa.Column("x", sa.Text(), nullable=False))',
    'op.add_column("alerts", sa.Column("x", sa.Text(), nullable=MAYBE))',
    'op.add_column("alerts", sa.Column("x", sa.Text(), unique=True))',
    'op.add_column("alerts", COLUMN)',
    'op.create_unique_constraint("u", "alerts", ["sender"])',
    'op.create_check_constraint("c", "alerts", "attempts >= 0")',
    'op.create_foreign_key("f", "orders", "alerts", ["alert_id"], ["alert_id"])',
    'op.create_index("ux", "alerts", ["sender"], unique=True)',
    'op.execute("ALTER TABLE alerts DROP COLUMN sender")',
    'op.execute("UPDATE alerts SET sender = 1")',
    'op.execute("CREATE INDEX ix ON alerts (sender); DROP TABLE alerts")',
    'op.execute(f"DROP TABLE {name}")',
    'op.get_bind().exec_driver_sql("DROP TABLE alerts")',
    'op.invented_next_year("alerts")',
    'with op.batch_alter_table("alerts") as batch:\n        batch.drop_column("sender")',
]


def migration(up: str, head: str = "from alembic import op") -> str:
    return f'import sqlalchemy as sa\n{head}\n\ndef upgrade():\n    {up}\n\ndef downgrade():\n    op.drop_table("x")\n'


def release(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def refusal(source: str, version: str) -> str:
    """Why a migration may not be in this version; "" when it may."""
    found, stopped = breaches(source), contract(source)
    if stopped is not None:
        return "" if release(stopped) < release(version) else f"{stopped}, which still may use it, can be running"
    return "; ".join(f"line {breach.line}: {breach.what}" for breach in found)


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.stem)
def test_a_migration_only_adds(path: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert not refusal(path.read_text(), version), "docs/concepts/migrations.md says how it is done"


def test_there_is_one_line_of_migrations() -> None:
    scripts = ScriptDirectory.from_config(config())
    assert len(scripts.get_heads()) == 1
    assert [script.revision for script in scripts.walk_revisions()] == [path.stem[:4] for path in reversed(MIGRATIONS)]


@pytest.mark.parametrize("up", ADDING)
def test_what_adds_is_let_through(up: str) -> None:
    assert not refusal(migration(up), "1.0.0")


@pytest.mark.parametrize("up", TAKING)
def test_what_takes_away_is_not(up: str) -> None:
    assert refusal(migration(up), "1.0.0")


def test_operations_under_another_name_are_noticed() -> None:
    for head in ("from alembic import op as o", "from alembic.op import drop_table"):
        assert refusal(migration("pass", head), "1.0.0")


def test_it_may_take_away_what_a_release_before_has_stopped_using() -> None:
    source = migration('op.drop_column("alerts", "sender")')
    assert not refusal(f'CONTRACT = "0.9.3"\n{source}', "1.0.0")
    assert "can be running" in refusal(f'CONTRACT = "1.0.0"\n{source}', "1.0.0")
    with pytest.raises(ValueError, match="invalid literal"):
        refusal(f'CONTRACT = "soon"\n{source}', "1.0.0")
