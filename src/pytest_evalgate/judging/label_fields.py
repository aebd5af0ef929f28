"""The fields of one labelled row: what is wrong with them, and what they hold."""

from __future__ import annotations

import math
import unicodedata
from typing import TYPE_CHECKING, Final

from pytest_evalgate import jsonl
from pytest_evalgate.data import Case, Output
from pytest_evalgate.errors import LineProblem
from pytest_evalgate.judging.label_rows import RATER, LabelRow, at
from pytest_evalgate.judging.label_scale import is_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.data import Json

_LABELS: Final = ("label", "human_label")
_WANTED: Final = 'give "label" (null until somebody has labelled it), or "labels" by rater'
_NAMED: Final = ("input", "expected", "context", "output")


def pieces_of(row: LabelRow) -> Iterator[LabelRow]:
    """Yield what is labelled in a row: the row itself, or each of its claims as one of a cluster."""
    claims = row.values.get("claims")
    if claims is None:
        yield row
    elif not _fault_of_claims(claims):
        name = id_of(row)
        shared = {"cluster": name, **row.values}
        for number, claim in enumerate(claims, start=1):
            text = claim["claim"] if isinstance(claim["claim"], str) else " ".join(claim["claim"])
            yield LabelRow(row.place, {**shared, **claim, "id": f"{name}#{number}", "output": text})


def faults_of(row: LabelRow) -> Iterator[LineProblem]:
    """Yield everything that is wrong with the fields of a row, whatever its labels mean."""
    checks = {
        "id": _fault_of_id,
        "context": _fault_of_context,
        "cluster": _fault_of_cluster,
        "weight": _fault_of_weight,
        "labels": _fault_of_labels,
        "claims": _fault_of_claims,
    }
    for field, check in checks.items():
        value = row.values.get(field)
        if value is not None and (fault := check(value)):
            yield _problem(row, field, f"{fault}, not {_shown(value)}")
    if all(row.values.get(name) is not None for name in _LABELS):
        yield _problem(row, _LABELS[1], f"stands beside {_LABELS[0]}; keep one")


def faults_of_labels(rows: Sequence[LabelRow], raters: Sequence[str]) -> Iterator[LineProblem]:
    """Yield each row that has no place for a label; once where none of them has."""
    fields = {*_LABELS, "labels", "claims", *raters}
    lacking = [row for row in rows if not _names_any(row, fields)]
    if rows and len(lacking) == len(rows):
        yield LineProblem(rows[0].place.file, 0, "", f"no row has a label: {_WANTED}")
        return
    for row in lacking:
        yield _problem(row, "", f"has no label: {_WANTED}")


def faults_of_ids(rows: Sequence[LabelRow]) -> Iterator[LineProblem]:
    """Yield each id that stands on an earlier line already."""
    first: dict[str, LabelRow] = {}
    for row in rows:
        name = id_of(row)
        if (before := first.setdefault(name, row)) is not row:
            yield _problem(row, "id", f"duplicate id {jsonl.quoted(name)} (first at line {before.place.line})")


def id_of(row: LabelRow) -> str:
    """Return the id of a row, written as golden sets write theirs; one made of its content where it gives none."""
    given = row.values.get("id")
    if given is None:
        return jsonl.digest({name: row.values.get(name) for name in _NAMED})[:12]
    return unicodedata.normalize("NFC", str(given))


def label_of(row: LabelRow) -> Json:
    """Return the label that a row names; None where it names none."""
    return next((row.values[name] for name in _LABELS if row.values.get(name) is not None), None)


def ratings_of(row: LabelRow, raters: Sequence[str]) -> dict[str, Json]:
    """Return the label that each rater gave, by rater."""
    named = row.values.get("labels")
    given = named if isinstance(named, dict) else _flat(row.values)
    all_of_them = {**given, **{path: at(row.values, path) for path in raters}}
    return {rater: label for rater, label in all_of_them.items() if label is not None}


def case_of(row: LabelRow) -> Case:
    """Return the case that a row is about."""
    context = row.values.get("context") or ()
    return Case(
        id=id_of(row),
        input=row.values.get("input"),
        expected=row.values.get("expected"),
        context=(context,) if isinstance(context, str) else tuple(context),
        place=row.place,
    )


def output_of(row: LabelRow) -> Output:
    """Return what was labelled."""
    return Output(row.values.get("output"))


def cluster_of(row: LabelRow) -> str | None:
    """Return what a row shares with others, if it says so."""
    cluster = row.values.get("cluster")
    return None if cluster is None else str(cluster)


def weight_of(row: LabelRow) -> float:
    """Return the number of outputs that a row stands for, 1 where it does not say."""
    return float(row.values.get("weight") or 1.0)


def _names_any(row: LabelRow, fields: Iterable[str]) -> bool:
    named = any(field in row.values or at(row.values, field) is not None for field in fields)
    return named or any(field.startswith(RATER) for field in row.values)


def _flat(values: Mapping[str, Json]) -> dict[str, Json]:
    """Return the raters of a CSV file, whose columns are called ``labels.NAME``."""
    return {name.removeprefix(RATER): value for name, value in values.items() if name.startswith(RATER)}


def _problem(row: LabelRow, field: str, message: str) -> LineProblem:
    return LineProblem(row.place.file, row.place.line, field, message)


def _shown(value: Json) -> str:
    return jsonl.visible(jsonl.canonical(value), 60)


def _fault_of_id(value: Json) -> str:
    good = (isinstance(value, str) and value.strip() == value != "") or _is_whole(value)
    return "" if good else "must be a text without white space around it, or a whole number"


def _fault_of_context(value: Json) -> str:
    good = isinstance(value, str) or _is_texts(value)
    return "" if good else "must be a text or a list of texts"


def _fault_of_cluster(value: Json) -> str:
    return "" if isinstance(value, str) or _is_whole(value) else "must be a text or a whole number"


def _fault_of_weight(value: Json) -> str:
    return "" if is_number(value) and 0 < value < math.inf else "must be a number above 0"


def _fault_of_labels(value: Json) -> str:
    return "" if isinstance(value, dict) else 'must name the raters: {"anna": "pass", "ben": "fail"}'


def _fault_of_claims(value: Json) -> str:
    good = isinstance(value, list) and all(map(_is_claim, value))
    return "" if good else 'must be a list of {"claim": "...", "label": "..."}'


def _is_claim(value: Json) -> bool:
    if not isinstance(value, dict) or not {"claim", "label"} <= value.keys():
        return False
    return isinstance(value["claim"], str) or _is_texts(value["claim"])


def _is_texts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_whole(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
