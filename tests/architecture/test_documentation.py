"""Documentation is tested: what a user can type or set appears in it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from dotenv import dotenv_values

from app import cli
from app.domain.decision import DenyReason
from app.settings.environment import NAMES
from tests.architecture.skeleton import ROOT

README = ROOT / "README.md"
CONFIGURATION = ROOT / "docs" / "configuration.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def pages() -> str:
    """README and docs as one text, with line breaks inside sentences undone."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return " ".join(" ".join(page.read_text().split()) for page in found)


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What can be typed after the program's name, word by word, hidden commands left out."""
    if not hasattr(group, "list_commands"):
        yield words, group
        return
    for name in sorted(group.list_commands(None)):  # asked, not read: the program's commands are loaded when asked for
        command = group.get_command(None, name)
        if not command.hidden:
            yield from commands(command, (*words, name))


def undocumented(app: typer.Typer, text: str) -> list[str]:
    typed = [" ".join(words) for words, _ in commands(typer.main.get_command(app))]
    return [command for command in typed if f"tradingbot {command}" not in text]


def test_every_command_is_documented() -> None:
    assert dict(commands(typer.main.get_command(cli.app)))
    assert not undocumented(cli.app, pages())


def test_every_decision_record_is_in_the_index() -> None:
    records = {path.name for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md")}
    index = (ROOT / "docs" / "decisions" / "README.md").read_text()
    assert records
    assert not {name for name in records if f"({name})" not in index}


def test_every_page_is_in_the_index() -> None:
    docs = ROOT / "docs"
    found = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md") if page.parent.name != "decisions"}
    assert found - set(re.findall(r"\]\(([^)]+)\)", (docs / "README.md").read_text())) == {"README.md"}


def test_every_reason_of_a_refusal_is_explained() -> None:
    text = pages()
    assert not [reason for reason in DenyReason if f"`{reason}`" not in text]


# --- links -----------------------------------------------------------------------------------------------


def headings(page: str) -> set[str]:
    """What a link may name after #: headings outside code blocks, as they are turned into anchors."""
    text = re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path) -> list[str]:
    """Targets that are no file, or no heading of it. Addresses of other hosts are not followed."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if ":" not in link and not (target.exists() and (not anchor or anchor in headings(target.read_text()))):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert not broken_links(page)


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# What it's worth\n```sh\n# not a heading\n```\n")
    page = tmp_path / "page.md"
    page.write_text("[a](there.md#what-its-worth) [b](gone.md) [c](there.md#not-a-heading) [d](https://example.org/x)")
    assert broken_links(page) == ["gone.md", "there.md#not-a-heading"]


# --- what a reader would type ----------------------------------------------------------------------------


def code(text: str) -> str:
    """Code blocks and code spans of a page, one a line."""
    blocks = re.findall(r"^[ ]*```\w*\n(.*?)^[ ]*```", text, re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^[ ]*```.*?^[ ]*```", "", text, flags=re.DOTALL | re.MULTILINE)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", rest)])


def typed_commands(text: str) -> Iterator[tuple[list[str], set[str]]]:
    """Words and options after each `tradingbot` in code."""
    for line in code(text).splitlines():
        for typed in re.findall(r"(?:^|\s|bin/)tradingbot((?: +[\w-]+)+)", line):
            words = typed.split()
            yield [w for w in words if not w.startswith("-")], {w for w in words if w.startswith("--")}


def impossible(app: typer.Typer, text: str) -> list[str]:
    """Commands and options of the text that the program does not have."""
    known = dict(commands(typer.main.get_command(app)))
    groups = {words[:-1] for words in known} - {()}
    wrong = []
    for words, options in typed_commands(text):
        found = next((known[start] for n in (1, 2) if (start := tuple(words[:n])) in known), None)
        allowed = {name for option in getattr(found, "params", ()) for name in option.opts} | {"--help"}
        if (found is None and tuple(words) not in groups | {()}) or options - allowed:
            wrong.append(" ".join([*words, *sorted(options)]))
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_on_a_page_exists(page: Path) -> None:
    assert not impossible(cli.app, page.read_text())


def test_an_impossible_command_is_noticed() -> None:
    app = typer.Typer()
    strategy = typer.Typer()
    app.add_typer(strategy, name="strategy")

    @app.command()
    def why(*, last: bool = False) -> None:
        """A command with one option."""

    strategy.command("add")(lambda: None)
    strategy.command("list")(lambda: None)
    page = """tradingbot is prose here. `tradingbot why --last` `tradingbot why --lst` `tradingbot strategy add NAME`
```sh
.venv/bin/tradingbot strategy remove NAME
tradingbot wyh
```
"""
    assert impossible(app, page) == ["strategy remove NAME", "wyh", "why --lst"]


def make_targets() -> set[str]:
    lines = (ROOT / "Makefile").read_text().splitlines()
    return set(next(line for line in lines if line.startswith(".PHONY:")).split()[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_make_target_on_a_page_exists(page: Path) -> None:
    typed = set(re.findall(r"(?:^|\s)make ([a-z][a-z0-9-]*)", code(page.read_text()), re.MULTILINE))
    assert not typed - make_targets()


def test_every_make_target_explains_itself() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    explained = {line.split(":")[0] for line in lines if re.match(r"[a-z0-9-]+:.*## ", line)}
    assert make_targets() == explained


# --- settings --------------------------------------------------------------------------------------------


def configured(page: str) -> dict[str, str]:
    """Setting and default from rows like: | `NAME` | `default` | meaning |"""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`)? ?\| \S.* \|$", page, re.MULTILINE)
    return dict(rows)


def test_every_setting_has_a_row_with_its_default() -> None:
    page = CONFIGURATION.read_text()
    assert configured(page) == dict(dotenv_values(ROOT / ".env.example"))
    assert len(re.findall(r"^\| `[A-Z_]+` ", page, re.MULTILINE)) == len(NAMES), "a row is malformed or there twice"


def test_the_readme_names_no_setting_that_does_not_exist() -> None:
    families = {name.split("_")[0] for name in NAMES if "_" in name}
    named = {
        name for name in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", README.read_text()) if name.split("_")[0] in families
    }
    assert not named - NAMES


def test_an_undocumented_command_is_noticed() -> None:
    app = typer.Typer()
    strategy = typer.Typer()
    app.add_typer(strategy, name="strategy")
    app.command("why")(lambda: None)
    app.command("secret", hidden=True)(lambda: None)
    strategy.command("add")(lambda: None)
    strategy.command("list")(lambda: None)
    assert undocumented(app, "`tradingbot why` and `tradingbot strategy add`") == ["strategy list"]
