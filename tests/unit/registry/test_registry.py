"""Who is behind a secret, and how the rules follow the file."""

import hmac
from pathlib import Path
from typing import Any

import pytest

from app.domain.errors import BadRegistry
from app.domain.ids import StrategyId
from app.pipeline.alert import Secret
from app.registry import DEFAULT_STRATEGY, Registry, add_strategy, finish_rotation, rotate
from tests.fakes import FakeClock

SHARED = "Zq7Lr2Xw9Tn4Vb6Kc1Mj8Hd3Gf5Sa0Py-Ou_Ie7Rt2Wx"


class World:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "strategies.yaml"
        self.clock = FakeClock()
        self.alarms: list[str] = []

    def registry(self, *, paper: bool = False, shared: str = SHARED) -> Registry:
        return Registry(
            self.path, paper=paper, webhook_secret=shared, monotonic=self.clock.monotonic, alarm=self.alarms.append
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def who(registry: Registry, name: str | None, secret: str) -> str | None:
    proven = registry.authenticate(StrategyId(name) if name else None, Secret(secret))
    return proven.profile.strategy if proven else None


def test_only_the_right_secret_under_the_right_name(world: World) -> None:
    a, b = add_strategy(world.path, "a", []), add_strategy(world.path, "b", [])
    registry = world.registry()
    assert who(registry, "a", a) == "a"
    assert who(registry, "b", b) == "b"
    for name, secret in [
        ("a", b),
        ("a", ""),
        ("a", a[:-1]),
        ("a", a.lower()),
        ("c", a),
        ("a", SHARED),
        (None, "x" * 43),
    ]:
        assert who(registry, name, secret) is None


def test_a_format_without_names_is_known_by_its_secret(world: World) -> None:
    a, b = add_strategy(world.path, "a", []), add_strategy(world.path, "b", [])
    registry = world.registry()
    assert (who(registry, None, a), who(registry, None, b)) == ("a", "b")


def test_the_shared_secret_is_for_strategies_without_their_own(world: World) -> None:
    add_strategy(world.path, "own", [])
    world.path.write_text(world.path.read_text() + "  shared:\n    symbols: [BTCUSDT]\n")
    registry = world.registry()
    assert who(registry, "shared", SHARED) == "shared"
    assert who(registry, None, SHARED) == "shared"
    assert who(registry, "own", SHARED) is None
    assert who(registry, "unknown", SHARED) is None


def test_outside_paper_mode_a_strategy_must_be_in_the_file(world: World) -> None:
    add_strategy(world.path, "own", [])
    registry = world.registry()
    assert who(registry, "new", SHARED) is None
    assert who(registry, None, SHARED) is None
    assert registry.profile(StrategyId("new")) is None


def test_in_paper_mode_the_shared_secret_is_enough(world: World) -> None:
    registry = world.registry(paper=True, shared="paper-secret")
    proven = registry.authenticate(StrategyId("new"), Secret("paper-secret"))
    assert proven is not None
    profile = proven.profile
    assert (profile.strategy, profile.account, profile.symbols) == ("new", "main", frozenset())
    assert registry.profile(StrategyId("new")) == profile
    assert who(registry, None, "paper-secret") == DEFAULT_STRATEGY
    assert who(registry, "new", "another-one") is None


def test_without_any_secret_nobody_gets_in(world: World) -> None:
    registry = world.registry(paper=True, shared="")
    assert who(registry, "new", "") is None
    assert who(registry, None, "anything") is None
    assert registry.profile(StrategyId("new")) is None


def test_an_unknown_name_costs_the_same_comparisons_as_a_wrong_secret(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = add_strategy(world.path, "a", [])
    add_strategy(world.path, "b", [])
    registry = world.registry()
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def counting(left: Any, right: Any) -> bool:
        compared.append((len(left), len(right)))
        return compare(left, right)

    monkeypatch.setattr("app.registry.registry.hmac.compare_digest", counting)
    seen = []
    for name, given in [("a", "wrong"), ("unknown", secret), ("unknown", "wrong"), ("b", "w" * 500), ("a", secret)]:
        compared.clear()
        who(registry, name, given)
        seen.append(list(compared))
    assert all(one == seen[0] for one in seen)
    assert len(seen[0]) == 5  # the shared secret, and current and next of both


@pytest.mark.parametrize("shared", ["2 short", "change-me-" + SHARED, "a" * 50])
def test_a_weak_shared_secret_does_not_start(world: World, shared: str) -> None:
    add_strategy(world.path, "a", [])
    with pytest.raises(BadRegistry, match="WEBHOOK_SECRET") as raised:
        world.registry(shared=shared)
    assert shared not in str(raised.value)


def test_a_missing_file_starts_paper_trading_only(world: World) -> None:
    world.registry(paper=True)
    with pytest.raises(BadRegistry, match="tradingbot strategy add"):
        world.registry()


def test_a_strategy_nobody_could_use_does_not_start(world: World) -> None:
    world.path.write_text("strategies:\n  mine:\n")
    with pytest.raises(BadRegistry, match="tradingbot strategy rotate mine"):
        world.registry(shared="")


# --- while it runs ---------------------------------------------------------------------------------------


def test_a_rotation_needs_no_restart(world: World) -> None:
    old = add_strategy(world.path, "a", [])
    registry = world.registry()
    new = rotate(world.path, "a")
    world.clock.advance(1)
    assert (who(registry, "a", old), who(registry, "a", new)) == ("a", "a")
    finish_rotation(world.path, "a")
    world.clock.advance(1)
    assert (who(registry, "a", old), who(registry, "a", new)) == (None, "a")


def test_it_says_which_secret_it_was(world: World) -> None:
    """Without that nobody knows when a rotation can be finished."""
    old = add_strategy(world.path, "a", [])
    new = rotate(world.path, "a")
    registry = world.registry(paper=True, shared="paper-secret")
    found = [registry.authenticate(None, Secret(given)) for given in (old, new, "paper-secret", "x" * 43)]
    assert [proven and proven.by for proven in found] == ["current", "upcoming", "shared", None]
    finish_rotation(world.path, "a")
    world.clock.advance(1)
    finished = registry.authenticate(None, Secret(new))
    assert finished is not None
    assert finished.by == "current"


def test_the_file_is_looked_at_once_a_second(world: World) -> None:
    add_strategy(world.path, "a", [])
    registry = world.registry()
    secret = add_strategy(world.path, "b", [])
    world.clock.advance(0.9)
    assert who(registry, "b", secret) is None
    world.clock.advance(0.1)
    assert who(registry, "b", secret) == "b"


def test_a_broken_change_keeps_the_old_rules_and_raises_one_alarm(world: World) -> None:
    secret = add_strategy(world.path, "a", [])
    good = world.path.read_text()
    registry = world.registry()
    world.path.write_text(good + "  b: [\n")
    for _ in range(3):
        world.clock.advance(1)
        assert who(registry, "a", secret) == "a"
    assert len(world.alarms) == 1
    assert "line" in world.alarms[0]
    world.path.write_text(good + "  b:\n    max_leverage: 2\n")
    world.clock.advance(1)
    assert [profile.strategy for profile in registry.profiles()] == ["a", "b"]
    assert len(world.alarms) == 1


def test_a_file_that_disappears_keeps_the_old_rules_and_raises_an_alarm(world: World) -> None:
    secret = add_strategy(world.path, "a", [])
    registry = world.registry()
    world.path.unlink()
    world.clock.advance(1)
    assert who(registry, "a", secret) == "a"
    assert "gone" in world.alarms[0]


def test_a_removed_strategy_is_out(world: World) -> None:
    secret = add_strategy(world.path, "a", [])
    registry = world.registry()
    world.path.write_text("strategies: {}\n")
    world.clock.advance(1)
    assert who(registry, "a", secret) is None
    assert registry.profile(StrategyId("a")) is None


def test_what_the_bot_runs_itself_needs_no_secret_and_answers_to_none(world: World) -> None:
    world.path.write_text("strategies: {own: {runs: supertrend, symbols: [BTCUSDT]}, sent: {symbols: [BTCUSDT]}}\n")
    registry = world.registry()
    assert [profile.runs is not None for profile in registry.profiles()] == [True, False]
    assert who(registry, "sent", SHARED) == "sent"
    assert who(registry, "own", SHARED) is None
    assert who(registry, None, SHARED) == "sent"
    world.path.write_text("strategies: {own: {runs: supertrend, symbols: [BTCUSDT]}}\n")
    assert world.registry(shared="").profile(StrategyId("own")) is not None
