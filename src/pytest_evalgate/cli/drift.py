"""``pytest-evalgate drift``: a test for changes of a judge since its verdicts were recorded.

Flow: ``--record`` has the judge grade labelled outputs (anchors) several times and stores the verdicts beside the
anchors. Later calls grade the anchors once more and test whether the judge flips more often than the stored verdicts
do among themselves. The finding is written beside the judge's calibration, where the gates read it.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.grade import fields_of, run_judge
from pytest_evalgate.app.project import Project
from pytest_evalgate.cli.options import odd_number
from pytest_evalgate.cli.printing import print_result, wrapped
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges import drift as anchor_files
from pytest_evalgate.judges.build import calibration_of, parts_of_judge
from pytest_evalgate.judges.drift import Drift, DriftRecord, GradeShift, Rejudged, StoredVerdicts
from pytest_evalgate.runs.state import in_ci
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.wording import count, p_value, percent

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.judges.drift import Anchors, DriftFinding
    from pytest_evalgate.records.results import Score

_EXIT_CODES: Final[Mapping[DriftFinding, int]] = {"steady": 0, "drifted": 1, "incomplete": 11}
_MIN_VERDICTS: Final = 3
_MAX_VERDICTS: Final = 15
_MESSAGES: Final[Mapping[DriftFinding, str]] = {
    "steady": "STEADY: the judge flips no more often than its stored verdicts do among themselves.",
    "drifted": (
        "DRIFTED: the judge flips more often than its stored verdicts do among themselves, so the model behind it has "
        "probably changed. Calibrate the judge again, then record its verdicts with --record."
    ),
    "incomplete": "INCOMPLETE: the finding depends on the anchors without a verdict. Run the command again.",
}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("name", metavar="NAME", help="a configured judge")
    option(
        "--anchors", type=Path, required=True, metavar="FILE", help="200 or more labelled outputs, 100 of each label"
    )
    option(
        "--record",
        type=odd_number(_MIN_VERDICTS, _MAX_VERDICTS),
        nargs="?",
        const=_MIN_VERDICTS,
        metavar="K",
        help=f"store K verdicts of each anchor for later checks (default: {_MIN_VERDICTS})",
    )


def _run(args: argparse.Namespace) -> int:
    project = Project.find()
    if args.record is not None:
        recorded = record(project, args.name, args.anchors, args.record)
        print_result(args, recorded, [_recorded_line(recorded)])
        return 0
    checked = check(project, args.name, args.anchors)
    print_result(args, checked, _lines(checked))
    return _EXIT_CODES[checked.drift.finding]


VERB: Final = Verb(
    "Have a judge grade its anchors again, and compare the verdicts with the recorded ones. Anchors are a file of "
    "labels, in the format that calibrate reads. Sends one call for each anchor, or K calls with --record K. "
    "Exits with 1 if the judge has drifted, with 11 if missing verdicts could decide that, and with 4 if the anchors "
    "or the judge cannot be used.",
    "pytest-evalgate drift faq --anchors labels/faq-anchors.jsonl",
    _run,
    _add_arguments,
)


@dataclass(frozen=True, slots=True)
class RecordedVerdicts:
    """Verdicts that were recorded: ``verdicts`` of each of ``anchors``; ``left_out`` anchors had an unreadable one."""

    judge: str
    file: str
    anchors: int
    verdicts: int
    left_out: int


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """Result of a check; ``shift`` describes the grades of a judge that gives grades.

    ``sent`` is the number of calls that were sent, ``cached`` that of replies from the cache.
    """

    judge: str
    file: str
    recorded: str
    drift: Drift
    shift: GradeShift | None
    sent: int = 0
    cached: int = 0


def record(project: Project, name: str, path: Path, verdicts: int) -> RecordedVerdicts:
    """Have a judge grade each anchor several times, and store the verdicts.

    Raises:
        UserError: this is CI, the judge or the anchors cannot be used, or too few anchors have all their verdicts.
        RunStopped: no call can succeed, or the budget is spent.
    """
    if in_ci(os.environ):
        raise SettingsError("verdicts are not recorded in CI: record on a branch, review the file and merge it")
    parts = _parts(project, name)
    anchors = anchor_files.load(path, root=project.root)
    now = datetime.now(UTC)
    # the question contains the time and the trial, else the second trial would get the cached reply of the first
    asked = [case for trial in range(verdicts) for case in anchors.asked(f"{_moment(now)}.{trial}")]
    scores, _ = run_judge(project, name, asked, fields_of(project, name, anchors.rows) * verdicts)
    by_id = {row.case.id: scores[at :: len(anchors.rows)] for at, row in enumerate(anchors.rows)}
    passed, values = anchor_files.of_scores(by_id)
    complete = len(anchors.only(passed).rows)
    file = anchor_files.verdicts_file(path, name)
    stored = StoredVerdicts(name, f"{now:%Y-%m-%dT%H:%M:%SZ}", parts, anchors.sha256, passed, values)
    anchor_files.write_verdicts(stored, file)
    left_out = len(anchors.rows) - complete
    return RecordedVerdicts(name, files.relative_name(file, project.root), complete, verdicts, left_out)


def check(project: Project, name: str, path: Path) -> DriftCheck:
    """Have a judge grade each anchor again, and test whether it flips more often than its stored verdicts.

    Each check sends new calls, because cached replies cannot show a change of the judge.

    Raises:
        UserError: the judge or the anchors cannot be used, or have changed since the verdicts were stored, or no
            verdicts are stored.
        RunStopped: no call can succeed, or the budget is spent.
    """
    parts = _parts(project, name)
    anchors = anchor_files.load(path, root=project.root)
    file = anchor_files.verdicts_file(path, name)
    stored = anchor_files.read_verdicts(file, name=files.relative_name(file, project.root))
    _check_unchanged(stored, anchors, parts)
    complete = anchors.only(stored.passed)
    asked = complete.asked(_moment(datetime.now(UTC)))
    scores, _ = run_judge(project, name, asked, fields_of(project, name, complete.rows))
    rejudged = [
        Rejudged("pass" if row.passed else "fail", stored.passed[row.case.id], score.passed)
        for row, score in zip(complete.rows, scores, strict=True)
    ]
    found = anchor_files.drift(rejudged)
    _write_drift_record(project, name, anchors.name, found)
    calls = [call for score in scores for call in score.calls]
    sent = sum(call.attempts > 0 for call in calls)
    return DriftCheck(name, anchors.name, stored.created, found, _shift(stored, scores), sent, len(calls) - sent)


def _moment(now: datetime) -> str:
    """Return the time of a check, which makes its questions differ from those of every other check."""
    return f"{now:%Y-%m-%dT%H:%M:%S.%fZ}"


def _parts(project: Project, name: str) -> dict[str, str]:
    """Return the digests of everything that a verdict depends on, the calibrated threshold included."""
    if name not in project.settings.judges:
        raise SettingsError(f"no judge is named {name!r} (configured: {', '.join(project.settings.judges) or 'none'})")
    parts = parts_of_judge(name, project.settings, root=project.root)
    calibration = calibration_of(project.settings.judges[name], root=project.root)
    return {**parts, "threshold": jsonl.digest(None if calibration is None else calibration.threshold)}


def _check_unchanged(stored: StoredVerdicts, anchors: Anchors, parts: Mapping[str, str]) -> None:
    changed = [part for part in {**stored.parts, **parts} if stored.parts.get(part) != parts.get(part)]
    changed += ["anchors"] if stored.anchors_sha256 != anchors.sha256 else []
    if changed:
        raise SettingsError(
            f"{anchors.name}: changed since the verdicts were recorded on {stored.created[:10]}: "
            f"{', '.join(changed)}. This is not drift: record the verdicts again with --record"
        )


def _write_drift_record(project: Project, name: str, anchors: str, found: Drift) -> None:
    """Write the finding beside the judge's calibration: a judge that drifted may not gate until it is calibrated."""
    calibration = project.settings.judges[name].calibration
    if calibration is not None:
        checked = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        path = anchor_files.drift_file(files.configured_path(project.root, calibration, f"judges.{name}.calibration"))
        anchor_files.write_drift(DriftRecord(name, checked, anchors, found.finding), path)


def _shift(stored: StoredVerdicts, scores: Sequence[Score]) -> GradeShift | None:
    """Return the shift of the grades; None if the judge returns only pass and fail."""
    before = [value for values in stored.values.values() for value in values]
    now = [score.value for score in scores if score.value is not None]
    return anchor_files.shift(before, now) if now and not {*before, *now} <= {0.0, 1.0} else None


def _recorded_line(found: RecordedVerdicts) -> str:
    left_out = f"; {count(found.left_out, 'anchor')} without a readable verdict left out" if found.left_out else ""
    verdicts = f"{count(found.verdicts, 'verdict')} of each of {count(found.anchors, 'anchor')}"
    return f"recorded {one_line(found.judge)}: {verdicts} -> {one_line(found.file)}{left_out}"


def _lines(found: DriftCheck) -> Iterator[str]:
    classes = found.drift.classes
    anchors = sum(each.anchors for each in classes)
    yield from wrapped(
        f"{one_line(found.judge)}: {count(anchors, 'anchor')} graded again ({one_line(found.file)}, verdicts of "
        f"{found.recorded[:10]})",
        indent="",
    )
    if found.cached:
        asked = f"{count(found.sent, 'call')} sent" if found.sent else "no call was sent"
        yield from wrapped(f"{asked}: {found.cached:,} of the verdicts came from the cache and cannot show a change")
    yield ""
    yield _row("human label", ("anchors", "flips", "pass now", "fail now", "no verdict", "flip rate", "p"))
    for each in classes:
        counts = (each.anchors, each.flips, each.to_pass, each.flips - each.to_pass, each.unanswered)
        yield _row(each.label, (*(f"{n:,}" for n in counts), percent(each.flip_rate), p_value(each.p)))
    yield ""
    yield _row("chance of detection", (f"{100 * one.share:.0f}% turn" for one in classes[0].detections))
    for each in classes:
        yield _row(each.label, (f"{100 * one.chance:.0f}%" for one in each.detections))
    yield ""
    if found.shift is not None:
        yield from wrapped(
            f"grades (description, no test): Kolmogorov-Smirnov distance {found.shift.ks:.2f} "
            f"(p={p_value(found.shift.p)}, conservative), Jensen-Shannon divergence {found.shift.js_bits:.3f} bits"
        )
    yield from wrapped(_MESSAGES[found.drift.finding])


def _row(name: str, cells: Iterable[str]) -> str:
    return f"  {name:<21}" + "".join(f"{cell:>11}" for cell in cells)
