"""Documentation is tested: what a user can type or set appears in it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from tests.architecture.skeleton import ROOT


def pages() -> str:
    """README and docs as one text, with line breaks inside sentences undone."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return " ".join(" ".join(page.read_text().split()) for page in found)


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[str]:
    """What can be typed after the program's name, hidden commands left out."""
    if not hasattr(group, "commands"):
        yield " ".join(words)
        return
    for name, command in sorted(group.commands.items()):
        if not command.hidden:
            yield from commands(command, (*words, name))


def undocumented(app: typer.Typer, text: str) -> list[str]:
    return [command for command in commands(typer.main.get_command(app)) if f"tradingbot {command}" not in text]


def test_every_command_is_documented() -> None:
    cli = pytest.importorskip("app.cli", reason="the command line is not here yet")
    assert not undocumented(cli.app, pages())


def test_every_decision_record_is_in_the_index() -> None:
    records = {path.name for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md")}
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    assert records
    assert not {name for name in records if f"({name})" not in index}


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        targets = [part.split(")")[0].split("#")[0] for part in page.read_text().split("](")[1:]]
        files = [target for target in targets if target and ":" not in target]
        broken += [f"{page.relative_to(ROOT)}: {file}" for file in files if not (page.parent / file).exists()]
    assert not broken


def test_every_make_target_explains_itself() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    phony = next(line for line in lines if line.startswith(".PHONY:")).split()[1:]
    explained = {line.split(":")[0] for line in lines if re.match(r"[a-z-]+:.*## ", line)}
    assert set(phony) == explained


def test_an_undocumented_command_is_noticed() -> None:
    app = typer.Typer()
    strategy = typer.Typer()
    app.add_typer(strategy, name="strategy")
    app.command("why")(lambda: None)
    app.command("secret", hidden=True)(lambda: None)
    strategy.command("add")(lambda: None)
    strategy.command("list")(lambda: None)
    assert undocumented(app, "`tradingbot why` and `tradingbot strategy add`") == ["strategy list"]
