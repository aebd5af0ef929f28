"""Fit of a golden set to its suite. A run checks it before the first call, and ``lint`` checks the same.

Problems, reported by line: cases that a scorer cannot grade, and questions that do not reach the application.
Warnings: fields of the cases that describe how to grade, and that no scorer reads.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from pytest_evalgate import targets
from pytest_evalgate.config import (
    ClassificationMetric,
    MeanScoreGate,
    MetricGate,
    MustPassGate,
    NoRegressionGate,
    place_of,
)
from pytest_evalgate.errors import LineProblem
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.protocols import CallingTarget
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.runs.plan import slice_values
from pytest_evalgate.scorers.scorer import is_judge
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import count, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.config import Suite
    from pytest_evalgate.protocols import Scorer, Target
    from pytest_evalgate.scorers.readings import MetricReader

    ScorersOf = Callable[[Case], Sequence[Scorer]]
    GradersOf = Callable[[Case], Sequence[Scorer | MetricReader]]

_GRADED: Final = ("expected", "expected_any", "rubric", "reference_context", "expected_tools", "trajectory")
_WITHOUT_EFFECT: Final = {
    "split": 'every split runs: name one, split = "NAME" in the suite',
    "human_label": "it labels a recorded output, and the row has none: add output, or move it into metadata",
}
_WISHES: Final = frozenset(
    [
        "assert",
        "assertion",
        "assertions",
        "asserts",
        "avoid",
        "avoids",
        "banned",
        "contain",
        "contains",
        "criteria",
        "criterion",
        "disallowed",
        "exclude",
        "excludes",
        "expect",
        "expectation",
        "expectations",
        "expected",
        "expects",
        "forbid",
        "forbidden",
        "forbids",
        "ideal",
        "include",
        "includes",
        "keywords",
        "must",
        "never",
        "not",
        "prohibited",
        "require",
        "required",
        "requires",
        "shall",
        "should",
        "threshold",
        "wanted",
    ]
)
"""First words of field names that describe the wanted output, such as ``must_not_contain``."""

_FIRST_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_TRIED: Final = 5
"""Number of cases with a field that are tried. A scorer that reads a field also reads it in the first cases."""

_NO_TEXT: Final = Output("")


def case_problems(
    cases: Iterable[Case], scorers_of: GradersOf, target: Target | None, *, place: str
) -> list[LineProblem]:
    """Return the problems of ``cases``, each with its line, in line order.

    Cases of the base branch are left out: this branch cannot change them.

    Args:
        cases: The cases of one suite.
        scorers_of: Returns the scorers of a case, and the readers of the suite's metrics.
        target: The target of the suite; None if a marked test produces the outputs.
        place: Name of the target's table in messages.
    """
    graded = [case for case in cases if case.skip is None and case.side != "base"]
    output_of = _known_output(target)
    problems = [
        LineProblem(case.place.file, case.place.line, scorer.name, message)
        for case in graded
        for scorer in scorers_of(case)
        if (check := getattr(scorer, "case_problem", None)) is not None
        and (message := check(case, output_of(case))) is not None
    ]
    if isinstance(target, CallingTarget):
        from pytest_evalgate.targets.reach import check_reach  # noqa: PLC0415 - only if requests are made

        problems += check_reach(target, graded, place)
    if isinstance(target, targets.RecordedTargetRunner) and graded:
        problems += _unmatched(target, graded, place)
    if isinstance(target, targets.RecordedTargetRunner | targets.RowTargetRunner):
        problems += _unrecorded(graded, target.trials)
    return sorted(problems, key=lambda problem: (problem.file, problem.line))


def note_problems(
    name: str, suites: Mapping[str, Suite], cases: Iterable[Case], scorers_of: ScorersOf
) -> list[LineProblem]:
    """Return a problem for each case of the suite ``name`` with notes for a judge that no scorer reads.

    None is returned if another suite with the same golden set has a judge, which reads them. While the suite has no
    judge at all, a single text is only reported as a field that nothing grades (`unread_fields`): an import writes
    such suites, and they have to run before there is a model to ask.
    """
    suite = suites.get(name)
    golden = frozenset(() if suite is None else suite.golden)
    if any(other.judges and not golden.isdisjoint(other.golden) for key, other in suites.items() if key != name):
        return []
    fewest = 1 if suite is not None and suite.judges else 2
    message = 'no judge of the suite is asked for it: add { judge = "NAME" } to its scorers, or remove it'
    return [
        LineProblem(case.place.file, case.place.line, "rubric", message)
        for case in cases
        if len(case.notes) >= fewest
        and case.skip is None
        and case.side != "base"
        and not _is_read("rubric", case, scorers_of)
    ]


def _unmatched(target: targets.RecordedTargetRunner, cases: Sequence[Case], place: str) -> Iterator[LineProblem]:
    """Yield a problem for each file of recorded outputs that contains no id of the cases."""
    for recording in target.recordings:
        if recording.outputs and not any(case.golden_id in recording.outputs for case in cases):
            theirs, ours = jsonl.quote_text(next(iter(recording.outputs))), jsonl.quote_text(cases[0].golden_id)
            message = (
                f"no row has the id of a case: the first id is {theirs}, that of the golden set {ours}: give both the "
                "same ids"
            )
            yield LineProblem(recording.name, 0, place, message)


def _unrecorded(cases: Sequence[Case], recorded: int) -> Iterator[LineProblem]:
    """Yield a problem for each case that wants more trials than are recorded."""
    for case in cases:
        if case.trials is not None and case.trials > recorded:
            message = f"{case.trials} wanted, but {count(recorded, 'output')} recorded: add files to recorded = [...]"
            yield LineProblem(case.place.file, case.place.line, "trials", message)


def stray_placeholders(target: Target | None, cases: Sequence[Case]) -> Iterator[str]:
    """Yield a warning for each placeholder in another syntax, such as ``{context}``, which is sent unchanged."""
    if isinstance(target, CallingTarget):
        from pytest_evalgate.targets.reach import foreign_placeholders  # noqa: PLC0415 - only if requests are made

        for text in foreign_placeholders(target, cases):
            yield f"{jsonl.quote_text(text)} is sent unchanged: write placeholders as {{{{ input }}}}"


def _known_output(target: Target | None) -> Callable[[Case], Output | None]:
    """Return a function of a case: an output with the metadata of each of its outputs; None if that is unknown."""
    if isinstance(target, targets.RecordedTargetRunner):
        outputs = target.recordings[0].outputs
        return lambda case: outputs.get(case.golden_id)
    # isinstance with a protocol takes 50 us, so it is asked once
    known = _NO_TEXT if isinstance(target, CallingTarget | targets.RowTargetRunner) else None
    return lambda case: known  # noqa: ARG005 - as above


def scorer_problems(name: str, suite: Suite, cases: Iterable[Case], scorers_of: ScorersOf) -> Iterator[str]:
    """Yield the reasons why the scorers of a suite and the asserts of its cases cannot decide its cases."""
    graded = [case for case in cases if case.skip is None and case.side != "base"]
    place = f"suites.{name}"
    if suite.threshold is None:
        weighted = [
            case
            for case in graded
            if case.threshold is None and any(getattr(one, "weight", None) is not None for one in scorers_of(case))
        ]
        if weighted and (len(weighted) == len(graded) or not all(case.asserts for case in weighted)):
            yield f"{place}.threshold: missing; its scorers have weights, so it needs one"
        elif weighted:
            yield f"{_first_of(weighted)}: its asserts have weights: add a threshold to the case, or to {place}"
    yield from _gates_on_warnings(place, suite, graded, scorers_of)
    undecided = [case for case in graded if not any(getattr(one, "counts", True) for one in scorers_of(case))]
    if undecided and len(undecided) < len(graded):
        yield f"{_first_of(undecided)}: nothing decides it: add asserts to the case, or a rule to {place}.scorers"
    elif undecided and any(map(is_judge, scorers_of(undecided[0]))):
        return  # the run is unscored: its outputs are labelled to calibrate the judge
    elif undecided and scorers_of(undecided[0]):
        yield f'{place}.scorers: all scorers have severity = "warn", so none decides what passes: add one without it'
    elif undecided:
        yield f'{place}.scorers: empty, and no case has asserts: add a scorer, such as scorers = ["exact"]'


def _gates_on_warnings(place: str, suite: Suite, cases: Sequence[Case], scorers_of: ScorersOf) -> Iterator[str]:
    """Yield a problem for each gate on the scores of a rule that only warns."""
    warning = {
        one.name
        for case in cases
        for one in scorers_of(case)
        if not getattr(one, "counts", True) and not is_judge(one)
    }
    for gate in suite.gates or ():
        if isinstance(gate, MeanScoreGate | NoRegressionGate) and gate.scorer in warning:
            where = f"{place}.{place_of(suite, 'gates')}: {gate.kind}"
            why = f'scorer "{gate.scorer}" has severity = "warn" and decides nothing'
            yield f"{where}: {why}: remove severity or the gate"


def _first_of(cases: Sequence[Case]) -> str:
    """Return the place of the first case, and the number of the others."""
    return f"{cases[0].place}" + (f" (and {count(len(cases) - 1, 'more case')})" if len(cases) > 1 else "")


def name_problems(name: str, suite: Suite, cases: Sequence[Case], scorers: Collection[str]) -> list[str]:
    """Return the problems of unknown names in a suite: slices, tags of must-pass gates, and scorers of gates.

    A gate on an unknown name could never decide. An unknown slice would be missing from the report without a message.

    Args:
        name: Name of the suite.
        suite: The suite, in the tier that runs.
        cases: All of its cases.
        scorers: The names of all scores.
    """
    own = [case for case in cases if case.side != "base"]
    problems: dict[str, None] = {}
    for by in suite.slices:
        if not any(any(slice_values(case, by)) for case in own):
            near = did_you_mean(by, _slice_keys(own))
            problems[f'suites.{name}.slices: no case has a slice by "{by}": tag the cases, or remove it{near}'] = None
    tags = {tag for case in own for tag in case.tags}
    for gate in suite.gates or ():
        place = f"suites.{name}.{place_of(suite, 'gates')}: {gate.kind}"
        if isinstance(gate, MustPassGate):
            problems |= {
                f'{place}: no case has the tag "{tag}": tag the cases, or remove it{did_you_mean(tag, tags)}': None
                for tag in gate.tags
                if tag not in tags
            }
        elif isinstance(gate, MeanScoreGate | NoRegressionGate) and gate.scorer not in (None, *scorers):
            known = did_you_mean(str(gate.scorer), scorers) or f" ({', '.join(scorers)})"
            problems[f'{place}: the suite has no scorer named "{gate.scorer}"{known}'] = None
    return [*problems, *_class_problems(name, suite, own)]


def _class_problems(name: str, suite: Suite, own: Sequence[Case]) -> Iterator[str]:
    """Yield the classes of metrics and of gates on them that no case has: their figures would be undefined."""
    if not suite.metrics:
        return
    from pytest_evalgate.scorers.readings import labels_of  # noqa: PLC0415 - few suites have metrics

    graded = [case for case in own if case.skip is None]
    known = {metric.title: labels_of(metric, graded) for metric in suite.metrics}
    for metric in suite.metrics:
        for label in metric.labels if isinstance(metric, ClassificationMetric) else ():
            if label not in known[metric.title]:
                near = did_you_mean(label, known[metric.title])
                yield f'suites.{name}.metrics: {metric.title}: no case has the label "{label}"{near}'
    for gate in suite.gates or ():
        chosen = gate.of_metrics(suite.metrics) if isinstance(gate, MetricGate) and gate.of else None
        if isinstance(gate, MetricGate) and chosen is not None and gate.of not in known[chosen.title]:
            near = (
                did_you_mean(gate.of, known[chosen.title]) or f" ({', '.join(sorted(known[chosen.title])[:_TRIED])})"
            )
            place = f"suites.{name}.{place_of(suite, 'gates')}: {gate.kind}"
            yield f'{place}: no case has the label "{gate.of}"{near}'


def _slice_keys(cases: Iterable[Case]) -> set[str]:
    """Return the keys by which cases can be sliced."""
    keys = {"tag"}
    for case in cases:
        keys.update(tag.partition(":")[0] for tag in case.tags if ":" in tag)
        keys.update(case.slice)
        keys.update(f"metadata.{key}" for key in case.metadata)
    return keys


@dataclass(frozen=True, slots=True)
class UnreadField:
    """Field of a golden set that no scorer of a suite reads; ``cases`` is the number of cases that have it."""

    file: str
    name: str
    cases: int
    in_metadata: bool = False


def unread_fields(cases: Iterable[Case], scorers_of: GradersOf) -> Iterator[UnreadField]:
    """Yield the fields that describe how to grade a case, and that no scorer of the suite reads.

    A function of the user may read any field. Beside such a scorer, only fields that the run ignores are reported:
    ``split`` if cases of several splits run, and ``human_label`` in rows without an output, which are no labels.
    """
    with_field: dict[tuple[str, str, bool], list[Case]] = defaultdict(list)
    run = [case for case in cases if case.skip is None and case.side != "base"]
    one_split = len({case.split for case in run}) <= 1
    for case in run:
        for name in _given(case):
            if not (name == "split" and one_split) and not (name == "human_label" and case.output is not None):
                with_field[case.place.file, name, False].append(case)
        for name in filter(_is_wish, case.metadata):
            with_field[case.place.file, name, True].append(case)
    for (file, name, in_metadata), found in with_field.items():
        ignored = name in _WITHOUT_EFFECT and not in_metadata
        if ignored or not any(
            _is_read("metadata" if in_metadata else name, case, scorers_of) for case in found[:_TRIED]
        ):
            yield UnreadField(file, name, len(found), in_metadata)


def _given(case: Case) -> list[str]:
    """Return the names of the graded fields that a case has."""
    return [name for name, empty in _UNSET if getattr(case, name) != empty]


_EMPTY: Final = Case("")
_UNSET: Final = tuple((name, getattr(_EMPTY, name)) for name in (*_GRADED, *_WITHOUT_EFFECT))


def _is_wish(name: str) -> bool:
    first = _FIRST_WORD.match(name)
    return first is not None and first[0].lower() in _WISHES


def _is_read(name: str, case: Case, scorers_of: GradersOf) -> bool:
    for scorer in scorers_of(case):
        reads = getattr(scorer, "reads", None)
        fields = None if reads is None else reads(case)
        if fields is None or name in fields:
            return True
    return False


def describe(unread: Iterable[UnreadField]) -> Iterator[tuple[str, str]]:
    """Yield a file and a message for each group of unread fields."""
    by_file: dict[str, list[UnreadField]] = defaultdict(list)
    for one in unread:
        by_file[one.file].append(one)
    for file, fields in by_file.items():
        wishes = [one for one in fields if one.in_metadata or one.name not in _WITHOUT_EFFECT]
        if wishes:
            yield file, _ungraded(wishes)
        for one in fields:
            if one not in wishes:
                yield file, f"{one.name}: it has no effect ({count(one.cases, 'case')}): {_WITHOUT_EFFECT[one.name]}"


def _ungraded(fields: Sequence[UnreadField]) -> str:
    names = ", ".join(jsonl.escape_text(one.name) for one in fields)
    them = "it" if len(fields) == 1 else "them"
    most = max(one.cases for one in fields)
    kept = "; unknown fields are kept in the metadata" if any(one.in_metadata for one in fields) else ""
    return f"{names}: nothing grades {them} ({count(most, 'case')}): add a scorer or asserts{kept}"


def shared_by_all(
    unread: Mapping[str, Sequence[UnreadField]], files: Mapping[str, Sequence[str]]
) -> list[UnreadField]:
    """Return the fields that no suite reads. Suites that share a golden set may grade different fields of it.

    Args:
        unread: The unread fields of each suite.
        files: The golden sets of each suite.
    """
    found: dict[tuple[str, str, bool], list[UnreadField]] = defaultdict(list)
    for fields in unread.values():
        for one in fields:
            found[one.file, one.name, one.in_metadata].append(one)
    suites_of = {file: sum(file in own for own in files.values()) for own in files.values() for file in own}
    return [group[0] for (file, _, _), group in found.items() if len(group) == suites_of.get(file, len(group))]
