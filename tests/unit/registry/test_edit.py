"""Adding strategies and rotating secrets, in files that people have written in."""

import stat
from decimal import Decimal
from pathlib import Path

import pytest

from app.domain.errors import BadRegistry
from app.domain.ids import StrategyId
from app.pipeline.alert import Secret
from app.registry import Registry, add_strategy, finish_rotation, rotate

BY_HAND = """\
# mine, all mine
version: 1
strategies:
    # the good one
    first:
        account: main   # where the money is
        symbols:
            - BTCUSDT
            - ETHUSDT

# the end
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "strategies.yaml"


def opened(path: Path) -> Registry:
    return Registry(path, paper=False, webhook_secret="", monotonic=lambda: 0.0, alarm=lambda _: None)


def accepts(path: Path, name: str, secret: str) -> bool:
    return opened(path).authenticate(StrategyId(name), Secret(secret)) is not None


def test_the_first_strategy_makes_the_file_for_its_owner_alone(path: Path) -> None:
    secret = add_strategy(path, "mine", ["BTCUSDT"], max_notional=Decimal("1e3"), max_leverage=3, sides=["LONG"])
    assert len(secret) == 43
    assert secret not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    proven = opened(path).authenticate(StrategyId("mine"), Secret(secret))
    assert proven is not None
    profile = proven.profile
    assert profile.symbols == {"BTCUSDT"}
    assert profile.max_leverage == 3


def test_the_file_explains_itself(path: Path) -> None:
    add_strategy(path, "mine", [])
    for word in ("secret_sha256", "max_notional", "symbols", "take_profits", "strategy rotate"):
        assert f"{word}" in path.read_text().split("strategies:\n")[0]


def test_more_strategies_join_it(path: Path) -> None:
    secrets = {name: add_strategy(path, name, ["BTCUSDT"]) for name in ("a", "b", "c")}
    assert len(set(secrets.values())) == 3
    assert all(accepts(path, name, secret) for name, secret in secrets.items())
    assert not accepts(path, "a", secrets["b"])


def test_what_people_wrote_stays_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(BY_HAND)
    secret = rotate(path, "first")
    add_strategy(path, "second", ["SOLUSDT"])
    finish_rotation(path, "first")
    assert accepts(path, "first", secret)
    for line in BY_HAND.splitlines():
        assert line in path.read_text().splitlines()
    assert [profile.strategy for profile in opened(path).profiles()] == ["first", "second"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        "version: 1",
        "strategies:",
        "strategies:   # none yet\n",
        "strategies: {}\n",
        "strategies: {}   # none yet\nversion: 1\n",
        "strategies:\nversion: 1\n",
        "strategies:\n  a:\n    secret_sha256: " + "1" * 64,
        "strategies:\n  a: {secret_sha256: " + "1" * 64 + "}\nversion: 1\n",
        "strategies:\n  a:\n    secret_sha256: "
        + "1" * 64
        + "\n    take_profits:\n      - reward_risk: 1\n        ratio: 1\n\n",
    ],
)
def test_a_strategy_can_be_added_to_any_file(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    assert accepts(path, "new", add_strategy(path, "new", ["BTCUSDT"]))


def test_a_rotation_accepts_both_secrets_until_it_is_finished(path: Path) -> None:
    old = add_strategy(path, "mine", [])
    new = rotate(path, "mine")
    assert accepts(path, "mine", old)
    assert accepts(path, "mine", new)
    finish_rotation(path, "mine")
    assert not accepts(path, "mine", old)
    assert accepts(path, "mine", new)
    assert rotate(path, "mine") != new


@pytest.mark.parametrize(
    "action",
    [
        lambda path: add_strategy(path, "mine", []),
        lambda path: add_strategy(path, "new", ["BTC USDT"]),
        lambda path: add_strategy(path, "new\n  evil:", []),
        lambda path: add_strategy(path, "new", [], account="main\n    secret: x"),
        lambda path: add_strategy(path, "new", [], max_leverage=500),
        lambda path: rotate(path, "nobody"),
        lambda path: finish_rotation(path, "mine"),
        lambda path: finish_rotation(path, "nobody"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(path: Path, action: object) -> None:
    add_strategy(path, "mine", ["BTCUSDT"])
    before = path.read_bytes()
    with pytest.raises(BadRegistry):
        action(path)  # type: ignore[operator]
    assert path.read_bytes() == before


def test_a_rotation_is_not_started_twice(path: Path) -> None:
    add_strategy(path, "mine", [])
    rotate(path, "mine")
    with pytest.raises(BadRegistry, match="--finish"):
        rotate(path, "mine")


def test_a_file_that_cannot_be_edited_safely_says_what_to_write(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("strategies: {mine: {secret_sha256: " + "1" * 64 + "}}\n")
    before = path.read_bytes()
    with pytest.raises(BadRegistry, match=r"by hand:\nnext_secret_sha256"):
        rotate(path, "mine")
    assert path.read_bytes() == before


def test_a_broken_file_is_not_edited(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("strategies:\n  a: [\n")
    with pytest.raises(BadRegistry, match="not YAML"):
        add_strategy(path, "mine", [])


def test_a_link_keeps_pointing(path: Path) -> None:
    path.parent.mkdir()
    real = path.with_name("real.yaml")
    real.touch()
    path.symlink_to(real)
    add_strategy(path, "mine", [])
    assert path.is_symlink()
    assert "mine" in real.read_text()
