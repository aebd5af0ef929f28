"""Replies of a judge, parsed strictly.

A reply must contain, outside of its reasoning, exactly one JSON object with exactly the requested fields: the nonce,
the evidence, a rationale, and a score or choice; or a list of statements, or of verdicts on statements. Only the
rationale may be missing, because it decides nothing. Any other reply is `Unreadable`: it counts neither as a pass nor
as a fail.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.reasoning import split_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.judges.scale import ScoreScale

PARSER: Final = 2
"""Version of the parser, part of a judge's fingerprint.

Increase it whenever replies are parsed differently, or different outputs fail without a call: a calibration is valid
only for the parser that it was measured with.
"""

FIELDS: Final = ("nonce", "evidence", "rationale", "score", "verdict")
PAIR_FIELDS: Final = ("nonce", "evidence", "rationale", "choice")
CHOICES: Final = ("first", "second", "tie")
STATEMENTS_FIELDS: Final = ("nonce", "statements")
VERDICTS_FIELDS: Final = ("nonce", "verdicts")
UNIT_FIELDS: Final = ("number", "evidence", "rationale", "verdict")
_OPTIONAL: Final = "rationale"
MAX_UNITS: Final = 100
"""Largest number of statements or passages in one question."""

_MAX_STATEMENT: Final = 2_000  # characters
_MAX_RATIONALE: Final = 500  # characters that are kept of a sentence

_MAX_CHARACTERS: Final = 64_000
_MAX_BRACES: Final = 100  # each "{" may start a parse: without a limit, unclosed nested objects take quadratic time
_DECODER: Final = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class ParsedVerdict:
    """The score of one output. ``evidence`` is a passage of the output, or empty; ``rationale`` may be empty."""

    score: int
    evidence: str
    rationale: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """The better of two outputs: one of `CHOICES`. ``evidence`` is a passage of it, or empty for a tie."""

    choice: str
    evidence: str
    rationale: str = ""


@dataclass(frozen=True, slots=True)
class UnitVerdict:
    """The verdict on one statement or passage. ``evidence`` is the passage that supports a yes."""

    yes: bool
    evidence: str
    rationale: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A reply that gives no score: neither a pass nor a fail.

    ``may_change``: another run may get a readable one, because such replies are not cached.
    """

    reason: str
    may_change: bool = True


class _UnreadableReply(ValueError):  # noqa: N818 - always converted to Unreadable
    """The reason why a reply is unreadable."""


def read(text: str, *, nonce: str, candidate: str, scale: ScoreScale) -> ParsedVerdict | Unreadable:
    """Parse the reply about one output. Never raises.

    The JSON object may be in a code fence or surrounded by prose. It must repeat the nonce, give a score of the scale
    with the matching verdict, and quote a passage of the candidate as evidence. Only the lowest score may have no
    evidence: missing content cannot be quoted. ``candidate`` is the output as it was sent to the judge.
    """
    try:
        return _parse_verdict(_parse_object(text, FIELDS, nonce), candidate, scale)
    except _UnreadableReply as error:
        return Unreadable(str(error))


def _parse_verdict(found: dict[str, Any], candidate: str, scale: ScoreScale) -> ParsedVerdict:
    score, verdict = _integer(found["score"]), found["verdict"]
    if score is None or not scale.lowest <= score <= scale.highest:
        raise _UnreadableReply(
            f"the score is {_format(found['score'])}, not a whole number from {scale.lowest} to {scale.highest}"
        )
    if verdict not in ("pass", "fail"):
        raise _UnreadableReply(f'the verdict is {_format(verdict)}, not "pass" or "fail"')
    if verdict != scale.verdict(score):
        raise _UnreadableReply(f'the verdict "{verdict}" contradicts the score {score}')
    evidence = _require_evidence(found["evidence"], candidate, required=score > scale.lowest)
    return ParsedVerdict(score, evidence, _rationale(found))


def _rationale(found: dict[str, Any]) -> str:
    """Return the rationale in one line; an empty text if there is none, or if it is not a text."""
    given = found.get(_OPTIONAL)
    return _collapse(given)[:_MAX_RATIONALE] if isinstance(given, str) else ""


def _integer(value: Any) -> int | None:
    """Return ``value`` if JSON Schema counts it as an integer, as it does 1.0 but not true; else None."""
    if type(value) is float and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def read_choice(text: str, *, nonce: str, pair: tuple[str, str]) -> Choice | Unreadable:
    """Parse the reply about two outputs, given as they were sent to the judge. Never raises."""
    try:
        return _parse_choice(_parse_object(text, PAIR_FIELDS, nonce), pair)
    except _UnreadableReply as error:
        return Unreadable(str(error))


def _parse_choice(found: dict[str, Any], pair: tuple[str, str]) -> Choice:
    choice = found["choice"]
    if choice not in CHOICES:
        raise _UnreadableReply(f"the choice is {_format(choice)}, not one of {', '.join(CHOICES)}")
    chosen = "\n".join(pair) if choice == "tie" else pair[CHOICES.index(choice)]
    return Choice(choice, _require_evidence(found["evidence"], chosen, required=choice != "tie"), _rationale(found))


def read_statements(text: str, *, nonce: str) -> tuple[str, ...] | Unreadable:
    """Parse the reply that splits a text into statements; none is a valid reply. Never raises."""
    try:
        return _parse_statements(_parse_object(text, STATEMENTS_FIELDS, nonce)["statements"])
    except _UnreadableReply as error:
        return Unreadable(str(error))


def _parse_statements(found: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(one, str) and one.strip() for one in found):
        raise _UnreadableReply("the statements are not a list of texts")
    if len(found) > MAX_UNITS or any(len(one) > _MAX_STATEMENT for one in found):
        raise _UnreadableReply(f"more than {MAX_UNITS} statements, or one of more than {_MAX_STATEMENT:,} characters")
    return tuple(map(_collapse, found))


def read_verdicts(text: str, *, nonce: str, sources: Sequence[str]) -> tuple[UnitVerdict, ...] | Unreadable:
    """Parse the reply with one verdict for each statement or passage, in order. Never raises.

    The evidence of the n-th one must occur in the n-th of ``sources``. Only a "no" may have no evidence.
    """
    try:
        return _parse_verdicts(_parse_object(text, VERDICTS_FIELDS, nonce)["verdicts"], sources)
    except _UnreadableReply as error:
        return Unreadable(str(error))


def _parse_verdicts(found: Any, sources: Sequence[str]) -> tuple[UnitVerdict, ...]:
    if not isinstance(found, list) or len(found) != len(sources):
        given = f"{len(found)} verdicts" if isinstance(found, list) else "no list of verdicts"
        raise _UnreadableReply(f"the reply has {given}, but {len(sources)} are required, one for each number")
    pairs = zip(found, sources, strict=True)
    return tuple(_unit(one, number, source) for number, (one, source) in enumerate(pairs, start=1))


def _unit(found: Any, number: int, source: str) -> UnitVerdict:
    place = f"verdict {number}"
    if not isinstance(found, dict):
        raise _UnreadableReply(f"{place} is not an object")
    _check_fields(found, UNIT_FIELDS, place)
    if _integer(found["number"]) != number:
        raise _UnreadableReply(f"{place} has the number {_format(found['number'])}: keep the order of the list")
    verdict = found["verdict"]
    if verdict not in ("yes", "no"):
        raise _UnreadableReply(f'{place} is {_format(verdict)}, not "yes" or "no"')
    try:
        evidence = _require_evidence(found["evidence"], source, required=verdict == "yes", where="the text")
    except _UnreadableReply as error:
        raise _UnreadableReply(f"{place}: {error}") from None
    return UnitVerdict(verdict == "yes", evidence, _rationale(found))


def _parse_object(text: str, fields: tuple[str, ...], nonce: str) -> dict[str, Any]:
    """Return the only JSON object of a reply, which must have exactly ``fields`` and the nonce.

    Raises:
        _UnreadableReply: there is no such object, or more than one object.
    """
    if len(text) > _MAX_CHARACTERS:
        raise _UnreadableReply(f"the reply has {len(text):,} characters; the limit is {_MAX_CHARACTERS:,}")
    text = _without_reasoning(text)
    spans = list(_objects(text))
    if not spans:
        raise _UnreadableReply("the reply contains no JSON object")
    if len(spans) > 1:
        raise _UnreadableReply(f"the reply contains {len(spans)} JSON objects; exactly one is required")
    try:
        found: dict[str, Any] = jsonl.loads(text[slice(*spans[0])])
    except ValueError as error:
        raise _UnreadableReply(f"the JSON object in the reply is invalid: {error}") from None
    _check_fields(found, fields, "the reply")
    if found["nonce"] != nonce:
        raise _UnreadableReply("the nonce in the reply is wrong")
    return found


def _check_fields(found: dict[str, Any], fields: tuple[str, ...], place: str) -> None:
    if missing := [name for name in fields if name not in found and name != _OPTIONAL]:
        raise _UnreadableReply(f"{place} lacks fields: {', '.join(missing)}")
    if extra := [jsonl.quote_text(name, 40) for name in found if name not in fields]:
        raise _UnreadableReply(f"{place} has unexpected fields: {', '.join(extra[:3])}")


def _without_reasoning(text: str) -> str:
    """Return the reply without reasoning. A reply that is one JSON object has none: markers in it are quoted.

    Raises:
        _UnreadableReply: the reasoning has no end.
    """
    stripped = text.strip()
    try:
        if stripped.startswith("{") and _DECODER.raw_decode(stripped)[1] == len(stripped):
            return stripped
    except (ValueError, RecursionError):
        pass
    split = split_text(text)
    if not split.closed:
        raise _UnreadableReply("the reasoning in the reply has no end: reply with the JSON object after it")
    return split.answer


def _objects(text: str) -> Iterator[tuple[int, int]]:
    """Yield the span of each JSON object that is not inside another one."""
    start = text.find("{")
    for _ in range(_MAX_BRACES):
        if start < 0:
            return
        try:
            end = _DECODER.raw_decode(text, start)[1]
        except (ValueError, RecursionError):  # the decoder recurses once per nesting level
            end = start + 1
        else:
            yield start, end
        start = text.find("{", end)
    if start >= 0:
        raise _UnreadableReply(f"the reply contains more than {_MAX_BRACES} braces: reply with the JSON object only")


def _require_evidence(evidence: Any, candidate: str, *, required: bool, where: str = "the output") -> str:
    """Return the evidence: a passage of the candidate with a letter or digit, or "" if none is required.

    ``where`` is the candidate's name in messages.

    Raises:
        _UnreadableReply: the evidence is missing or does not occur in the candidate.
    """
    if not isinstance(evidence, str):
        raise _UnreadableReply("the evidence is not a string")
    passage = _collapse(evidence)
    if not passage and not required:
        return ""
    if not any(map(str.isalnum, passage)):
        raise _UnreadableReply(f"the evidence is missing: quote the passage of {where} that supports your reply")
    # The judge saw the candidate as a JSON string, and may quote it with the escapes.
    if passage not in _collapse(candidate) and passage not in _collapse(json.dumps(candidate, ensure_ascii=False)):
        raise _UnreadableReply(f"the evidence does not occur in {where}: quote it word for word")
    return evidence


def _collapse(text: str) -> str:
    return " ".join(text.split())


def _format(value: Any) -> str:
    return jsonl.escape_text(jsonl.canonical(value), 40)
