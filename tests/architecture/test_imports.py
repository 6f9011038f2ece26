"""The inner layers import the standard library and each other, by name and without exception."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.skeleton import ROOT

# What each may import besides the standard library.
ALLOWED = {
    "app/domain": ("app.domain",),
    "app/ports.py": ("app.domain",),
    "app/pipeline": ("app.domain", "app.ports", "app.pipeline"),
}


def imported(source: str) -> Iterator[str]:
    """Full names of everything a module imports, inside functions and `if TYPE_CHECKING` too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield "." * node.level + (node.module or "")
            else:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def strangers(source: str, allowed: tuple[str, ...]) -> list[str]:
    return [
        name
        for name in imported(source)
        if name.split(".")[0] not in sys.stdlib_module_names
        and not any(f"{name}.".startswith(f"{prefix}.") for prefix in allowed)
    ]


def modules(place: Path) -> list[Path]:
    return [place] if place.is_file() else sorted(place.rglob("*.py"))


@pytest.mark.parametrize("place", ALLOWED)
def test_the_inner_layers_depend_on_nothing_outside(place: str) -> None:
    found = modules(ROOT / place)
    assert found, f"{place} is gone"
    outside = {path.name: names for path in found if (names := strangers(path.read_text(), ALLOWED[place]))}
    assert not outside


@pytest.mark.parametrize(
    "line",
    [
        "import numpy",
        "from app import ports",
        "import app.domain_extras",
        "def f():\n    import yaml",
        "from . import money",
        "if TYPE_CHECKING:\n    import pydantic",
    ],
)
def test_a_stranger_is_noticed(line: str) -> None:
    assert strangers(line, ALLOWED["app/domain"])


@pytest.mark.parametrize(
    "line", ["import decimal", "from app.domain import events", "from app.domain.money import Money"]
)
def test_family_is_not(line: str) -> None:
    assert not strangers(line, ALLOWED["app/domain"])
