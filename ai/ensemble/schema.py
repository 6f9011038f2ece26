"""What a language model must answer, and the strict reading of it. Anything else is NotAVote: an error, never a vote.

The schema uses only the JSON Schema keywords that all three services enforce while generating (types, enum, required,
additionalProperties); ranges and lengths are checked here, whatever a service promises.
"""

import hashlib
import json
import unicodedata
from typing import Any, Final

from app.domain.vote import Opinion, Seat, Vote
from app.log import redact

ANSWER_BYTES: Final = 65_536
REASON_CHARACTERS: Final = 300
_KEPT_CHARACTERS = 4_000

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "opinion": {"type": "string", "enum": [opinion.value for opinion in Opinion]},
        "confidence": {"type": "integer", "description": "0 to 100"},
        "reason": {"type": "string", "description": "one sentence, at most 200 characters"},
    },
    "required": ["opinion", "confidence", "reason"],
    "additionalProperties": False,
}


class NotAVote(Exception):  # noqa: N818 - reads as what it is
    """The model answered something else. `answer` is what it said, for the record: without secrets."""

    def __init__(self, why: str, answer: str = "") -> None:
        super().__init__(why)
        self.answer = redact(answer)


def read_vote(seat: Seat, voter: str, answer: str) -> Vote:
    """The vote an answer contains. Raises NotAVote unless it is one JSON object that fits SCHEMA exactly.

    Confidence is an integer from 0 to 100. A float is refused even when it is whole: a model that answers 1.0 may mean
    one percent or certainty. A reason of more than 300 characters is refused, too.
    """
    data = _loads(answer)
    if not isinstance(data, dict) or set(data) != set(SCHEMA["required"]):
        raise NotAVote("not an object of opinion, confidence and reason", answer)
    opinion, confidence, reason = data["opinion"], data["confidence"], data["reason"]
    if not isinstance(opinion, str) or opinion not in Opinion.__members__:
        raise NotAVote("opinion is none of LONG, SHORT and NEUTRAL", answer)
    if type(confidence) is not int or not 0 <= confidence <= 100:  # noqa: PLR2004 - the scale is the definition
        raise NotAVote("confidence is not an integer from 0 to 100", answer)
    if not isinstance(reason, str) or len(reason) > REASON_CHARACTERS:
        raise NotAVote(f"reason is not a text of at most {REASON_CHARACTERS} characters", answer)
    return recorded(seat, voter, Opinion(opinion), confidence, reason=one_line(reason), answer=answer)


def recorded(seat: Seat, voter: str, opinion: Opinion, confidence: int, *, reason: str, answer: str) -> Vote:
    """A vote with its answer, without secrets and cut, and the hash of all of it as it came."""
    return Vote(
        seat=seat,
        voter=voter,
        opinion=opinion,
        confidence=confidence,
        reason=redact(reason),
        answer=redact(answer)[:_KEPT_CHARACTERS],
        answer_sha256=hashlib.sha256(answer.encode("utf-8", "replace")).hexdigest(),
    )


def one_line(text: str) -> str:
    """Printable characters in one line: people read this in terminals and chats, where control characters act."""
    spaced = "".join(" " if character.isspace() else character for character in text)
    return " ".join("".join(c for c in spaced if c == " " or unicodedata.category(c)[0] != "C").split())


def _loads(answer: str) -> Any:
    if len(answer.encode("utf-8", "replace")) > ANSWER_BYTES:
        raise NotAVote(f"the answer is longer than {ANSWER_BYTES} bytes", answer)
    try:
        return json.loads(answer, object_pairs_hook=_without_repeats, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise NotAVote("the answer is not JSON", answer) from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two opinions under one key would let the reader pick."""
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a repeated key")
    return data


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
