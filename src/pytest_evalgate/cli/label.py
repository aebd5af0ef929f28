"""``pytest-evalgate label``: outputs for people to label; ``calibrate --labels`` reads them back."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from pytest_evalgate import golden
from pytest_evalgate.app.project import Project, suites_of
from pytest_evalgate.cli.options import seed, whole_number
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judges.label_rows import cell_of
from pytest_evalgate.judges.question import material_of
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.records.results import Case, CaseResult, Json, Output, SuiteRun, Trial

_FORMATS: Final = ("jsonl", "csv")
_MOST: Final = 1_000_000
_ABOUT: Final = (
    "Draw outputs of a stored run for people to label: as many that the judge fails as it passes, and more where it "
    "is unsure. Fill in each label, then: pytest-evalgate calibrate NAME --labels FILE. Sends nothing."
)


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser("label", help="draw outputs for people to label")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    sample = actions.add_parser(
        "sample",
        help="draw a sample of a run",
        description=_ABOUT,
        epilog="example: pytest-evalgate label sample --suite support --out labels/support.csv",
    )
    option = sample.add_argument
    option("--suite", help="a suite (default: the only one of the run)")
    option("--run", dest="run_id", metavar="ID", help="a stored run (default: the newest)")
    option("--judge", metavar="NAME", help="whose scores to go by (default: the only judge of the suite)")
    option("--n", type=whole_number(_MOST), default=100, help="how many outputs (default: 100)")
    option("--seed", type=seed, default=0, help="the same seed draws the same outputs (default: 0)")
    option("--format", dest="form", choices=_FORMATS, help="default: that of the name of --out, else jsonl")
    option("--out", type=Path, metavar="FILE", help="a file that does not exist yet (default: print the rows)")
    option("--json", action="store_true", help="say how many were drawn of what as JSON; needs --out")
    sample.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:

    if args.json and args.out is None:
        raise SettingsError("--json and the rows would be printed together: say where the rows go, --out FILE")
    if args.out is not None and args.out.exists():
        raise SettingsError(f"{args.out} exists already, and may hold labels: name another file")
    project = Project.find()
    run = project.run(args.run_id)
    suite = _only(suites_of(run, args.suite))
    judge = args.judge or _judge_of(project, suite)
    candidates = candidates_of(suite.results, judge)
    if not candidates:
        raise SettingsError(f"run {run.id}: no output of suite {suite.plan.name} has a verdict{_by(judge)} to draw by")
    drawn = draw(candidates, args.n, args.seed)
    text = sheet(drawn, _cases(project.root, run.id, suite), _form(args))
    if args.out is None:
        print(text, end="")
    else:
        files.write_atomically(args.out, text.encode())
    _print_summary(args, candidates, drawn, judge)
    return 0


def _only(suites: Sequence[SuiteRun]) -> SuiteRun:
    if len(suites) > 1:
        raise SettingsError(f"the run holds {', '.join(suite.plan.name for suite in suites)}: say which, --suite NAME")
    return suites[0]


def _judge_of(project: Project, suite: SuiteRun) -> str | None:
    """Return the name of the scores of the only judge that a suite has, None without one."""
    configured = project.settings.suites.get(suite.plan.name)
    specs = () if configured is None else configured.scorers
    names = [str(spec.get("name") or spec["judge"]) for spec in specs if isinstance(spec, dict) and "judge" in spec]
    if len(names) > 1:
        raise SettingsError(f"suite {suite.plan.name} has the judges {', '.join(names)}: say which, --judge NAME")
    return next(iter(names), None)


def _cases(root: Path, run_id: str, suite: SuiteRun) -> dict[str, Case]:
    """Return the cases that the outputs answer, by id."""
    sets = golden.load([root / name for name in suite.plan.golden], root=root)
    digests = sorted(held.sha256 for held in sets)
    if suite.plan.golden_sha256 != (digests[0] if len(sets) == 1 else jsonl.digest(digests)):  # as `runs.plan` made it
        raise SettingsError(f"the golden set of {suite.plan.name} changed since run {run_id}: run again, then draw")
    return {case.id: case for held in sets for case in held}


def _form(args: argparse.Namespace) -> Any:
    named = args.out is not None and args.out.suffix.lower() == ".csv"
    return args.form or ("csv" if named else "jsonl")


def _by(judge: str | None) -> str:
    return "" if judge is None else f" of {judge}"


def _print_summary(
    args: argparse.Namespace, candidates: Sequence[Candidate], drawn: Sequence[SampledOutput], judge: str | None
) -> None:
    held, taken = Counter(one.stratum for one in candidates), Counter(one.candidate.stratum for one in drawn)
    if args.json:
        print(json.dumps({name: {"outputs": held[name], "drawn": taken[name]} for name in sorted(held)}, indent=1))
        return
    for line in _lines(held, taken, judge):
        print(line, file=sys.stderr)
    if args.out is not None:
        print(f"wrote {args.out}", file=sys.stderr)


def _lines(held: Counter[str], taken: Counter[str], judge: str | None) -> Iterator[str]:
    whose = "the verdict of each case" if judge is None else f"the verdict of judge {judge}"
    yield f"drew {taken.total():,} of {count(held.total(), 'output')}, by {whose}:"
    yield from (f"  {name}: {taken[name]:,} of {held[name]:,}" for name in sorted(held))


Format = Literal["jsonl", "csv"]
_COLUMNS = ("id", "input", "expected", "context", "output", "label", "cluster", "weight")


def sheet(drawn: Iterable[SampledOutput], cases: Mapping[str, Case], form: Format) -> str:
    """Write what was drawn; ``cases`` are those of the golden set, by id."""
    rows = [_row(one, cases.get(one.candidate.result.case.golden_id)) for one in drawn]
    return _csv(rows) if form == "csv" else _jsonl(rows)


def _row(drawn: SampledOutput, case: Case | None) -> dict[str, Json]:
    output, planned = drawn.candidate.trial.output, drawn.candidate.result.case
    asked = (
        {} if case is None else {"input": _input(case), "expected": _expected(case), "context": _context(case, output)}
    )
    held = {"id": planned.id, **asked, "output": None if output is None else output.value, "cluster": planned.cluster}
    shown = {name: value for name, value in held.items() if value not in (None, [])}
    return {**shown, "label": None, "weight": round(drawn.weight, 6)}


def _context(case: Case, output: Output | None) -> list[str]:
    """Return the context that a judge would be shown: what the application has retrieved, else the case's."""
    return list(case.context if output is None else material_of(case, output).context)


def _input(case: Case) -> Json:
    if case.input is not None:
        return case.input
    return [dict(message) for message in case.messages] or dict(case.vars) or None


def _expected(case: Case) -> Json:
    return case.expected if case.expected is not None else list(case.expected_any) or None


def _jsonl(rows: Iterable[dict[str, Json]]) -> str:
    return "".join(
        f"{json.dumps({name: row[name] for name in _COLUMNS if name in row}, ensure_ascii=False)}\n" for row in rows
    )


def _csv(rows: Iterable[dict[str, Json]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        context = "\n\n".join(row.get("context", ()))
        writer.writerow([cell_of({**row, "context": context}.get(name)) for name in _COLUMNS])
    return text.getvalue()


_UNSURE = (0.25, 0.75)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An output that people may label: its case's result, the trial that it comes from, and its stratum."""

    result: CaseResult
    trial: Trial
    stratum: str


@dataclass(frozen=True, slots=True)
class SampledOutput:
    """A candidate that was drawn, and the number of candidates that it stands for."""

    candidate: Candidate
    weight: float


def candidates_of(results: Sequence[CaseResult], judge: str | None) -> list[Candidate]:
    """Return the first output of each case, by what the judge says of it; without one, by what the case came to.

    Outputs that the judge could not read are left out: a calibration cannot use them.
    """
    found = []
    for result in results:
        if result.case.side == "base":  # what the branch removed or edited
            continue
        trial = next((trial for trial in result.trials if _is_whole(trial)), None)
        marks = [_mark(trial, judge) for trial in result.trials]
        if trial is not None and (mark := _mark(trial, judge)) is not None:
            found.append(Candidate(result, trial, _stratum(mark, [one for one in marks if one is not None])))
    return found


def draw(candidates: Sequence[Candidate], n: int, seed: int) -> list[SampledOutput]:
    """Draw at most ``n`` candidates, as equally many of each stratum as there are; they keep their order."""
    strata: dict[str, list[int]] = {}
    for at, candidate in enumerate(candidates):
        strata.setdefault(candidate.stratum, []).append(at)
    shares = _shares({name: len(members) for name, members in strata.items()}, n)
    random = np.random.default_rng(seed)
    weights: dict[int, float] = {}
    for name in sorted(strata):
        members, share = strata[name], shares[name]
        for place in random.permutation(len(members))[:share].tolist():
            weights[members[place]] = len(members) / share
    return [SampledOutput(candidates[at], weights[at]) for at in sorted(weights)]


def _is_whole(trial: Trial) -> bool:
    return trial.output is not None and trial.output.value is not None and trial.output.finish == "complete"


def _mark(trial: Trial, judge: str | None) -> tuple[bool, float] | None:
    """Return whether an output passed, and its score; None where nobody could tell."""
    if judge is None:
        return None if trial.value is None else (trial.value == 1, trial.value)
    score = next((score for score in trial.scores if score.name == judge), None)
    if score is None or score.passed is None or score.value is None:
        return None
    return score.passed, score.value


def _stratum(mark: tuple[bool, float], trials: Sequence[tuple[bool, float]]) -> str:
    passed, score = mark
    low, high = _UNSURE
    unsure = low <= score <= high or len({one for one, _ in trials}) > 1
    return f"{'pass' if passed else 'fail'}{', unsure' if unsure else ''}"


def _shares(sizes: Mapping[str, int], n: int) -> dict[str, int]:
    """Deal ``n`` out: one to each stratum in turn, the smallest first, while it has any left."""
    shares = dict.fromkeys(sizes, 0)
    order = sorted(sizes, key=lambda name: (sizes[name], name))
    left = min(n, sum(sizes.values()))
    while left:
        for name in order:
            if left and shares[name] < sizes[name]:
                shares[name] += 1
                left -= 1
    return shares
