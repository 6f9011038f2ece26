from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.intake_world import World, world_on


@pytest.fixture
async def world(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[World]:
    async with world_on(sqlite_template, tmp_path) as world:
        yield world
