import pytest

from app.adapters.exchanges.binance.limits import HeldBack, Limits
from tests.contract.clocks import StillClock


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def limits(clock: StillClock) -> Limits:
    return Limits(clock.monotonic)


def test_at_four_fifths_entries_may_still_leave(limits: Limits) -> None:
    limits.read({"x-mbx-used-weight-1m": "1920"})
    assert limits.why_no_entry() is None
    limits.read({"x-mbx-used-weight-1m": "1921"})
    assert limits.why_no_entry() is not None
    limits.check(protective=False)  # looking goes on


def test_a_count_is_forgotten_with_its_window(limits: Limits, clock: StillClock) -> None:
    limits.read({"x-mbx-order-count-10s": "300"})
    clock.advance(9)
    assert limits.why_no_entry() is not None
    clock.advance(2)
    assert limits.why_no_entry() is None


@pytest.mark.parametrize("told", ["", "many", "-1", "1e9", "１２００"])
def test_a_count_that_is_no_number_is_passed_over(limits: Limits, told: str) -> None:
    limits.read({"x-mbx-used-weight-1m": told})
    assert limits.why_no_entry() is None


def test_the_venue_may_change_its_limits(limits: Limits) -> None:
    limits.learn([{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 100}, {}])
    limits.read({"x-mbx-used-weight-1m": "81"})
    assert limits.why_no_entry() == "81 of 100 request weight per minute are used: the rest is kept for protection"


@pytest.mark.parametrize(("retry_after", "pause"), [("7", 7), (None, 60), ("soon", 60)])
def test_a_pause_is_as_long_as_the_venue_says(
    limits: Limits, clock: StillClock, retry_after: str | None, pause: float
) -> None:
    limits.back_off(429, retry_after)
    clock.advance(pause - 1)
    with pytest.raises(HeldBack):
        limits.check(protective=False)
    limits.check(protective=True)
    clock.advance(2)
    limits.check(protective=False)
    assert limits.why_no_entry() is None


def test_a_ban_silences_everything_and_is_not_shortened(limits: Limits, clock: StillClock) -> None:
    limits.back_off(418, None)
    limits.back_off(429, "1")
    clock.advance(119)
    with pytest.raises(HeldBack):
        limits.check(protective=True)
    clock.advance(2)
    limits.check(protective=True)
