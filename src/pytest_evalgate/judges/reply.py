"""Reading a judge's reply: one object with every field as it was asked for, or nothing that counts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.judges.scale import ScoreScale

PARSER: Final = 1
"""Counts the changes of what is readable here, or decided without asking: calibrations rest on it."""

FIELDS: Final = ("nonce", "evidence", "score", "verdict")

_LONGEST: Final = 64_000
_MOST_BRACES: Final = 100
_DECODER: Final = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class ParsedVerdict:
    """What a judge says of one output; ``evidence`` stands in the output, or is empty."""

    score: int
    evidence: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """There is no knowing what the judge says; neither a pass nor a miss."""

    why: str


class UnreadableReply(ValueError):  # noqa: N818 - always turned into an Unreadable
    """Why a reply is unreadable."""


def read(text: str, *, nonce: str, candidate: str, scale: ScoreScale) -> ParsedVerdict | Unreadable:
    """Read a reply; nothing is raised, whatever it holds.

    It has to hold exactly one JSON object, which may stand in a fence or among prose, with exactly `FIELDS`: the right
    nonce, a score of the scale, the verdict that goes with it, and as evidence a passage of the candidate. Only the
    lowest score may go without: what is missing from an output cannot be quoted from it.

    Args:
        text: The reply.
        nonce: The word that it has to repeat.
        candidate: The output as the judge was shown it.
        scale: The scale of the judge.

    """
    try:
        return _parse_verdict(parse_object(text, FIELDS, nonce), candidate, scale)
    except UnreadableReply as error:
        return Unreadable(str(error))


def parse_object(text: str, fields: tuple[str, ...], nonce: str) -> dict[str, Any]:
    """Return the one JSON object of a reply, which has exactly ``fields``, and repeats the nonce.

    Raises:
        Refused: there is none, more than one, or it is another one.

    """
    if len(text) > _LONGEST:
        raise UnreadableReply(f"the reply has {len(text):,} characters, and at most {_LONGEST:,} are read")
    spans = list(_objects(text))
    if len(spans) != 1:
        raise UnreadableReply(_counted(len(spans)))
    found: dict[str, Any] = _strict_json(text[slice(*spans[0])])
    _require_fields(found, fields)
    if found["nonce"] != nonce:
        raise UnreadableReply("the nonce is not the one that was given")
    return found


def require_evidence(evidence: Any, candidate: str, *, needed: bool) -> str:
    """Return the evidence: a passage of the candidate with a letter or digit in it, or "" where none is needed.

    Raises:
        Refused: it is missing, or does not stand in the candidate.

    """
    if not isinstance(evidence, str):
        raise UnreadableReply("the evidence is not a text")
    wanted = _plain(evidence)
    if not wanted and not needed:
        return ""
    if not any(map(str.isalnum, wanted)):
        raise UnreadableReply("there is no evidence: quote the passage of the output that shows it")
    if wanted not in _plain(candidate) and wanted not in _plain(json.dumps(candidate, ensure_ascii=False)):
        raise UnreadableReply("the evidence does not occur in the output: quote it word for word")
    return evidence


def _parse_verdict(found: Mapping[str, Any], candidate: str, scale: ScoreScale) -> ParsedVerdict:
    score, verdict = found["score"], found["verdict"]
    if type(score) is not int or not scale.lowest <= score <= scale.highest:
        raise UnreadableReply(
            f"the score is {_shown(score)}, not a whole number from {scale.lowest} to {scale.highest}"
        )
    if verdict not in ("pass", "fail"):
        raise UnreadableReply(f'the verdict is {_shown(verdict)}, neither "pass" nor "fail"')
    if verdict != scale.verdict(score):
        raise UnreadableReply(f'verdict and score contradict each other: "{verdict}" with {score}')
    return ParsedVerdict(score, require_evidence(found["evidence"], candidate, needed=score > scale.lowest))


def _objects(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the JSON objects of a text stand, those inside of others left out."""
    start = text.find("{")
    for _ in range(_MOST_BRACES):
        if start < 0:
            return
        end = _end(text, start)
        if end is not None:
            yield start, end
        start = text.find("{", start + 1 if end is None else end)
    if start >= 0:
        raise UnreadableReply(f"the reply holds more than {_MOST_BRACES} braces: reply with the object alone")


def _end(text: str, start: int) -> int | None:
    try:
        return _DECODER.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return None


def _counted(objects: int) -> str:
    return (
        f"the reply holds {objects} JSON objects, and one is wanted" if objects else "the reply holds no JSON object"
    )


def _strict_json(text: str) -> dict[str, Any]:
    try:
        value: dict[str, Any] = jsonl.loads(text)
    except ValueError as error:
        raise UnreadableReply(f"the object in the reply is refused: {error}") from None
    return value


def _require_fields(found: Mapping[str, Any], fields: tuple[str, ...]) -> None:
    missing = [name for name in fields if name not in found]
    extra = [jsonl.quote_text(name, 40) for name in found if name not in fields]
    if missing:
        raise UnreadableReply(f"fields of the reply are missing: {', '.join(missing)}")
    if extra:
        raise UnreadableReply(f"the reply has other fields than {', '.join(fields)}: {', '.join(extra[:3])}")


def _plain(text: str) -> str:
    return " ".join(text.split())


def _shown(value: Any) -> str:
    return jsonl.escape_text(jsonl.canonical(value), 40)
