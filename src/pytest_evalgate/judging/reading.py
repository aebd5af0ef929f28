"""Reading a judge's reply: one object with every field as it was asked for, or nothing that counts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.judging.scale import Scale

PARSER: Final = 1
"""Counts the changes of what is readable here, or decided without asking: calibrations rest on it."""

FIELDS: Final = ("nonce", "evidence", "score", "verdict")

_LONGEST: Final = 64_000
_MOST_BRACES: Final = 100
_DECODER: Final = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a judge says of one output; ``evidence`` stands in the output, or is empty."""

    score: int
    evidence: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """There is no knowing what the judge says; neither a pass nor a miss."""

    why: str


class Refused(ValueError):  # noqa: N818 - always turned into an Unreadable
    """Why a reply is unreadable."""


def read(text: str, *, nonce: str, candidate: str, scale: Scale) -> Reading | Unreadable:
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
        return _reading(one_object(text, FIELDS, nonce), candidate, scale)
    except Refused as refused:
        return Unreadable(str(refused))


def one_object(text: str, fields: tuple[str, ...], nonce: str) -> dict[str, Any]:
    """Return the one JSON object of a reply, which has exactly ``fields``, and repeats the nonce.

    Raises:
        Refused: there is none, more than one, or it is another one.

    """
    if len(text) > _LONGEST:
        raise Refused(f"the reply has {len(text):,} characters, and at most {_LONGEST:,} are read")
    spans = list(_objects(text))
    if len(spans) != 1:
        raise Refused(_counted(len(spans)))
    found: dict[str, Any] = _strictly(text[slice(*spans[0])])
    _require_fields(found, fields)
    if found["nonce"] != nonce:
        raise Refused("the nonce is not the one that was given")
    return found


def require_evidence(evidence: Any, candidate: str, *, needed: bool) -> str:
    """Return the evidence: a passage of the candidate with a letter or digit in it, or "" where none is needed.

    Raises:
        Refused: it is missing, or does not stand in the candidate.

    """
    if not isinstance(evidence, str):
        raise Refused("the evidence is not a text")
    wanted = _plain(evidence)
    if not wanted and not needed:
        return ""
    if not any(map(str.isalnum, wanted)):
        raise Refused("there is no evidence: quote the passage of the output that shows it")
    if wanted not in _plain(candidate) and wanted not in _plain(json.dumps(candidate, ensure_ascii=False)):
        raise Refused("the evidence does not occur in the output: quote it word for word")
    return evidence


def _reading(found: Mapping[str, Any], candidate: str, scale: Scale) -> Reading:
    score, verdict = found["score"], found["verdict"]
    if type(score) is not int or not scale.lowest <= score <= scale.highest:
        raise Refused(f"the score is {_shown(score)}, not a whole number from {scale.lowest} to {scale.highest}")
    if verdict not in ("pass", "fail"):
        raise Refused(f'the verdict is {_shown(verdict)}, neither "pass" nor "fail"')
    if verdict != scale.verdict(score):
        raise Refused(f'verdict and score contradict each other: "{verdict}" with {score}')
    return Reading(score, require_evidence(found["evidence"], candidate, needed=score > scale.lowest))


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
        raise Refused(f"the reply holds more than {_MOST_BRACES} braces: reply with the object alone")


def _end(text: str, start: int) -> int | None:
    try:
        return _DECODER.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return None


def _counted(objects: int) -> str:
    return (
        f"the reply holds {objects} JSON objects, and one is wanted" if objects else "the reply holds no JSON object"
    )


def _strictly(text: str) -> dict[str, Any]:
    try:
        value: dict[str, Any] = jsonl.loads(text)
    except ValueError as error:
        raise Refused(f"the object in the reply is refused: {error}") from None
    return value


def _require_fields(found: Mapping[str, Any], fields: tuple[str, ...]) -> None:
    missing = [name for name in fields if name not in found]
    extra = [jsonl.quoted(name, 40) for name in found if name not in fields]
    if missing:
        raise Refused(f"fields of the reply are missing: {', '.join(missing)}")
    if extra:
        raise Refused(f"the reply has other fields than {', '.join(fields)}: {', '.join(extra[:3])}")


def _plain(text: str) -> str:
    return " ".join(text.split())


def _shown(value: Any) -> str:
    return jsonl.visible(jsonl.canonical(value), 40)
