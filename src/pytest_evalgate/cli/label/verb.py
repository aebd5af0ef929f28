"""``pytest-evalgate label``: its actions, and the options and screens of ``sample``, ``import`` and ``check``.

Flow of ``sample``: the outputs of a stored run are candidates; draw equally many of each stratum (pass or fail, unsure
or not); write them with their cases, each with the weight that corrects for the strata. ``calibrate --labels`` reads
the file back.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from pytest_evalgate import golden
from pytest_evalgate.app.project import Project, suites_of
from pytest_evalgate.cli.label.adjudicate import ADJUDICATE, add_pass_label, add_raters
from pytest_evalgate.cli.label.pairs import sample_pairs
from pytest_evalgate.cli.label.planned import planned
from pytest_evalgate.cli.label.sheet import Format, drawn_rows, extended_sheet, new_sheet
from pytest_evalgate.cli.options import add_run, add_seed, add_suite, number, whole_number
from pytest_evalgate.cli.printing import print_result
from pytest_evalgate.cli.verb import Actions, Verb
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judges.label_sample import UNJUDGED, candidates_of, draw, top_up, was_asked
from pytest_evalgate.scorers.part import has_part
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.judges.label_sample import Candidate, LabelSample
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import SuiteRun

_MAX_OUTPUTS: Final = 1_000_000
_price: Final = number(0.0001, 1e6)


def _add_sample_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    add_suite(parser, "the only one of the run")
    add_run(parser)
    option("--judge", metavar="NAME", help="judge whose verdicts form the strata (default: the suite's only judge)")
    option(
        "--against",
        metavar="BASE",
        help="draw pairs of outputs, of this run and of BASE (baseline, or the id of a run), for run_labels of the "
        "suite",
    )
    option("--n", type=whole_number(_MAX_OUTPUTS), default=100, help="number of outputs (default: 100)")
    option(
        "--more",
        type=whole_number(_MAX_OUTPUTS),
        metavar="N",
        help="draw N further outputs of the same run into the file --out, and update its weights",
    )
    option(
        "--width",
        type=number(1, 99),
        metavar="POINTS",
        help="as --more, with as many outputs as narrow the 95%% intervals of TPR and TNR to POINTS percentage points",
    )
    option(
        "--repeats",
        type=whole_number(_MAX_OUTPUTS),
        default=0,
        metavar="N",
        help="give N of the outputs a second row, to show whether raters agree with themselves (label check)",
    )
    add_pass_label(parser)
    add_seed(parser, "the sample")
    option("--format", dest="form", choices=get_args(Format), help="default: by the suffix of --out, else jsonl")
    option("--out", type=Path, metavar="FILE", help="new file for the rows (default: print them)")


def _sample(args: argparse.Namespace) -> int:
    _check_out(args)
    project = Project.find()
    run = project.run(args.run_id)
    suite = _only(suites_of(run, args.suite))
    if args.against is not None:
        part = _graded_part(args, project, suite)
        return sample_pairs(args, project, suite, _cases(project.root, run.id, suite), part)
    judge, field = args.judge or _asked_judge_of(project, suite), _graded_part(args, project, suite)
    candidates = candidates_of(suite.results, judge)
    if not candidates:
        whose = "" if judge is None else f" of {judge}"
        raise SettingsError(f"run {run.id}: no output of suite {suite.plan.name} has a verdict{whose} to sample by")
    cases = _cases(project.root, run.id, suite)
    candidates = _with_part(candidates, cases, field)
    more = args.more
    if args.width is not None:
        plan = planned(args, candidates, field)
        if not any(plan.add.values()):
            return 0
        more = plan.add
    if more is not None:
        sample = top_up(candidates, drawn_rows(args.out, field), more, args.seed)
        files.write_atomically(args.out, extended_sheet(args.out, sample, cases, field).encode())
        _print_summary(args, candidates, sample, judge, f"added {count(len(sample.added), 'row')} to {args.out}")
        return 0
    sample = draw(candidates, args.n, args.seed)
    is_csv = args.out is not None and args.out.suffix.lower() == ".csv"
    repeated = random.Random(args.seed).sample(  # noqa: S311 - reproducible, and no secret
        [one.candidate.id for one in sample.added], min(args.repeats, len(sample.added))
    )
    text = new_sheet(sample.added, cases, args.form or ("csv" if is_csv else "jsonl"), field, repeated)
    if args.out is None:
        print(text, end="")
    else:
        files.write_atomically(args.out, text.encode())
    _print_summary(args, candidates, sample, judge, "" if args.out is None else f"wrote {args.out}")
    return 0


def _check_out(args: argparse.Namespace) -> None:
    if args.json and args.out is None:
        raise SettingsError("--json prints the counts, so the rows need a file: add --out FILE")
    adding = next((option for option in ("more", "width") if getattr(args, option) is not None), None)
    if args.width is not None and (args.more is not None or args.against is not None):
        raise SettingsError("--width finds the number of outputs of one run: leave out --more and --against")
    if adding is not None and (args.out is None or not args.out.exists()):
        raise SettingsError(f"--{adding} adds rows to the file of an earlier sample: name it with --out FILE")
    if args.repeats and (adding is not None or args.against is not None):
        raise SettingsError("--repeats is for a new sample of one run: leave out --more, --width and --against")
    if adding is None and args.out is not None and args.out.exists():
        raise SettingsError(f"{args.out} exists and may contain labels: choose another file, or add --more N")


def _add_check_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("labels", type=Path, metavar="FILE", help="label file with the labels of two or more raters, or gold rows")
    add_pass_label(parser)
    add_raters(parser)
    prices = parser.add_mutually_exclusive_group()
    prices.add_argument(
        "--hourly-rate", type=_price, metavar="X", help="price of an hour; needs the seconds of labels"
    )
    prices.add_argument("--cost-per-label", type=_price, metavar="X", help="price of a label, accepted or not")


def _check(args: argparse.Namespace) -> int:
    from pytest_evalgate.cli.label.raters_screen import render  # noqa: PLC0415 - scipy, 0.75 s
    from pytest_evalgate.judges.raters import LabelPrice, check_raters  # noqa: PLC0415 - as above
    from pytest_evalgate.judges.ratings import load_ratings  # noqa: PLC0415 - as above

    name = files.relative_name(args.labels, Path.cwd())
    price = None
    if args.hourly_rate is not None or args.cost_per_label is not None:
        price = LabelPrice(args.cost_per_label, args.hourly_rate)
    found = check_raters(load_ratings(args.labels, name, tuple(args.pass_label), tuple(args.rater)), price)
    options = [part for label in args.pass_label for part in ("--pass-label", label)]
    options += [part for path in args.rater for part in ("--rater", path)]
    print_result(args, found, render(name, found, options))
    return 0


def _add_import_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("export", type=Path, metavar="EXPORT", help="export of Label Studio or Argilla")
    option("--question", metavar="NAME", help="question whose answers are the labels (default: the only one)")
    option("--out", type=Path, required=True, metavar="FILE.jsonl", help="new file for the rows")


def _import(args: argparse.Namespace) -> int:
    from pytest_evalgate.curation.label_exports import label_lines, read_labels  # noqa: PLC0415 - numpy, 0.1 s

    if args.out.exists():
        raise SettingsError(f"{args.out} exists and may contain labels: choose another file")
    found = read_labels(args.export, files.relative_name(args.export, Path.cwd()), args.question)
    files.write_atomically(args.out, label_lines(found))
    rows = count(len(found.rows), "label")
    lines = [
        f"{found.tool}: {rows} of {count(found.raters, 'rater')} to the question {found.question}",
        f"wrote {args.out}",
        f"next: pytest-evalgate label check {args.out}",
    ]
    summary = {"tool": found.tool, "question": found.question, "labels": len(found.rows), "raters": found.raters}
    print_result(args, {"file": str(args.out), **summary}, lines)
    return 0


VERB: Final[Actions] = {
    "sample": Verb(
        "Draw outputs of a stored run for people to label: equally many that the judge passes, fails and is unsure "
        "about; if the judge was not asked, by the verdicts of the cases, or all alike. Fill in each label, then run: "
        "pytest-evalgate calibrate NAME --labels FILE. Sends nothing.",
        "pytest-evalgate label sample --suite support --out labels/support.csv",
        _sample,
        _add_sample_arguments,
        json="print the counts of each stratum as JSON; needs --out",
    ),
    "import": Verb(
        "Write a label file from an export of Label Studio (JSON, JSON-MIN) or Argilla (records as a list): one row "
        "for each output and rater. E-mail addresses of raters are left out. Sends nothing.",
        "pytest-evalgate label import export.json --out labels/rated.jsonl",
        _import,
        _add_import_arguments,
    ),
    "check": Verb(
        "Measure how well raters agree: with each other, with gold labels, and with themselves on repeated rows and "
        "over time; and what a label costs. Sends nothing.",
        "pytest-evalgate label check labels/faq.jsonl",
        _check,
        _add_check_arguments,
    ),
    "adjudicate": ADJUDICATE,
}


def _only(suites: Sequence[SuiteRun]) -> SuiteRun:
    if len(suites) > 1:
        raise SettingsError(
            f"the run has the suites {', '.join(suite.plan.name for suite in suites)}: add --suite NAME"
        )
    return suites[0]


def _judges_of(project: Project, suite: SuiteRun) -> dict[str, str | None]:
    """Return the part of the output that each judge of a suite grades, by the name of its scores; None for all."""
    configured = project.settings.suites.get(suite.plan.name)
    specs = () if configured is None else configured.scorers
    judges = [spec for spec in specs if isinstance(spec, dict) and "judge" in spec]
    return {str(spec.get("name") or spec["judge"]): spec.get("field") for spec in judges}


def _asked_judge_of(project: Project, suite: SuiteRun) -> str | None:
    """Return the name of the scores of the suite's only judge; None if it has none, or if the run did not ask it."""
    names = _judges_of(project, suite)
    if len(names) > 1:
        raise SettingsError(f"suite {suite.plan.name} has the judges {', '.join(names)}: add --judge NAME")
    return next((name for name in names if was_asked(suite.results, name)), None)


def _graded_part(args: argparse.Namespace, project: Project, suite: SuiteRun) -> str | None:
    """Return the ``field`` of the judge that people's labels are for, or of all judges of the suite if it is the same.

    People are to see what the judge sees.
    """
    fields = _judges_of(project, suite)
    if args.judge is not None:
        return fields.get(args.judge)
    found = set(fields.values())
    if len(found) > 1:
        raise SettingsError(
            f"the judges {', '.join(fields)} of suite {suite.plan.name} grade other parts: add --judge NAME"
        )
    return next(iter(found), None)


def _with_part(candidates: list[Candidate], cases: Mapping[str, Case], field: str | None) -> list[Candidate]:
    """Return the candidates that have the graded part; the judge fails the others without being asked."""
    if field is None:
        return candidates
    kept = [one for one in candidates if has_part(one.output, field, cases.get(one.result.case.golden_id))]
    if not kept:
        raise SettingsError(f"no output has {field}, the part that the judge grades: fix the field of the judge")
    if lost := len(candidates) - len(kept):
        print(f"{count(lost, 'output')} without {field} fail without the judge: not drawn", file=sys.stderr)
    return kept


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
    args: argparse.Namespace, candidates: Sequence[Candidate], sample: LabelSample, judge: str | None, wrote: str
) -> None:
    sizes = Counter(one.stratum for one in candidates)
    taken = Counter(one.stratum for one in candidates if one.id in sample.weights)
    if args.json:
        print(json.dumps({name: {"outputs": sizes[name], "drawn": taken[name]} for name in sorted(sizes)}, indent=1))
        return
    whose = "the verdict of each case" if judge is None else f"the verdict of judge {judge}"
    by = "all alike" if UNJUDGED in sizes else f"by {whose}"
    lines = [f"drew {taken.total():,} of {count(sizes.total(), 'output')}, {by}:"]
    lines += [f"  {name}: {taken[name]:,} of {sizes[name]:,}" for name in sorted(sizes)]
    lines += [wrote] if wrote else []
    print("\n".join(lines), file=sys.stderr)  # standard output may be the rows
