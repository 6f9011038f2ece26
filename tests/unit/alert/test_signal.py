"""From the stored alert to the signal; what is stored; what counts as the same alert."""

import copy
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.alert import Alert, Preset
from app.domain.codec import decode, encode
from app.domain.decision import DenyReason, Refusal, Stage
from app.domain.ids import AccountId, AlertId, StrategyId, Symbol
from app.domain.side import Target
from app.domain.signal import Signal
from app.pipeline.alert import Message, Secret, Unreadable, body_to_store, read_message, signal_from
from tests.intake_messages import PRESETS, SECRET, key_value, native, okx_b, three_commas, traderspost

RECEIVED = datetime(2026, 1, 5, 12, 0, 2, tzinfo=UTC)


def read(body: bytes) -> Message:
    found = read_message(body)
    assert isinstance(found, Message), found
    return found


def stored(body: bytes) -> Alert:
    message = read(body)
    kept = body_to_store(body, message)
    assert isinstance(kept, bytes), kept
    return Alert(
        AlertId("01J"),
        StrategyId("mine"),
        AccountId("main"),
        Symbol("BTCUSDT"),
        message.preset,
        "key",
        kept,
        RECEIVED,
        "",
    )


def signal(body: bytes) -> Signal:
    found = signal_from(stored(body))
    assert isinstance(found, Signal), found
    return found


@pytest.mark.parametrize("name", PRESETS)
def test_every_format_becomes_a_signal_that_survives_storage(name: str) -> None:
    found = signal(PRESETS[name]())
    assert (found.strategy, found.account, found.symbol) == ("mine", "main", "BTCUSDT")
    assert decode(Signal, encode(found)) == found


def test_who_asks_is_settled_by_the_alert_not_by_the_body() -> None:
    assert signal(native(strategy="somebody-else", symbol="ETHUSDT.P")).strategy == "mine"
    assert signal(native(strategy="somebody-else", symbol="ETHUSDT.P")).symbol == "BTCUSDT"


def test_without_a_firing_time_the_arrival_counts() -> None:
    assert signal(native(fired_at=None)).fired_at == RECEIVED


def test_an_exit_says_which_side_it_leaves() -> None:
    found = signal(okx_b(action="EXIT_LONG"))
    assert (found.target, found.prev_target, found.exit_only) == (Target.FLAT, Target.LONG, True)


@pytest.mark.parametrize("body", [traderspost(action="cancel"), key_value(SIGNAL="CANCEL")])
def test_cancel_is_refused_because_nothing_waits(body: bytes) -> None:
    found = signal_from(stored(body))
    assert isinstance(found, Refusal)
    assert (found.stage, found.reason) == (Stage.ALERT, DenyReason.NO_DIRECTION)


def test_a_stored_body_that_cannot_be_read_is_a_refusal() -> None:
    alert = stored(native())
    broken = Alert(**{name: getattr(alert, name) for name in Alert.__slots__} | {"body": alert.body[:-5]})
    found = signal_from(broken)
    assert isinstance(found, Refusal)
    assert found.reason is DenyReason.UNREADABLE_ALERT


# --- the secret -------------------------------------------------------------------------------------------


def test_a_secret_does_not_show_itself() -> None:
    secret = read(native()).secret
    assert SECRET not in f"{secret} {secret!r} {read(native())!r}"
    for copier in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copier(Secret(SECRET))


@pytest.mark.parametrize("name", PRESETS)
def test_the_secret_is_never_stored(name: str) -> None:
    assert SECRET.encode() not in stored(PRESETS[name]()).body


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


@pytest.mark.parametrize(
    "body",
    [
        native(comment=f"my secret is {SECRET}, do not tell"),
        native(**{SECRET: SECRET}),
        native(extra={"deep": [SECRET, {SECRET: SECRET}]}),
        native().replace(SECRET.encode(), escaped(SECRET).encode()),
        native(comment="@").replace(b'"@"', f'"{escaped(SECRET)}"'.encode()),
        key_value(NOTE=f"x{SECRET}x"),
    ],
)
def test_no_copy_of_the_secret_is_stored(body: bytes) -> None:
    alert = stored(body)
    assert SECRET not in str(alert)
    assert SECRET not in json.dumps(encode(signal_from(alert)))
    if alert.preset is not Preset.KEY_VALUE:
        assert SECRET not in str(json.loads(alert.body))


def test_the_rest_of_the_body_is_kept_byte_by_byte() -> None:
    body = native(comment="Ümläut \t ✓")
    assert stored(body).body == body.replace(SECRET.encode(), b"***")


@pytest.mark.parametrize("secret", ["supertrend-btc-1h", "BTCUSDT.P"])
def test_a_secret_that_is_part_of_the_message_is_refused(secret: str) -> None:
    body = native(secret=secret)
    kept = body_to_store(body, read(body))
    assert isinstance(kept, Unreadable)
    assert (kept.status, kept.field) == (422, "secret")
    assert secret not in kept.detail


# --- the dedupe key -----------------------------------------------------------------------------------------


def key(body: bytes, strategy: str = "mine") -> str:
    return read(body).dedupe_key(StrategyId(strategy))


SAME: list[dict[str, Any]] = [
    {"fired_at": "2026-01-05T12:00:15Z"},
    {"price": "43001"},
    {"comment": "something else"},
    {"symbol": "BINANCE:BTCUSDTPERP"},
    {"interval": "1h"},
    {"bar_time": 1767610800},
    {"action": "BUY"},
    {"stop_loss": None},
    {"secret": "another"},
]
OTHER: list[dict[str, Any]] = [
    {"bar_time": "2026-01-05T10:00:00Z"},
    {"symbol": "ETHUSDT.P"},
    {"interval": "240"},
    {"order_id": "Short"},
    {"action": "sell", "market_position": "short"},
]


@pytest.mark.parametrize("changes", SAME)
def test_what_does_not_matter_leaves_the_key_alone(changes: dict[str, Any]) -> None:
    assert key(native(**changes)) == key(native())


@pytest.mark.parametrize("changes", OTHER)
def test_what_matters_changes_the_key(changes: dict[str, Any]) -> None:
    assert key(native(**changes)) != key(native())


def test_two_strategies_do_not_share_keys() -> None:
    assert key(native(), "a") != key(native(), "b")


def test_fields_cannot_run_into_each_other() -> None:
    assert key(native(order_id="a|BUY")) != key(native(order_id="a", action="buy"))


@pytest.mark.parametrize("name", ["3commas", "okx-signal-a", "okx-signal-b", "traderspost"])
def test_without_a_bar_the_firing_time_tells_alerts_apart(name: str) -> None:
    field = "time" if name == "traderspost" else "timestamp"
    assert key(PRESETS[name]()) == key(PRESETS[name]())
    assert key(PRESETS[name]()) != key(PRESETS[name](**{field: "2026-01-05T12:00:01Z"}))


def test_a_close_and_a_reverse_in_one_second_are_two_alerts() -> None:
    close = three_commas(action="sell", strategy_info={"market_position": "flat", "prev_market_position": "long"})
    reverse = three_commas(action="sell", strategy_info={"market_position": "short", "prev_market_position": "flat"})
    assert key(close) != key(reverse)
