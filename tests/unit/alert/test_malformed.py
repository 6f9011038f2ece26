"""What is not a message is refused with the right status and the field to blame, whatever it is."""

import json
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.ids import StrategyId
from app.pipeline.alert import Message, Unreadable, body_to_store, read_message
from tests.intake_messages import MALFORMED, PRESETS, native, native_fields


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_body_is_refused_with_the_field_to_blame(name: str) -> None:
    body, status, field = MALFORMED[name]
    why = read_message(body)
    assert isinstance(why, Unreadable), f"{name} was read as {why}"
    assert (why.status, why.field) == (status, field), why.detail
    assert why.detail


def test_the_table_is_long_enough_to_mean_something() -> None:
    assert len(MALFORMED) >= 60


def test_a_misspelt_field_names_the_one_that_was_meant() -> None:
    why = read_message(native(stop_los="42000"))
    assert isinstance(why, Unreadable)
    assert "stop_loss" in why.detail


def test_an_unfilled_placeholder_says_what_to_do() -> None:
    why = read_message(native(action="{{strategy.order.action}}"))
    assert isinstance(why, Unreadable)
    assert "{{strategy.order.action}}" in why.detail
    assert "alert on a strategy" in why.detail


def test_nesting_of_8_levels_is_read() -> None:
    assert isinstance(read_message(native(comment=[[[[[[[]]]]]]])), Message)


@given(st.binary(max_size=2000))
@example(b"\xff\xfe{\x00}\x00")
@example(b"{" * 5000)
@example(b'{"a":' * 3000)
@example(b'"' + b"\\" * 9000)
def test_no_bytes_raise(body: bytes) -> None:
    assert_harmless(body)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(["long", "buy", "0.5", "{{x}}", "BTCUSDT.P", "1e-05", "2026-01-05T12:00:00Z"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(string.ascii_lowercase, max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(native_fields())), JSON, max_size=4))
def test_no_value_of_any_field_raises(changes: dict[str, object]) -> None:
    assert_harmless(json.dumps(native_fields() | changes).encode())


@settings(max_examples=300)
@given(st.sampled_from(sorted(PRESETS)), st.integers(0, 1000), st.integers(0, 20), st.binary(max_size=6))
def test_no_damage_to_a_good_message_raises(preset: str, start: int, length: int, patch: bytes) -> None:
    body = PRESETS[preset]()
    start %= len(body)
    assert_harmless(body[:start] + patch + body[start + length :])


def assert_harmless(body: bytes) -> None:
    """A value comes back; a refusal can be shown, a message can be stored."""
    found = read_message(body)
    if isinstance(found, Unreadable):
        assert found.status in (400, 413, 422)
        json.dumps([found.field, found.detail], ensure_ascii=False).encode()
        return
    stored = body_to_store(body, found)
    if isinstance(stored, bytes):
        assert isinstance(read_message(stored), Message)
    found.dedupe_key(StrategyId("s"))
