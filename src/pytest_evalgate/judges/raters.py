"""Raters: agreement of the people who label with each other, with gold labels, and with themselves over time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import LineProblem
from pytest_evalgate.judges.label_rows import id_of, label_problems, labelled_rows, ratings_of, read_rows, row_problems
from pytest_evalgate.judges.label_scale import normalise_label, scale_of
from pytest_evalgate.judges.labels import LabelsError
from pytest_evalgate.judges.rates import Statistic, rate_of
from pytest_evalgate.stats.agreement import krippendorff_missing
from pytest_evalgate.stats.exact import fisher_exact
from pytest_evalgate.stats.families import holm_adjusted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_evalgate.judges.label_rows import LabelRow
    from pytest_evalgate.judges.label_scale import LabelScale
    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.stats.agreement import Level

_PAIR: Final = 2
_SECONDS_PER_MINUTE: Final = 60
ONE_BATCH: Final = "all"


@dataclass(frozen=True, slots=True)
class Rating:
    """The label of one rater for one output, in the order of the file.

    ``value`` is a number if labels are numbers, else 1 for a pass and 0 for a fail. ``gold`` is the known right value
    of the output, ``seconds`` the time that the label took.
    """

    rater: str
    output: str
    batch: str
    value: float
    passed: bool
    gold: bool | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Ratings:
    """All ratings of a file, and the level of measurement of its labels."""

    rows: tuple[Rating, ...]
    level: Level


@dataclass(frozen=True, slots=True)
class BatchAgreement:
    """Krippendorff's alpha over the ``outputs`` of a batch that two or more raters labelled; None if undefined."""

    batch: str
    raters: int
    outputs: int
    alpha: float | None


@dataclass(frozen=True, slots=True)
class RaterDrift:
    """Right labels in the first and in the last half of a rater's rows, with the p of Fisher's exact test.

    ``p_adjusted`` is adjusted for the number of raters (Holm).
    """

    first: tuple[int, int]
    last: tuple[int, int]
    p: float
    p_adjusted: float


@dataclass(frozen=True, slots=True)
class RaterCheck:
    """One rater of ``labels`` outputs.

    ``gold`` is the share of right labels on outputs with a gold label, ``others`` the agreement with the majority of
    the other raters, each with its 95 % interval and its number of outputs. ``drift`` is over the outputs with a gold
    label or, if there are none, with a majority of the others; None without any.
    """

    rater: str
    labels: int
    gold: Statistic
    gold_labels: int
    others: Statistic
    other_labels: int
    drift: RaterDrift | None
    minutes_per_row: float | None
    median_seconds: float | None


@dataclass(frozen=True, slots=True)
class RatersReport:
    """Agreement of the raters of a label file, per batch and over all of it, and each rater."""

    outputs: int
    alpha: BatchAgreement
    batches: tuple[BatchAgreement, ...]
    raters: tuple[RaterCheck, ...]


def load_ratings(path: Path, name: str, pass_labels: tuple[str, ...] = (), paths: tuple[str, ...] = ()) -> Ratings:
    """Read the label of every rater: rows with ``rater``, ``labels`` by rater, and the fields at ``paths``.

    ``name`` is the name of the file in messages. A row with a ``label`` and without a rater has the rater "label".

    Raises:
        LabelsError: the file is invalid, or has no label.
    """
    whole, problems = read_rows(path, name=name)
    rows = [unit for row in whole for unit in labelled_rows(row)]
    problems += [problem for row in whole for problem in row_problems(row)]
    problems += label_problems(whole, paths)
    given = [(row, rater, label) for row in rows for rater, label in _labels_of(row, paths)]
    golds = [row.values["gold"] for row in rows if row.values.get("gold") is not None]
    scale = scale_of([*(label for _, _, label in given), *golds], pass_labels)
    problems += _unknown(rows, given, scale)
    if not given and not problems:
        problems.append(LineProblem(name, 0, "", f"none of {len(rows):,} rows has a label yet"))
    if problems:
        raise LabelsError(problems)
    gold = {id_of(row): bool(scale.passed(row.values["gold"])) for row in rows if row.values.get("gold") is not None}
    return Ratings(
        tuple(_rating(row, rater, label, scale, gold) for row, rater, label in given),
        "ordinal" if scale.graded else "nominal",
    )


def _labels_of(row: LabelRow, paths: tuple[str, ...]) -> Iterable[tuple[str, Json]]:
    values = row.values
    yield from ratings_of(row, paths).items()
    own = next((values[field] for field in ("label", "human_label") if values.get(field) is not None), None)
    if own is not None and (values.get("rater") is not None or not ratings_of(row, paths)):
        yield str(values.get("rater") or "label"), own


def _unknown(
    rows: Sequence[LabelRow], given: Sequence[tuple[LabelRow, str, Json]], scale: LabelScale
) -> list[LineProblem]:
    golds = [(row, "gold", row.values["gold"]) for row in rows if row.values.get("gold") is not None]
    return [
        LineProblem(
            row.place.file,
            row.place.line,
            field if field == "gold" else "label",
            f'unknown label "{normalise_label(label)}": name the labels that pass with --pass-label LABEL',
        )
        for row, field, label in (*given, *golds)
        if scale.passed(label) is None
    ]


def _rating(row: LabelRow, rater: str, label: Json, scale: LabelScale, gold: dict[str, bool]) -> Rating:
    batch, seconds = row.values.get("batch"), row.values.get("seconds")
    passed, grade = bool(scale.passed(label)), scale.grade(label)
    return Rating(
        rater=rater,
        output=id_of(row),
        batch=ONE_BATCH if batch is None else normalise_label(batch),
        value=float(passed) if grade is None else grade,
        passed=passed,
        gold=gold.get(id_of(row)),
        seconds=None if seconds is None else float(seconds),
    )


def check_raters(ratings: Ratings) -> RatersReport:
    """Measure the agreement of the raters. Alpha and "the others" are over outputs with two or more labels.

    Source: Krippendorff 2011; Fisher 1922 for the drift.
    """
    rows = ratings.rows
    batches = list(dict.fromkeys(row.batch for row in rows))
    names = list(dict.fromkeys(row.rater for row in rows))
    by_output: dict[str, list[Rating]] = {}
    for row in rows:
        by_output.setdefault(row.output, []).append(row)
    marks = {name: _marks([row for row in rows if row.rater == name], by_output) for name in names}
    halves = {name: _halves(found) for name, (_, _, found) in marks.items() if len(found) >= _PAIR}
    p = {name: fisher_exact(*first, *last) for name, (first, last) in halves.items()}
    adjusted = dict(zip(p, holm_adjusted(list(p.values())), strict=True)) if p else {}
    return RatersReport(
        outputs=len(by_output),
        alpha=_agreement(ONE_BATCH, rows, ratings.level),
        batches=tuple(
            _agreement(batch, [row for row in rows if row.batch == batch], ratings.level) for batch in batches
        )
        if len(batches) > 1
        else (),
        raters=tuple(
            _check(
                name,
                [row for row in rows if row.rater == name],
                marks[name],
                RaterDrift(*halves[name], p[name], adjusted[name]) if name in halves else None,
            )
            for name in names
        ),
    )


def _agreement(batch: str, rows: Sequence[Rating], level: Level) -> BatchAgreement:
    raters = list(dict.fromkeys(row.rater for row in rows))
    counts = Counter(row.output for row in rows)
    shared = [output for output in counts if counts[output] >= _PAIR]
    if not shared:
        return BatchAgreement(batch, len(raters), 0, None)
    values = {(row.rater, row.output): row.value for row in rows}
    table = [[values.get((rater, output)) for output in shared] for rater in raters]
    return BatchAgreement(batch, len(raters), len(shared), krippendorff_missing(table, level))


Marks = tuple[list[bool], list[bool], list[bool]]
"""Whether each label equals the gold label, the majority of the others, and the one of both that tests drift."""


def _marks(rows: Sequence[Rating], by_output: dict[str, list[Rating]]) -> Marks:
    gold = [row.passed is row.gold for row in rows if row.gold is not None]
    others = []
    for row in rows:
        passes = [other.passed for other in by_output[row.output] if other.rater != row.rater]
        if 2 * sum(passes) != len(passes):  # skip outputs without a majority
            others.append(row.passed is (2 * sum(passes) > len(passes)))
    return gold, others, gold or others


def _halves(marks: Sequence[bool]) -> tuple[tuple[int, int], tuple[int, int]]:
    middle = len(marks) // 2
    first, last = marks[:middle], marks[middle:]
    return (sum(first), len(first)), (sum(last), len(last))


def _check(name: str, rows: Sequence[Rating], marks: Marks, drift: RaterDrift | None) -> RaterCheck:
    gold, others, _ = marks
    seconds = [row.seconds for row in rows if row.seconds is not None]
    return RaterCheck(
        rater=name,
        labels=len(rows),
        gold=rate_of(gold).statistic if gold else Statistic(None),
        gold_labels=len(gold),
        others=rate_of(others).statistic if others else Statistic(None),
        other_labels=len(others),
        drift=drift,
        minutes_per_row=fmean(seconds) / _SECONDS_PER_MINUTE if seconds else None,
        median_seconds=median(seconds) if seconds else None,
    )
