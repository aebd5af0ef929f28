"""Ratings: the label of every rater in a label file, in the order of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import LineProblem
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges.label_rows import (
    LabelRow,
    checks_raters,
    id_of,
    label_problems,
    labelled_rows,
    ratings_of,
    read_rows,
    repeat_problems,
    row_problems,
)
from pytest_evalgate.judges.label_scale import normalise_label, scale_of
from pytest_evalgate.judges.labels import LabelsError
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pytest_evalgate.judges.label_scale import LabelScale
    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.stats.agreement import Level

ONE_BATCH: Final = "all"
_LABEL_FIELDS: Final = ("label", "human_label")


@dataclass(frozen=True, slots=True)
class Rating:
    """The label of one rater for one output.

    ``value`` is a number if labels are numbers, else 1 for a pass and 0 for a fail. ``gold`` is the known right value
    of the output, ``seconds`` the time that the label took. ``repeat_of`` is the id of the same output in an earlier
    row, if the rater was given it twice. ``counts`` is false for rows that only check the raters. ``cluster`` is what
    the output shares with others.
    """

    rater: str
    output: str
    batch: str
    value: float
    passed: bool
    gold: bool | None = None
    seconds: float | None = None
    repeat_of: str | None = None
    counts: bool = True
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class Ratings:
    """All ratings of a file, and the level of measurement of its labels.

    ``settled`` are the ids of the outputs with one label for all raters, which calibrations use.
    """

    rows: tuple[Rating, ...]
    level: Level
    settled: frozenset[str] = frozenset()


def load_ratings(path: Path, name: str, pass_labels: tuple[str, ...] = (), paths: tuple[str, ...] = ()) -> Ratings:
    """Read the label of every rater: rows with ``rater``, ``labels`` by rater, and the fields at ``paths``.

    ``name`` is the name of the file in messages. A row with a ``label`` and without a rater has the rater "label".

    Raises:
        LabelsError: the file is invalid, or has no label.
    """
    whole, problems = read_rows(path, name=name)
    rows = [unit for row in whole for unit in labelled_rows(row)]
    problems += [problem for row in whole for problem in row_problems(row)]
    problems += [*label_problems(whole, paths), *repeat_problems(rows)]
    given = [(row, rater, label) for row in rows for rater, label in _labels_of(row, paths)]
    golds = [row.values["gold"] for row in rows if row.values.get("gold") is not None]
    scale = scale_of([*(label for _, _, label in given), *golds], pass_labels)
    problems += [*_unknown(rows, given, scale), *_twice(given)]
    if not given and not problems:
        problems.append(LineProblem(name, 0, "", f"none of {len(rows):,} rows has a label yet"))
    if problems:
        raise LabelsError(problems)
    gold = {id_of(row): bool(scale.passed(row.values["gold"])) for row in rows if row.values.get("gold") is not None}
    return Ratings(
        tuple(_rating(row, rater, label, scale, gold) for row, rater, label in given),
        "ordinal" if scale.graded else "nominal",
        frozenset(id_of(row) for row in rows if _is_settled(row)),
    )


def _labels_of(row: LabelRow, paths: tuple[str, ...]) -> Iterable[tuple[str, Json]]:
    values = row.values
    yield from ratings_of(row, paths).items()
    own = _own(row)
    if own is not None and (values.get("rater") is not None or not ratings_of(row, paths)):
        yield str(values.get("rater") or "label"), own


def _own(row: LabelRow) -> Json:
    return next((row.values[field] for field in _LABEL_FIELDS if row.values.get(field) is not None), None)


def _is_settled(row: LabelRow) -> bool:
    values = row.values
    return values.get("adjudicated") is not None or (_own(row) is not None and values.get("rater") is None)


def _twice(given: Sequence[tuple[LabelRow, str, Json]]) -> Iterator[LineProblem]:
    """Yield each label of an output that its rater has labelled before, under the same id."""
    first: dict[tuple[str, str], LabelRow] = {}
    for row, rater, _ in given:
        if first.setdefault((rater, id_of(row)), row) is not row:
            message = (
                f"{jsonl.quote_text(rater)} has labelled {jsonl.quote_text(id_of(row))} already: give a repeated row "
                "an id of its own and the field repeat_of"
            )
            yield LineProblem(row.place.file, row.place.line, "rater", message)


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
    values = row.values
    batch, seconds, repeated, cluster = (values.get(name) for name in ("batch", "seconds", "repeat_of", "cluster"))
    passed, grade = bool(scale.passed(label)), scale.grade(label)
    original = None if repeated is None else id_of(LabelRow(row.place, {"id": repeated}))
    return Rating(
        rater=rater,
        output=id_of(row),
        batch=ONE_BATCH if batch is None else normalise_label(batch),
        value=float(passed) if grade is None else grade,
        passed=passed,
        gold=gold.get(original or id_of(row)),
        seconds=None if seconds is None else float(seconds),
        repeat_of=original,
        counts=not checks_raters(row),
        cluster=None if cluster is None else str(cluster),
    )
