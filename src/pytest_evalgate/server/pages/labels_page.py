"""Labels: a blind sheet on which raters label outputs. The grade of the judge is shown once their label is saved."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from pytest_evalgate.errors import UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges import calibration
from pytest_evalgate.judges.label_rows import id_of
from pytest_evalgate.judges.label_saving import (
    LABELS_LOCK,
    NewLabel,
    check_rater,
    choices_of,
    is_open,
    label_by,
    read_sheet,
    save_label,
)
from pytest_evalgate.reports.view import FULL_TEXT
from pytest_evalgate.server.pages.case_texts import texts_of
from pytest_evalgate.server.pages.page_frame import SERVED, render
from pytest_evalgate.server.request_problem import RequestError
from pytest_evalgate.text import files
from pytest_evalgate.text.jsonl import quote_text
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.config import Judge
    from pytest_evalgate.judges.label_rows import LabelRow
    from pytest_evalgate.server.pages.case_texts import ScoreText
    from pytest_evalgate.server.pages.page_frame import Addresses
    from pytest_evalgate.server.view_sources import PageQuery, ViewSources

FOLDER: Final = "labels"
_SUFFIXES: Final = frozenset({".jsonl", ".csv"})
_RUNS: Final = 8
"""Runs in which the judge's grade of a labelled output is looked for."""


@dataclass(frozen=True, slots=True)
class LabelSheet:
    """The label file of a judge: its name relative to the root folder, its path, its rows, and the labels to give."""

    judge: str
    name: str
    path: Path
    rows: tuple[LabelRow, ...]
    choices: tuple[str, ...]

    def row(self, row_id: str) -> LabelRow | None:
        """Return a row by its id."""
        return next((row for row in self.rows if id_of(row) == row_id), None)

    def open_rows(self) -> list[LabelRow]:
        """Return the rows that raters may label."""
        return [row for row in self.rows if is_open(row)]


@dataclass(frozen=True, slots=True)
class Saved:
    """A label that this rater has saved, and the judge's scores of the same output."""

    row_id: str
    label: str
    scores: tuple[ScoreText, ...]


def page(sources: ViewSources, query: PageQuery, to: Addresses = SERVED) -> str:
    """Return the page as HTML.

    Raises:
        UserError: There is no such judge or file, or the file cannot be read.
    """
    judge = query.names["judge"]
    configured = _configured(sources, judge)
    names = _sheets(sources, judge, configured)
    values: dict[str, Any] = {"judge": judge, "names": names, "sheet": None, "rater": "", "command": _command(judge)}
    if not names:
        return render("labels.html.j2", sources, to, values)
    sheet = _sheet(sources, judge, configured, names, query.values.get("file"))
    rater = check_rater(query.values["rater"]) if query.values.get("rater", "").strip() else ""
    rows = sheet.open_rows()
    left = [row for row in rows if not label_by(row, rater)] if rater else rows
    shown = next(iter(left), None)
    values |= {
        "next": shlex.join(["pytest-evalgate", "calibrate", judge, "--labels", sheet.name]),
        "sheet": sheet,
        "rater": rater,
        "done": len(rows) - len(left),
        "total": len(rows),
        "fields": _fields(shown) if shown is not None and rater else (),
        "row_id": "" if shown is None else id_of(shown),
        "saved": _saved(sources, sheet, rater, query.values.get("saved", "")),
    }
    return render("labels.html.j2", sources, to, values)


def save(sources: ViewSources, query: PageQuery, form: Mapping[str, str]) -> str:
    """Save a label, and return the path of the page to show next.

    Raises:
        UserError: The label is refused, or the file cannot be read or written; the message says why.
    """
    judge = query.names["judge"]
    configured = _configured(sources, judge)
    names = _sheets(sources, judge, configured)
    if form.get("file") not in names:
        raise RequestError(400, f"no label file of judge {judge} has this name: open the sheet again")
    new = NewLabel(*(form.get(name, "") for name in ("row", "rater", "label")))
    path = sources.root / form["file"]
    save_label(path, form["file"], new, choices_of(configured.scale), sources.project.state.path / LABELS_LOCK)
    values = {"file": form["file"], "rater": check_rater(new.rater), "saved": new.row_id}
    return f"{SERVED.labels(judge)}?{urlencode({name: text.encode() for name, text in values.items()})}"


def _configured(sources: ViewSources, judge: str) -> Judge:
    judges = sources.project.settings.judges
    if judge not in judges:
        near = did_you_mean(judge, judges) or f"; judges are: {', '.join(judges) or 'none'}"
        raise RequestError(404, f"there is no judge {quote_text(judge)}{near}")
    return judges[judge]


def _sheets(sources: ViewSources, judge: str, configured: Judge) -> tuple[str, ...]:
    """Return the names of the label files: those of the calibration and of ``labels/``, the judge's own first."""
    found = dict.fromkeys([*_calibrated(sources, judge, configured), *_listed(sources)])
    return tuple(sorted(found, key=lambda name: judge not in name))


def _calibrated(sources: ViewSources, judge: str, configured: Judge) -> Iterator[str]:
    if configured.calibration is None:
        return
    place = f"judges.{judge}.calibration"
    try:
        file = files.existing_path(sources.root, configured.calibration, place)
        labels = files.existing_path(sources.root, calibration.read(file).labels, place)
    except UserError:
        return  # the judge's own page of the suite reports it
    yield files.relative_name(labels, sources.root.resolve())


def _listed(sources: ViewSources) -> Iterator[str]:
    folder = sources.root / FOLDER
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        try:
            inside = files.resolve_inside(sources.root, path.absolute())
        except ValueError:
            continue  # a symbolic link that leads out of the project
        if path.suffix.lower() in _SUFFIXES and inside.is_file():
            yield f"{FOLDER}/{path.name}"


def _sheet(
    sources: ViewSources, judge: str, configured: Judge, names: Sequence[str], wanted: str | None
) -> LabelSheet:
    name = wanted or names[0]
    if name not in names:
        raise RequestError(404, f"no label file of judge {judge} has this name; there are: {', '.join(names)}")
    path = sources.root / name
    return LabelSheet(judge, name, path, tuple(read_sheet(path, name)), choices_of(configured.scale))


_FIELDS: Final = (
    ("input", "Input"),
    ("expected", "Expected"),
    ("rubric", "Notes"),
    ("context", "Context"),
    ("output", "Output"),
)


def _fields(row: LabelRow) -> tuple[tuple[str, str], ...]:
    """Return the texts of a row that a rater sees: never a label, a score or a stratum."""
    values = ((title, row.values.get(name)) for name, title in _FIELDS)
    return tuple((title, _text(value)) for title, value in values if value not in (None, "", []))


def _text(value: object) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n\n".join(value)
    return FULL_TEXT.of("output", value)


def _saved(sources: ViewSources, sheet: LabelSheet, rater: str, row_id: str) -> Saved | None:
    """Return the judge's grade of an output that this rater has labelled; None before."""
    row = sheet.row(row_id)
    label = "" if row is None or not rater else label_by(row, rater)
    if row is None or not label:
        return None
    return Saved(row_id, label, _grades(sources, sheet.judge, row_id, row.values.get("output")))


def _grades(sources: ViewSources, judge: str, case_id: str, output: object) -> tuple[ScoreText, ...]:
    """Return the scores that a judge gave this output in the newest run that has it."""
    for run in sources.database.query("runs_of_judge", judge=judge, project=sources.name, limit=_RUNS):
        text = texts_of(sources, run["run_id"], run["suite"], [case_id]).get(case_id)
        for trial in () if text is None else text.trials:
            scores = tuple(score for score in trial.scores if score.is_of(judge))
            if scores and trial.raw == output:
                return scores
    return ()


def _command(judge: str) -> str:
    return shlex.join(["pytest-evalgate", "label", "sample", "--judge", judge, "--out", f"{FOLDER}/{judge}.jsonl"])
