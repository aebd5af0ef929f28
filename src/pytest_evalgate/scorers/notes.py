"""Notes on a case that its output must meet: the judges of its suite are asked for each of them.

Notes are the ``rubric`` of a case and its asserts of the kind ``rubric``. The name of the scores of a note consists of
the name of the judge's scores and that of the note: ``faq:2``, ``faq:polite``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from pytest_evalgate.records.results import NOTE
from pytest_evalgate.scorers.registry import ScorerOptions, SpecError, read_options
from pytest_evalgate.scorers.scorer import is_judge

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.scorers.scorer import NoteJudge, WeightedScorer


def note_judges(suite: Iterable[WeightedScorer]) -> tuple[NoteJudge, ...]:
    """Return the judges of a suite that can be asked for notes."""
    return tuple(scorer for scorer in suite if is_judge(scorer) and scorer.grades_notes)


def ask_for_notes(
    case: Case, suite: Sequence[WeightedScorer], judges: Sequence[NoteJudge], asked: Collection[str]
) -> Iterator[WeightedScorer]:
    """Yield the scorers of a suite, with its judges asking for the notes of a case; ``asked`` ones have asserts."""
    for scorer in suite:
        judge = next((one for one in judges if one is scorer), None)
        if judge is None or len(case.notes) == 1 or not (case.notes or judge.name in asked):
            yield scorer
        else:
            for number, note in enumerate(case.notes, start=1):
                yield judge.for_note(note, f"{judge.name}{NOTE}{number}")


def name_problem(scorer: WeightedScorer, judges: Iterable[NoteJudge]) -> str | None:
    """Return why a scorer cannot have its name: it would be taken for a note that a judge is asked for."""
    judge = next((one.name for one in judges if scorer.name.startswith(f"{one.name}{NOTE}")), None)
    return (
        None if judge is None else f'the name "{scorer.name}" is that of a note for the judge {judge}: choose another'
    )


NOTE_KIND: Final = "rubric"
"""The kind of asserts that are notes."""


class _NoteOptions(ScorerOptions):
    """Options of a note in the asserts of a case. ``judge`` is required if the suite has several judges."""

    value: Annotated[str, Field(pattern=r"\S")]
    judge: str | None = None


def note_scorer(spec: Mapping[str, Any], judges: Sequence[NoteJudge]) -> WeightedScorer:
    """Return the scorer of an assert that the output meets a note; ``judges`` are those of the suite.

    Raises:
        SpecError: The assert cannot be used, or no judge or several judges could be asked.
    """
    given = {name: value for name, value in spec.items() if name != "kind"}
    options = read_options(_NoteOptions, given, NOTE_KIND)
    names = [judge.name for judge in judges]
    if not names:
        raise SpecError(f'{NOTE_KIND}: no judge of the suite can be asked: add {{ judge = "NAME" }} to its scorers')
    if options.judge is not None and options.judge not in names:
        raise SpecError(f'{NOTE_KIND}: the suite has no judge "{options.judge}"; it has {", ".join(names)}')
    if options.judge is None and len(names) > 1:
        raise SpecError(f'{NOTE_KIND}: the suite has the judges {", ".join(names)}: choose one with "judge"')
    judge = judges[names.index(options.judge or names[0])]
    scorer = judge.for_note(options.value, f"{judge.name}{NOTE}{options.name or NOTE_KIND}")
    own = {"threshold": options.threshold, "weight": options.weight, "field": options.field}
    chosen: dict[str, Any] = {name: value for name, value in own.items() if value is not None}
    chosen |= {} if options.counts else {"counts": False}
    return replace(scorer, **chosen) if chosen else scorer  # type: ignore[type-var]
