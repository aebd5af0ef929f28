"""``pytest-evalgate label``: a sample of outputs for people to label, which ``calibrate --labels`` reads back.

Flow: the outputs of a stored run that have a verdict are candidates; draw equally many of each stratum (pass or fail,
unsure or not); write them with their cases as JSONL or CSV, each with the weight that corrects for the strata.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np

from pytest_evalgate import golden
from pytest_evalgate.app.project import Project, suites_of
from pytest_evalgate.cli.options import add_run, add_seed, add_suite, whole_number
from pytest_evalgate.cli.verb import Actions, Verb
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judges.label_rows import cell_of
from pytest_evalgate.judges.material import material_of
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import CaseResult, SuiteRun, Trial

Format = Literal["jsonl", "csv"]

_MAX_OUTPUTS: Final = 1_000_000
_UNSURE: Final = (0.25, 0.75)
_COLUMNS: Final = ("id", "input", "expected", "context", "output", "label", "cluster", "weight")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    add_suite(parser, "the only one of the run")
    add_run(parser)
    option("--judge", metavar="NAME", help="judge whose verdicts form the strata (default: the suite's only judge)")
    option("--n", type=whole_number(_MAX_OUTPUTS), default=100, help="number of outputs (default: 100)")
    add_seed(parser, "the sample")
    option("--format", dest="form", choices=get_args(Format), help="default: by the suffix of --out, else jsonl")
    option("--out", type=Path, metavar="FILE", help="new file for the rows (default: print them)")


def _run(args: argparse.Namespace) -> int:
    if args.json and args.out is None:
        raise SettingsError("--json prints the counts, so the rows need a file: add --out FILE")
    if args.out is not None and args.out.exists():
        raise SettingsError(f"{args.out} exists and may contain labels: choose another file")
    project = Project.find()
    run = project.run(args.run_id)
    suite = _only(suites_of(run, args.suite))
    judge = args.judge or _judge_of(project, suite)
    candidates = candidates_of(suite.results, judge)
    if not candidates:
        whose = "" if judge is None else f" of {judge}"
        raise SettingsError(f"run {run.id}: no output of suite {suite.plan.name} has a verdict{whose} to sample by")
    drawn = draw(candidates, args.n, args.seed)
    is_csv = args.out is not None and args.out.suffix.lower() == ".csv"
    text = sheet(drawn, _cases(project.root, run.id, suite), args.form or ("csv" if is_csv else "jsonl"))
    if args.out is None:
        print(text, end="")
    else:
        files.write_atomically(args.out, text.encode())
    _print_summary(args, candidates, drawn, judge)
    return 0


VERB: Final[Actions] = {
    "sample": Verb(
        "Draw outputs of a stored run for people to label: equally many that the judge passes, fails and is unsure "
        "about. Fill in each label, then run: pytest-evalgate calibrate NAME --labels FILE. Sends nothing.",
        "pytest-evalgate label sample --suite support --out labels/support.csv",
        _run,
        _add_arguments,
        json="print the counts of each stratum as JSON; needs --out",
    )
}


def _only(suites: Sequence[SuiteRun]) -> SuiteRun:
    if len(suites) > 1:
        raise SettingsError(
            f"the run has the suites {', '.join(suite.plan.name for suite in suites)}: add --suite NAME"
        )
    return suites[0]


def _judge_of(project: Project, suite: SuiteRun) -> str | None:
    """Return the name of the scores of the suite's only judge; None if it has no judge."""
    configured = project.settings.suites.get(suite.plan.name)
    specs = () if configured is None else configured.scorers
    names = [str(spec.get("name") or spec["judge"]) for spec in specs if isinstance(spec, dict) and "judge" in spec]
    if len(names) > 1:
        raise SettingsError(f"suite {suite.plan.name} has the judges {', '.join(names)}: add --judge NAME")
    return next(iter(names), None)


def _cases(root: Path, run_id: str, suite: SuiteRun) -> dict[str, Case]:
    """Return the golden cases of the suite by id, if they have not changed since the run."""
    sets = golden.load([root / name for name in suite.plan.golden], root=root)
    digests = sorted(loaded.sha256 for loaded in sets)
    if suite.plan.golden_sha256 != (digests[0] if len(sets) == 1 else jsonl.digest(digests)):  # as make_plan does
        raise SettingsError(
            f"the golden set of suite {suite.plan.name} has changed since run {run_id}: run pytest --eval-gate again, "
            "then draw"
        )
    return {case.id: case for loaded in sets for case in loaded}


def _print_summary(
    args: argparse.Namespace, candidates: Sequence[Candidate], drawn: Sequence[SampledOutput], judge: str | None
) -> None:
    sizes, taken = Counter(one.stratum for one in candidates), Counter(one.candidate.stratum for one in drawn)
    if args.json:
        print(json.dumps({name: {"outputs": sizes[name], "drawn": taken[name]} for name in sorted(sizes)}, indent=1))
        return
    whose = "the verdict of each case" if judge is None else f"the verdict of judge {judge}"
    lines = [f"drew {taken.total():,} of {count(sizes.total(), 'output')}, by {whose}:"]
    lines += [f"  {name}: {taken[name]:,} of {sizes[name]:,}" for name in sorted(sizes)]
    lines += [] if args.out is None else [f"wrote {args.out}"]
    print("\n".join(lines), file=sys.stderr)  # standard output may be the rows


@dataclass(frozen=True, slots=True)
class Candidate:
    """An output that people may label: the result of its case, its trial and its stratum."""

    result: CaseResult
    trial: Trial
    stratum: str


@dataclass(frozen=True, slots=True)
class SampledOutput:
    """A candidate that was drawn, weighted by the candidates per drawn output of its stratum."""

    candidate: Candidate
    weight: float


def candidates_of(results: Sequence[CaseResult], judge: str | None) -> list[Candidate]:
    """Return the first complete output of each case, with its stratum.

    The stratum is the verdict of ``judge``; without a judge, that of the case. Outputs without a verdict are left out,
    since a calibration cannot use them.
    """
    found = []
    for result in results:
        if result.case.side == "base":  # a case of the base branch that this branch removed or edited
            continue
        trial = next((trial for trial in result.trials if _is_complete(trial)), None)
        if trial is not None and (verdict := _verdict(trial, judge)) is not None:
            verdicts = [one for each in result.trials if (one := _verdict(each, judge)) is not None]
            found.append(Candidate(result, trial, _stratum(verdict, verdicts)))
    return found


def _is_complete(trial: Trial) -> bool:
    return trial.output is not None and trial.output.value is not None and trial.output.finish == "complete"


def _verdict(trial: Trial, judge: str | None) -> tuple[bool, float] | None:
    """Return whether an output passed, and its score; None if that is unknown."""
    if judge is None:
        return None if trial.value is None else (trial.value == 1, trial.value)
    score = next((score for score in trial.scores if score.name == judge), None)
    if score is None or score.passed is None or score.value is None:
        return None
    return score.passed, score.value


def _stratum(verdict: tuple[bool, float], trials: Sequence[tuple[bool, float]]) -> str:
    passed, score = verdict
    low, high = _UNSURE
    unsure = low <= score <= high or len({one for one, _ in trials}) > 1
    return f"{'pass' if passed else 'fail'}{', unsure' if unsure else ''}"


def draw(candidates: Sequence[Candidate], n: int, seed: int) -> list[SampledOutput]:
    """Draw at most ``n`` candidates, in their order; equally many of each stratum that is large enough."""
    strata: dict[str, list[int]] = {}
    for index, candidate in enumerate(candidates):
        strata.setdefault(candidate.stratum, []).append(index)
    shares = _allocate({name: len(members) for name, members in strata.items()}, n)
    random = np.random.default_rng(seed)
    weights: dict[int, float] = {}
    for name in sorted(strata):
        members, share = strata[name], shares[name]
        for place in random.permutation(len(members))[:share].tolist():
            weights[members[place]] = len(members) / share
    return [SampledOutput(candidates[index], weights[index]) for index in sorted(weights)]


def _allocate(sizes: Mapping[str, int], n: int) -> dict[str, int]:
    """Divide ``n`` among the strata: one place to each in turn, the smallest first, until it is full."""
    shares = dict.fromkeys(sizes, 0)
    order = sorted(sizes, key=lambda name: (sizes[name], name))
    left = min(n, sum(sizes.values()))
    while left:
        for name in order:
            if left and shares[name] < sizes[name]:
                shares[name] += 1
                left -= 1
    return shares


def sheet(drawn: Iterable[SampledOutput], cases: Mapping[str, Case], form: Format) -> str:
    """Return the drawn outputs as a file; ``cases`` are those of the golden set, by id."""
    rows = [_row(one, cases.get(one.candidate.result.case.golden_id)) for one in drawn]
    if form == "jsonl":
        ordered = ({name: row[name] for name in _COLUMNS if name in row} for row in rows)
        return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in ordered)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        context = "\n\n".join(row.get("context", ()))
        writer.writerow([cell_of({**row, "context": context}.get(name)) for name in _COLUMNS])
    return text.getvalue()


def _row(drawn: SampledOutput, case: Case | None) -> dict[str, Json]:
    output, planned = drawn.candidate.trial.output, drawn.candidate.result.case
    fields: dict[str, Json] = {"id": planned.id, "cluster": planned.cluster}
    if output is not None:
        fields["output"] = output.value
    if case is not None:
        messages = [dict(message) for message in case.messages]
        fields["input"] = case.input if case.input is not None else messages or dict(case.vars) or None
        fields["expected"] = case.expected if case.expected is not None else list(case.expected_any)
        # the context that a judge gets: the one that the application retrieved, else that of the case
        fields["context"] = list(case.context if output is None else material_of(case, output).context)
    present = {name: value for name, value in fields.items() if value not in (None, [])}
    return {**present, "label": None, "weight": round(drawn.weight, 6)}
