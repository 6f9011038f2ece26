"""The running bot on an SQLite file: for everything that does not depend on which database it is."""

import shutil
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.e2e.world import World, running_bot

RunningBot = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def bot(sqlite_template: Path, tmp_path: Path) -> RunningBot:
    """`async with bot(...) as world`; called again, the next bot finds what the last one left behind."""
    path = tmp_path / "bot.db"
    shutil.copy(sqlite_template, path)
    return lambda **options: running_bot(f"sqlite:///{path}", tmp_path, **options)
