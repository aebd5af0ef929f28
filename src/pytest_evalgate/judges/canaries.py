"""Canaries: outputs known to be good or bad, graded in every run. A judge that gets one wrong cannot gate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import LineProblem, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.results import Output
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate import config
    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import Score

_CANARY_FOLDER: Final = Path(__file__).parent / "known"
_REQUIRED: Final = ("input", "output", "verdict")
_LISTS: Final = ("messages", "trajectory")
_FIELDS: Final = ("id", *_REQUIRED, "expected", "context", *_LISTS)
_GOOD: Final = {"good": True, "bad": False}
_MISTAKES: Final = {True: "passed it", False: "failed it", None: "could not tell"}


@dataclass(frozen=True, slots=True)
class Canary:
    """An output that is clearly good or clearly bad."""

    case: Case
    output: Output
    good: bool


@dataclass(frozen=True, slots=True)
class FailedCanary:
    """A canary with the wrong score or with none; `str` gives one sentence about it."""

    canary: Canary
    score: Score

    def __str__(self) -> str:
        """Name the canary and the mistake."""
        case = self.canary.case
        place = f" ({case.place})" if case.place.file else ""
        known = "good" if self.canary.good else "bad"
        reason = f": {self.score.reason}" if self.score.reason else ""
        return f'"{case.id}"{place} is known to be {known}; the judge {_MISTAKES[self.score.passed]}{reason}'


def canaries_of(judge: config.Judge, *, root: Path) -> tuple[Canary, ...]:
    """Return the canaries of a judge: those of its file, or else of its built-in rubric, or else none.

    Raises:
        SettingsError: the file is outside ``root`` or malformed; lists every problem.
    """
    if judge.canaries is not None:
        return read(files.configured_path(root, judge.canaries, "canaries"), name=judge.canaries)
    known = {path.stem: path for path in _CANARY_FOLDER.glob("*.jsonl")}.get(judge.rubric or "")
    return () if known is None else read(known, name=f"judges/known/{known.name}")


def read(path: Path, *, name: str) -> tuple[Canary, ...]:
    """Read canaries, one JSON object per line.

    Required fields are ``input`` (or ``messages``), ``output`` and ``verdict`` ("good" or "bad"). Optional fields are
    ``id``, ``expected`` (the reference), ``context`` (a string or a list of strings), ``messages`` and ``trajectory``.
    ``name`` is the name of the file in messages.

    Raises:
        SettingsError: a line is malformed, an id is not unique, or one of the two verdicts is missing; lists every
            problem.
    """
    lines, problems = jsonl.read(path, name=name)
    problems_by_line = [(line, problem) for line in lines for problem in _row_problems(line.value)]
    problems += [LineProblem(name, line.number, *problem) for line, problem in problems_by_line]
    if not problems:
        found = tuple(_canary(line, name) for line in lines)
        problems += _set_problems(found, name)
    if problems:
        raise SettingsError("\n".join(map(str, sorted(problems, key=lambda problem: problem.line))))
    return found


def failed_canaries(canaries: Sequence[Canary], scores: Sequence[Score]) -> tuple[FailedCanary, ...]:
    """Return the canaries with the wrong score or with none. Shapes: (n,) each."""
    pairs = zip(canaries, scores, strict=True)
    return tuple(FailedCanary(canary, score) for canary, score in pairs if score.passed is not canary.good)


def _row_problems(row: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    absent = [name for name in _REQUIRED if row.get(name) is None]
    yield from ((name, "missing") for name in absent if name != "input" or row.get("messages") is None)
    yield from ((name, "must be a list of objects") for name in _LISTS if not _are_objects(row.get(name)))
    for name in row:
        if name not in _FIELDS:
            yield jsonl.escape_text(name), f"unknown field; a canary has {', '.join(_FIELDS)}"
    if (verdict := row.get("verdict")) is not None and verdict not in ("good", "bad"):
        yield "verdict", f'must be "good" or "bad", not {jsonl.canonical(verdict)[:60]}'
    if (given := row.get("id")) is not None and not (isinstance(given, str) and given.strip()):
        yield "id", "must be a string that is not empty"
    if not all(isinstance(text, str) for text in _context(row)):
        yield "context", "must be a string or a list of strings"


def _are_objects(value: Json) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(one, dict) for one in value))


def _set_problems(canaries: Sequence[Canary], name: str) -> Iterator[LineProblem]:
    first: dict[str, int] = {}
    for case in (canary.case for canary in canaries):
        if (line := first.setdefault(case.id, case.place.line)) != case.place.line:
            yield LineProblem(
                name, case.place.line, "id", f"duplicate id {jsonl.quote_text(case.id)} (first at line {line})"
            )
    for word, good in _GOOD.items():
        if not any(canary.good is good for canary in canaries):
            yield LineProblem(name, 0, "", f'no canary has the verdict "{word}": add at least one of each kind')


def _canary(line: jsonl.JsonLine, name: str) -> Canary:
    row = line.value
    case = Case(
        row.get("id") or f"canary-{line.number}",
        input=row.get("input"),
        messages=tuple(row.get("messages") or ()),
        trajectory=tuple(row["trajectory"]) if row.get("trajectory") else None,
        expected=row.get("expected"),
        context=_context(row),
        place=Place(name, line.number),
    )
    return Canary(case, Output(row["output"]), _GOOD[row["verdict"]])


def _context(row: Mapping[str, Json]) -> tuple[Json, ...]:
    context = row.get("context")
    if context is None:
        return ()
    return tuple(context) if isinstance(context, list) else (context,)
