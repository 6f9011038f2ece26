"""Where the release before this one comes from, and what happens when it is not there."""

from pathlib import Path

import pytest

from tests.migrations import trees


@pytest.fixture(autouse=True)
def _no_such_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "PREVIOUS", "0" * 40)
    monkeypatch.setattr(trees, "_copied", lambda tree: tree)


def test_in_ci_a_clone_without_the_history_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "clone" / ".git").mkdir(parents=True)
    monkeypatch.setattr(trees, "ROOT", tmp_path / "clone")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(AssertionError, match="fetch the history"):
        trees.previous_release(tmp_path)


@pytest.mark.parametrize(("clone", "ci"), [(False, "true"), (True, "")])
def test_elsewhere_the_tree_stands_in_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, clone: bool, ci: str
) -> None:
    (tmp_path / "tree" / ".git" if clone else tmp_path / "tree").mkdir(parents=True)
    monkeypatch.setattr(trees, "ROOT", tmp_path / "tree")
    monkeypatch.setenv("CI", ci)
    assert trees.previous_release(tmp_path) == tmp_path / "previous"
