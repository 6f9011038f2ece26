"""A spilled alert as text: read again exactly, or not at all."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.aws.spill import from_text, to_text
from tests.integration.db.cases import an_alert

GOOD: dict[str, Any] = json.loads(to_text(an_alert(1)))


@given(st.text(max_size=200), st.text(max_size=20), st.datetimes(timezones=st.timezones()))
def test_any_body_survives_and_sqs_takes_it(body: str, sender: str, when: Any) -> None:
    alert = an_alert(1, body=body.encode("utf-8", "replace"), sender=sender, received_at=when)
    text = to_text(alert)
    assert from_text(text) == alert
    assert text.isascii()
    assert text.isprintable()


def test_a_field_of_a_newer_process_is_ignored() -> None:
    assert from_text(json.dumps(GOOD | {"invented_later": True})) == an_alert(1)


@pytest.mark.parametrize(
    "text",
    [
        "not JSON",
        "[]",
        "{}",
        json.dumps(GOOD | {"format": 2}),
        *(json.dumps({key: value for key, value in GOOD.items() if key != name}) for name in GOOD),
        json.dumps(GOOD | {"body": 5}),
        json.dumps(GOOD | {"body": "\ud800"}),
        json.dumps(GOOD | {"preset": "hand-written"}),
        json.dumps(GOOD | {"received_at": "hand-written"}),
        json.dumps(GOOD | {"received_at": "2026-01-05T12:00:00"}),
        json.dumps(GOOD | {"received_at": "0001-01-01T00:00:00+14:00"}),
    ],
)
def test_what_is_none_says_why_and_quotes_nothing(text: str) -> None:
    with pytest.raises(ValueError, match="it") as refused:
        from_text(text)
    assert "hand-written" not in str(refused.value)
    assert "2026" not in str(refused.value)
    assert refused.value.__cause__ is None
