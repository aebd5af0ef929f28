"""``pytest-evalgate drift``: does a judge still say of its anchors what it said before?"""

from __future__ import annotations

import dataclasses
import json
import os
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.app.grade import run_judge
from pytest_evalgate.cli.options import odd_number
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judges import drift as anchor_files
from pytest_evalgate.judges import drift as judges_drift
from pytest_evalgate.judges.build import calibration_of, parts_of_judge
from pytest_evalgate.judges.drift import Drift, DriftRecord, GradeShift, Rejudged, StoredVerdicts, drift, shift
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.wording import count, p_value, percent

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.judges.drift import Anchors, ClassDrift, DriftFinding
    from pytest_evalgate.records.results import Score

_ABOUT = (
    "Have a judge grade its anchors again, and hold that against the verdicts that were recorded. Anchors are a file "
    "of labels, as calibrate reads it. Sends calls: one an anchor, and as many as --record says to record them."
)
_EXIT_CODES: Final[Mapping[DriftFinding, int]] = {"steady": 0, "drifted": 1, "incomplete": 11}
_FEWEST: Final = 3
_MOST: Final = 15


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser(
        "drift",
        help="does a judge still say of its anchors what it said before",
        description=_ABOUT,
        epilog="example: pytest-evalgate drift faq --anchors labels/faq-anchors.jsonl",
    )
    parser.add_argument("name", metavar="NAME", help="a configured judge")
    parser.add_argument(
        "--anchors", type=Path, required=True, metavar="FILE", help="200 or more labelled outputs, 100 of each kind"
    )
    parser.add_argument(
        "--record",
        type=odd_number(_FEWEST, _MOST),
        nargs="?",
        const=_FEWEST,
        metavar="K",
        help=f"store K verdicts of each anchor, to be held against later ones (default: {_FEWEST})",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from pytest_evalgate.app.project import Project  # noqa: PLC0415 - pydantic

    project = Project.find()
    if args.record is not None:
        recorded = record(project, args.name, args.anchors, args.record)
        print(json.dumps(dataclasses.asdict(recorded), indent=1) if args.json else recorded_lines(recorded))
        return 0
    found = check(project, args.name, args.anchors)
    print(json.dumps(dataclasses.asdict(found), indent=1) if args.json else "\n".join(checked(found)))
    return _EXIT_CODES[found.drift.finding]


_WIDTH: Final = 100
_MESSAGES: Final[Mapping[DriftFinding, str]] = {
    "steady": "STEADY: the judge flips no more than its stored verdicts did among themselves.",
    "drifted": (
        "DRIFTED: the judge flips more than its stored verdicts did among themselves: the model behind its name "
        "changed. Calibrate it again, then record its verdicts with --record."
    ),
    "incomplete": "INCOMPLETE: whether this is drift depends on the anchors without a verdict. Run it again.",
}


def recorded_lines(found: RecordedVerdicts) -> str:
    """Render what was recorded."""
    left_out = f"; {count(found.left_out, 'anchor')} left out, without a readable verdict" if found.left_out else ""
    what = f"{count(found.verdicts, 'verdict')} of each of {count(found.anchors, 'anchor')}"
    return f"recorded {one_line(found.judge)}: {what} -> {one_line(found.file)}{left_out}"


def checked(found: DriftCheck) -> tuple[str, ...]:
    """Render what a check found."""
    classes = found.drift.classes
    return (*_head(found), "", *_table(classes), "", *_chances(classes), "", *_end(found))


def _head(found: DriftCheck) -> Iterator[str]:
    anchors = sum(each.anchors for each in found.drift.classes)
    yield from _wrapped(
        f"{one_line(found.judge)}: {count(anchors, 'anchor')} graded again ({one_line(found.file)}, verdicts of "
        f"{found.recorded[:10]})",
        indent="",
    )


def _table(classes: Iterable[ClassDrift]) -> Iterator[str]:
    yield _row("people said", ("anchors", "flips", "pass now", "fail now", "unanswered", "flip rate", "p"))
    for each in classes:
        yield _row(each.label, _cells(each))


def _cells(each: ClassDrift) -> Iterator[str]:
    counts = (each.anchors, each.flips, each.to_pass, each.flips - each.to_pass, each.unanswered)
    yield from (f"{number:,}" for number in counts)
    yield percent(each.flip_rate)
    yield p_value(each.p)


def _chances(classes: Sequence[ClassDrift]) -> Iterator[str]:
    yield _row("found, if so many turn", (f"{100 * one.share:.0f}%" for one in classes[0].detections))
    for each in classes:
        yield _row(each.label, (f"{100 * one.chance:.0f}%" for one in each.detections))


def _end(found: DriftCheck) -> Iterator[str]:
    if found.shift is not None:
        yield from _wrapped(_described(found.shift))
    yield from _wrapped(_MESSAGES[found.drift.finding])


def _described(shift: GradeShift) -> str:
    return (
        f"grades, as a description: Kolmogorov-Smirnov distance {shift.ks:.2f} (p={p_value(shift.p)}, conservative), "
        f"Jensen-Shannon divergence {shift.js_bits:.3f} bits"
    )


def _row(name: str, cells: Iterable[str]) -> str:
    return f"  {name:<21}" + "".join(f"{cell:>11}" for cell in cells)


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False)


@dataclass(frozen=True, slots=True)
class RecordedVerdicts:
    """What was recorded: ``verdicts`` of each of ``anchors``; ``left_out`` had one that could not be read."""

    judge: str
    file: str
    anchors: int
    verdicts: int
    left_out: int


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """What became of the anchors; ``shift`` describes grades, where the judge gives any."""

    judge: str
    file: str
    recorded: str
    drift: Drift
    shift: GradeShift | None


def record(project: Project, name: str, path: Path, verdicts: int) -> RecordedVerdicts:
    """Have a judge grade each anchor several times, and store what it says.

    Raises:
        UserError: this is CI, the judge or the anchors cannot be used, or too few of them have all their verdicts.
        RunStopped: no call can succeed, or may be paid.

    """
    if os.environ.get("CI", "").lower() not in {"", "0", "false"}:
        raise SettingsError("verdicts are not recorded in CI: record on a branch, review the file, merge it")
    parts = _parts(project, name)
    anchors = anchor_files.load(path, root=project.root)
    now = datetime.now(UTC)
    asked = [case for trial in range(verdicts) for case in anchors.asked(f"{now:%Y-%m-%d}.{trial}")]
    scores, _ = run_judge(project, name, asked)
    by_id = {row.case.id: scores[at :: len(anchors.rows)] for at, row in enumerate(anchors.rows)}
    passed, values = judges_drift.of_scores(by_id)
    kept = anchors.only(passed)
    file = judges_drift.verdicts_file(path, name)
    stored = StoredVerdicts(name, f"{now:%Y-%m-%dT%H:%M:%SZ}", parts, anchors.sha256, passed, values)
    judges_drift.write_verdicts(stored, file)
    left_out = len(anchors.rows) - len(kept.rows)
    return RecordedVerdicts(name, files.relative_name(file, project.root), len(kept.rows), verdicts, left_out)


def check(project: Project, name: str, path: Path) -> DriftCheck:
    """Have a judge grade each anchor again, and test whether it flips more often than it did among itself.

    The answers of one day are remembered: a second check on it repeats the first.

    Raises:
        UserError: the judge or the anchors cannot be used, no verdicts are stored, or the judge or the anchors are
            not those of the stored verdicts.
        RunStopped: no call can succeed, or may be paid.

    """
    parts = _parts(project, name)
    anchors = anchor_files.load(path, root=project.root)
    file = judges_drift.verdicts_file(path, name)
    stored = judges_drift.read_verdicts(file, name=files.relative_name(file, project.root))
    _check_unchanged(stored, anchors, parts)
    kept = anchors.only(stored.passed)
    scores, _ = run_judge(project, name, kept.asked(f"{datetime.now(UTC):%Y-%m-%d}"))
    rejudged = [
        Rejudged("pass" if row.passed else "fail", stored.passed[row.case.id], score.passed)
        for row, score in zip(kept.rows, scores, strict=True)
    ]
    found = drift(rejudged)
    _write_drift_record(project, name, anchors.name, found)
    return DriftCheck(name, anchors.name, stored.created, found, _shift(stored, scores))


def _write_drift_record(project: Project, name: str, anchors: str, found: Drift) -> None:
    """Say beside the judge's calibration what was found: one that has drifted may not gate until it is calibrated."""
    calibration = project.settings.judges[name].calibration
    if calibration is not None:
        checked = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        path = judges_drift.drift_file(files.resolve_inside(project.root, project.root / calibration))
        judges_drift.write_drift(DriftRecord(name, checked, anchors, found.finding), path)


def _check_unchanged(stored: StoredVerdicts, anchors: Anchors, parts: Mapping[str, str]) -> None:
    changed = [part for part in {**stored.parts, **parts} if stored.parts.get(part) != parts.get(part)]
    changed += ["anchors"] if stored.anchors_sha256 != anchors.sha256 else []
    if changed:
        raise SettingsError(
            f"{anchors.name}: not what it was when the verdicts were recorded on {stored.created[:10]}: "
            f"{', '.join(changed)}. That is a change and no drift: record them again with --record"
        )


def _parts(project: Project, name: str) -> dict[str, str]:
    """Return digests of all that a verdict comes of, the calibrated threshold included."""
    if name not in project.settings.judges:
        raise SettingsError(
            f"no judge is named {name!r}: {', '.join(project.settings.judges) or 'none is configured'}"
        )
    parts = parts_of_judge(name, project.settings, root=project.root)
    calibration = calibration_of(project.settings.judges[name], root=project.root)
    return {**parts, "threshold": jsonl.digest(None if calibration is None else calibration.threshold)}


def _shift(stored: StoredVerdicts, scores: Sequence[Score]) -> GradeShift | None:
    """Describe how grades moved; None where there are none: verdicts of pass and fail are no grades."""
    before = [value for values in stored.values.values() for value in values]
    now = [score.value for score in scores if score.value is not None]
    return shift(before, now) if now and not {*before, *now} <= {0.0, 1.0} else None
