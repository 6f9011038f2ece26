"""Stage 1 of the main path: an alert's bytes become a signal, or a plain reason why not.

The webhook reads a message once to accept it (`read_message`) and stores the bytes without their secret
(`body_to_store`); the worker reads the stored bytes again (`signal_from`), so that what is traded is what was stored.
Nothing here raises on any input: a message that cannot be read is a value that says which field to blame.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from app.domain.alert import Alert, Preset
from app.domain.decision import DenyReason, Refusal, Stage
from app.domain.ids import AlertId
from app.domain.policy import StrategyProfile
from app.domain.signal import Signal
from app.pipeline.message import key_value, native, presets
from app.pipeline.message.fields import Fields
from app.pipeline.message.model import Malformed, Message, Secret, Unreadable
from app.pipeline.message.strict_json import Json, parse_object, string_tokens

__all__ = [
    "MAX_BYTES",
    "Message",
    "Secret",
    "Unreadable",
    "alert_of",
    "blank_secret",
    "body_to_store",
    "read_message",
    "signal_from",
]

MAX_BYTES = 16 * 1024
BLANK = "***"
NO_SECRET = Secret("")
_SHORTEST_BLANKED_ANYWHERE = 8  # shorter values occur in other words by chance; they are blanked where they stand alone


def read_message(body: bytes) -> Message | Unreadable:
    """Make sense of a message in any of the formats, from its raw bytes: the content type says nothing."""
    try:
        return _read(body)
    except Malformed as malformed:
        why = malformed.why
        return Unreadable(why.status, _presentable(why.field), _presentable(why.detail))


def signal_from(alert: Alert) -> Signal | Refusal:
    """What a stored alert asks for. Who may ask was settled when it was accepted; that is taken from the alert."""
    message = read_message(alert.body)
    if isinstance(message, Unreadable):
        return _refusal(DenyReason.UNREADABLE_ALERT, f"{message.field or 'message'}: {message.detail}")
    if message.action is None and message.target is None:
        word = message.verb.lower()
        return _refusal(
            DenyReason.NO_DIRECTION, f"{word}: there is nothing to {word}, because entries go to market at once"
        )
    return Signal(
        alert_id=alert.alert_id,
        strategy=alert.strategy,
        account=alert.account,
        symbol=alert.symbol,
        interval=message.interval,
        action=message.action,
        target=message.target,
        bar_time=message.bar_time,
        fired_at=message.fired_at or alert.received_at,
        received_at=alert.received_at,
        confirmed=message.confirmed,
        price=message.price,
        stop_loss=message.stop_loss,
        take_profits=message.take_profits,
        trailing_stop=message.trailing_stop,
        prev_target=message.prev_target,
        size=message.size,
        prev_size=message.prev_size,
        order_id=message.order_id,
        notes=message.notes,
    )


def alert_of(
    body: bytes, message: Message, profile: StrategyProfile, *, alert_id: AlertId, received_at: datetime, sender: str
) -> Alert | Unreadable:
    """The alert as it will be stored: without its secret, and readable again without it."""
    stored = body_to_store(body, message)
    if isinstance(stored, Unreadable):
        return stored
    return Alert(
        alert_id=alert_id,
        strategy=profile.strategy,
        account=profile.account,
        symbol=message.symbol,
        preset=message.preset,
        dedupe_key=message.dedupe_key(profile.strategy),
        body=stored,
        received_at=received_at,
        sender=sender,
    )


def body_to_store(body: bytes, message: Message) -> bytes | Unreadable:
    """The body without its secret, certain to read as the same message again.

    Unreadable when the secret's value is also part of another field, so that blanking it would change the message.
    """
    secret = message.secret.reveal().encode()
    if secret and b"\\" not in body and body.count(secret) == 1:
        return body.replace(secret, BLANK.encode())  # nearly every message: there once, and written plainly
    stored = blank_secret(body, message)
    if _comparable(read_message(stored)) == _comparable(message):
        return stored
    return Unreadable(422, "secret", "its value also occurs in other fields: use a random one")


def blank_secret(body: bytes, message: Message) -> bytes:
    """The body with every occurrence of the message's secret replaced by stars, however JSON escaped it."""
    secret = message.secret.reveal()
    if not secret or secret == BLANK:
        return body
    text = body.decode()
    if message.preset is Preset.KEY_VALUE:
        return _without(text, secret).encode()
    parts, end = [], 0
    for token in string_tokens(text):
        value = json.loads(token[0]) if "\\" in token[0] else token[0][1:-1]
        if secret in value:
            cleaned = _without(value, secret)
            if cleaned != value:
                parts += [text[end : token.start()], json.dumps(cleaned, ensure_ascii=False)]
                end = token.end()
    return "".join([*parts, text[end:]]).encode()


def _comparable(message: Message | Unreadable) -> Message | Unreadable:
    """Without the secret and without what is only said about the message."""
    return replace(message, secret=NO_SECRET, notes=()) if isinstance(message, Message) else message


def _presentable(text: str) -> str:
    """Fit for an answer and a log line: keys come from the sender and may be long, or no text at all."""
    return text[:300].encode("utf-8", "replace").decode()


def _without(text: str, secret: str) -> str:
    if text == secret:
        return BLANK
    if len(secret) < _SHORTEST_BLANKED_ANYWHERE:
        return text
    return text.replace(secret, BLANK)


def _read(body: bytes) -> Message:
    if len(body) > MAX_BYTES:
        raise Malformed("", f"the message is longer than {MAX_BYTES} bytes", status=413)
    if body.startswith(b"\xef\xbb\xbf"):
        raise Malformed("", "the message starts with a byte order mark", status=400)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Malformed("", f"the message is not UTF-8 (byte {error.start})", status=400) from None
    if "\0" in text:
        raise Malformed("", "the message contains a NUL byte", status=400)
    if not text.strip():
        raise Malformed("", "the message is empty", status=400)
    if text.lstrip()[0] not in '{["' and key_value.looks_like(text):
        return key_value.read(Fields(key_value.parse(text)))
    members = parse_object(text)
    return _reader_for(members)(Fields(members))


def _reader_for(members: Mapping[str, Json]) -> Callable[[Fields], Message]:
    """The format, recognised by the keys only it has. Raises Malformed when two could be meant."""
    found: dict[Preset, Callable[[Fields], Message]] = {}
    if "bot_uuid" in members or "tv_instrument" in members:
        found[Preset.THREE_COMMAS] = presets.three_commas
    if "signalToken" in members:
        strategy_script = "marketPosition" in members or str(members.get("action", "")).lower() in ("buy", "sell")
        if strategy_script:
            found[Preset.OKX_SIGNAL_A] = presets.okx_a
        else:
            found[Preset.OKX_SIGNAL_B] = presets.okx_b
    if "ticker" in members and not members.keys() & {"symbol", "market_position", "fired_at"}:
        found[Preset.TRADERSPOST] = presets.traderspost
    if len(found) > 1:
        raise Malformed("", f"the message mixes the formats {' and '.join(found)}: use one")
    return next(iter(found.values()), native.read)


def _refusal(reason: DenyReason, detail: str) -> Refusal:
    return Refusal(Stage.ALERT, reason, detail)
