"""``pytest-evalgate label``: the command line of it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import files, golden, jsonl
from pytest_evalgate.cli.options import whole_number
from pytest_evalgate.cli.project import Project, suites_of
from pytest_evalgate.cli.seeds import seed
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.wording import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.cli.label.strata import Candidate, Drawn
    from pytest_evalgate.data import Case, SuiteRun

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


def _run(chosen: argparse.Namespace) -> int:
    from pytest_evalgate.cli.label import sheet, strata  # noqa: PLC0415 - numpy, for this verb only

    if chosen.json and chosen.out is None:
        raise SettingsError("--json and the rows would be printed together: say where the rows go, --out FILE")
    if chosen.out is not None and chosen.out.exists():
        raise SettingsError(f"{chosen.out} exists already, and may hold labels: name another file")
    project = Project.find()
    run = project.run(chosen.run_id)
    suite = _only(suites_of(run, chosen.suite))
    judge = chosen.judge or _judge_of(project, suite)
    candidates = strata.candidates_of(suite.results, judge)
    if not candidates:
        raise SettingsError(f"run {run.id}: no output of suite {suite.plan.name} has a verdict{_by(judge)} to draw by")
    drawn = strata.draw(candidates, chosen.n, chosen.seed)
    text = sheet.sheet(drawn, _cases(project.root, run.id, suite), _form(chosen))
    if chosen.out is None:
        print(text, end="")
    else:
        files.write_atomically(chosen.out, text.encode())
    _say(chosen, candidates, drawn, judge)
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


def _form(chosen: argparse.Namespace) -> Any:
    named = chosen.out is not None and chosen.out.suffix.lower() == ".csv"
    return chosen.form or ("csv" if named else "jsonl")


def _by(judge: str | None) -> str:
    return "" if judge is None else f" of {judge}"


def _say(
    chosen: argparse.Namespace, candidates: Sequence[Candidate], drawn: Sequence[Drawn], judge: str | None
) -> None:
    held, taken = Counter(one.stratum for one in candidates), Counter(one.candidate.stratum for one in drawn)
    if chosen.json:
        print(json.dumps({name: {"outputs": held[name], "drawn": taken[name]} for name in sorted(held)}, indent=1))
        return
    for line in _lines(held, taken, judge):
        print(line, file=sys.stderr)
    if chosen.out is not None:
        print(f"wrote {chosen.out}", file=sys.stderr)


def _lines(held: Counter[str], taken: Counter[str], judge: str | None) -> Iterator[str]:
    whose = "the verdict of each case" if judge is None else f"the verdict of judge {judge}"
    yield f"drew {taken.total():,} of {count(held.total(), 'output')}, by {whose}:"
    yield from (f"  {name}: {taken[name]:,} of {held[name]:,}" for name in sorted(held))
