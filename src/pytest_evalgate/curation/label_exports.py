"""Exports of Label Studio and Argilla as rows of a label file: one for each output and rater.

Sources: https://labelstud.io/guide/task_format (JSON) and https://labelstud.io/guide/export (JSON-MIN); Argilla's
``dataset.records.to_list()``, nested and flattened (https://docs.argilla.io/latest/reference/argilla/records/records).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.curation.drawing import REPLIES
from pytest_evalgate.curation.log_files import open_log
from pytest_evalgate.errors import GoldenSetError, LineProblem, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.dialects.columns import field_of
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.curation.row_fields import Row
    from pytest_evalgate.records.cases import Json

LABEL_STUDIO_COLUMNS: Final = (
    ("data.id, else id of the task", "id"),
    ("data.input, data.question, ...", "input"),
    ("data.output, data.answer, ...", "output"),
    ("data.context", "context"),
    ("annotations[].result[].value.choices or .rating", "label, or gold with ground_truth"),
    ("annotations[].completed_by", "rater"),
    ("annotations[].lead_time", "seconds"),
    ("annotations[].created_at", "batch (the day)"),
)
"""Column map of Label Studio: name in the export, column of a label file."""

ARGILLA_COLUMNS: Final = (
    ("id", "id"),
    ("fields.input, fields.question, ...", "input"),
    ("fields.output, fields.response, ...", "output"),
    ("fields.context", "context"),
    ("responses.QUESTION[].value, or QUESTION.responses", "label"),
    ("responses.QUESTION[].user_id, or QUESTION.responses.users", "rater"),
)
"""Column map of Argilla: name in the export, column of a label file."""


@dataclass(frozen=True, slots=True)
class RaterAnswer:
    """What one rater answered to one question. ``value`` is None if it is not a single text or number."""

    question: str
    value: Json
    rater: str
    is_gold: bool = False
    seconds: float | None = None
    day: str | None = None


@dataclass(frozen=True, slots=True)
class ImportedLabels:
    """Rows of a label file, the tool, the question that they answer, and the number of raters."""

    tool: str
    question: str
    rows: tuple[Row, ...]
    raters: int


def read_labels(path: Path, name: str, question: str | None = None) -> ImportedLabels:
    """Read an export; ``question`` is the name of the question, if it has several.

    Raises:
        SettingsError: It is no export of these tools, has no answer, or several questions.
        GoldenSetError: Answers cannot be labels; lists all.
        ImportingError: It is not JSON.
    """
    records = [(number, record) for number, _, _, record in open_log(path, name, "rows").rows()]
    problems = [record for _, record in records if isinstance(record, LineProblem)]
    if problems:
        raise GoldenSetError(problems)
    rows = [(number, record) for number, record in records if isinstance(record, dict)]
    tool, read = _tool(rows[0][1] if rows else {}, name)
    try:
        answers = [(number, record, list(read(record))) for number, record in rows]
    except (AttributeError, TypeError, KeyError, ValueError):  # a member of another type than documented
        raise SettingsError(f"{name}: not an export of {tool} in its documented form") from None
    asked = _question([one.question for _, _, found in answers for one in found], question, name)
    made, problems = [], []
    for number, record, found in answers:
        shared = _shared(record)
        for one in found:
            if one.question != asked:
                continue
            if one.value is None:
                message = "the answer is not a single text or number: export a question with one choice, or a rating"
                problems.append(LineProblem(name, number, asked, message))
            else:
                made.append(shared | _label(one))
    if problems:
        raise GoldenSetError(problems)
    return ImportedLabels(tool, asked, tuple(made), len({row["rater"] for row in made}))


def _tool(record: Mapping[str, Json], name: str) -> tuple[str, Callable[[Mapping[str, Any]], Iterator[RaterAnswer]]]:
    if isinstance(record.get("annotations"), list) and isinstance(record.get("data"), dict):
        return "Label Studio", _label_studio
    if "annotator" in record and "annotation_id" in record:
        return "Label Studio", _label_studio_min
    if isinstance(record.get("responses"), dict) and isinstance(record.get("fields"), dict):
        return "Argilla", _argilla
    if any(key.endswith(_USERS) for key in record):
        return "Argilla", _argilla_flat
    raise SettingsError(
        f"{name}: no export of Label Studio (JSON, JSON-MIN) or Argilla (records as a list): other label files are "
        "JSONL or CSV with the columns id, output, label and rater"
    )


def _question(found: list[str], wanted: str | None, name: str) -> str:
    known = list(dict.fromkeys(found))
    if not known:
        raise SettingsError(f"{name}: nobody has answered a question yet")
    if wanted is not None and wanted not in known:
        raise SettingsError(f"{name}: no question {wanted!r} (answered: {', '.join(known)})")
    if wanted is None and len(known) > 1:
        raise SettingsError(f"{name}: has the questions {', '.join(known)}: name one with --question")
    return wanted or known[0]


def _shared(record: Mapping[str, Any]) -> Row:
    """Return the columns of an output: those of the object around the task's or the record's texts."""
    texts = record.get("data", record.get("fields", record))
    made: Row = {"id": str(texts.get("id", record.get("id")))}
    for name, value in texts.items():
        # what people grade is the output, also under names that are those of expected values elsewhere
        into = "output" if name in REPLIES else (field_of(name) or ("", 0))[0]
        if into in ("input", "output", "context", "expected") and value not in (None, "") and into not in made:
            made[into] = value
    return made


def _label(one: RaterAnswer) -> Row:
    made: Row = {"rater": one.rater, "label": one.value}
    if one.is_gold:
        made["gold"] = one.value
    if one.seconds is not None and one.seconds > 0:
        made["seconds"] = one.seconds
    return made | ({} if one.day is None else {"batch": one.day})


# -- Label Studio


def _label_studio(task: Mapping[str, Any]) -> Iterator[RaterAnswer]:
    for annotation in task["annotations"]:
        if annotation.get("was_cancelled"):
            continue
        for result in annotation.get("result") or ():
            value = result.get("value") or {}
            if "choices" in value or "rating" in value:
                yield RaterAnswer(
                    result["from_name"],
                    _single(value.get("choices", value.get("rating"))),
                    _rater(annotation.get("completed_by")),
                    bool(annotation.get("ground_truth")),
                    annotation.get("lead_time"),
                    _day(annotation.get("created_at")),
                )


_OF_MIN: Final = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"})


def _label_studio_min(task: Mapping[str, Any]) -> Iterator[RaterAnswer]:
    for name, value in task.items():
        if name not in _OF_MIN and field_of(name) is None:
            yield RaterAnswer(
                name,
                _single(value),
                _rater(task["annotator"]),
                seconds=task.get("lead_time"),
                day=_day(task.get("created_at")),
            )


def _rater(completed_by: Json) -> str:
    """Return the number of a rater, never the e-mail address."""
    return f"rater-{completed_by.get('id') if isinstance(completed_by, dict) else completed_by}"


def _day(text: Json) -> str | None:
    try:
        return dt.datetime.fromisoformat(text).date().isoformat()
    except (TypeError, ValueError):
        return None


def _single(value: Json) -> Json:
    """Return a text or a number, also from a list of one; None for anything else."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("rating", value.get("value"))
    return value if isinstance(value, str | int | float) else None


# -- Argilla

_RESPONSES: Final = ".responses"
_USERS: Final = ".responses.users"


def _argilla(record: Mapping[str, Any]) -> Iterator[RaterAnswer]:
    for question, responses in record["responses"].items():
        for one in responses:
            if one.get("status", "submitted") in ("submitted", None):
                yield RaterAnswer(question, _single(one["value"]), str(one["user_id"]))


def _argilla_flat(record: Mapping[str, Any]) -> Iterator[RaterAnswer]:
    for name, users in record.items():
        if not name.endswith(_USERS) or users is None:
            continue
        question = name.removesuffix(_USERS)
        values = record[f"{question}{_RESPONSES}"]
        statuses = record.get(f"{question}{_RESPONSES}.status") or [None] * len(users)
        for value, user, status in zip(values, users, statuses, strict=True):
            if status in ("submitted", None):
                yield RaterAnswer(question, _single(value), str(user))


def label_lines(found: ImportedLabels) -> Iterator[bytes]:
    """Yield the lines of a label file."""
    for row in found.rows:
        yield jsonl.canonical(row).encode() + b"\n"
