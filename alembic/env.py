"""Where Alembic finds the database and what it compares with.

The bot passes its own connection. On the command line DATABASE_URL names the database, with or without a driver.
"""

import asyncio
import os

from sqlalchemy.engine import Connection

from alembic import context
from app.adapters.db.store import make_engine
from app.adapters.db.tables import metadata


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters by copying the table
        transactional_ddl=True,  # on SQLite too: its BEGIN is ours
    )
    with context.begin_transaction():
        context.run_migrations()


async def migrate_by_url(url: str) -> None:
    engine = make_engine(url)
    try:
        async with engine.execution_options(writes=True).begin() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
elif context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(migrate_by_url(context.config.get_main_option("sqlalchemy.url") or os.environ["DATABASE_URL"]))
