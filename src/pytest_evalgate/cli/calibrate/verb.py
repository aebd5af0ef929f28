"""``pytest-evalgate calibrate``: its options, and its JSON."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from pytest_evalgate.app.project import Project
from pytest_evalgate.cli.calibrate.screen import render
from pytest_evalgate.cli.calibrate.work import CalibrateOptions, calibrate
from pytest_evalgate.cli.options import add_seed, number, whole_number
from pytest_evalgate.cli.printing import print_result
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judges.labels import Columns
from pytest_evalgate.judges.measure import MeasureOptions
from pytest_evalgate.judges.rates import Bootstrap
from pytest_evalgate.judges.threshold import Aim, AimName

if TYPE_CHECKING:
    import argparse

    from pytest_evalgate.cli.calibrate.work import CalibrationResult
    from pytest_evalgate.records.cases import Json

_EXIT_MAY_NOT_GATE: Final = 1
_MAX_TIMES: Final = 15
_MAX_LISTED: Final = 1_000_000


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("judge", metavar="NAME", help="a judge")
    option("--labels", type=Path, required=True, metavar="FILE", help="labelled outputs, JSONL or CSV")
    option("--golden", type=Path, metavar="FILE", help="golden set that contains their cases, joined by id")
    option("--outputs", type=Path, metavar="FILE", help="outputs that were labelled, joined by id")
    option("--out", type=Path, metavar="FILE", help="file to write (default: the judge's calibration file)")
    option("--pass-label", action="append", default=[], metavar="LABEL", help="a label that means pass; repeatable")
    option("--rater", action="append", default=[], metavar="PATH", help="field with one rater's label; repeatable")
    option("--stored", metavar="PATH", help="field with the judge's verdicts; no call is sent then")
    option("--swapped", metavar="PATH", help="with --stored: field with its verdicts on pairs in the other order")
    aims = get_args(AimName)
    option("--choose-by", choices=aims, default=aims[0], help=f"criterion for the threshold (default: {aims[0]})")
    option(
        "--specificity",
        type=number(0.5, 1),
        default=0.9,
        metavar="SHARE",
        help="share of the human fails that the threshold has to fail (default: 0.9)",
    )
    option(
        "--false-pass-cost",
        type=number(0.01, 100),
        default=1.0,
        metavar="X",
        help="cost of a false pass, in units of a false fail (default: 1)",
    )
    option(
        "--times",
        type=whole_number(_MAX_TIMES),
        default=1,
        metavar="K",
        help="grade each output K times, to measure self-consistency (default: 1)",
    )
    add_seed(parser, "the folds and the bootstrap")
    option(
        "--list",
        dest="listed",
        type=whole_number(_MAX_LISTED),
        default=10,
        metavar="N",
        help="number of disagreements to print (default: 10)",
    )


def _run(args: argparse.Namespace) -> int:
    found = calibrate(Project.find(), _options(args))
    print_result(args, _as_json(found), render(found, args.listed))
    return _EXIT_MAY_NOT_GATE if found.why_not else 0


VERB: Final = Verb(
    "Measure a judge against human labels: its error rates, their uncertainty, and whether it may gate. Writes the "
    "calibration file that gates read, and charts beside it. Sends a call for each label that is not cached, and none "
    "with --stored.",
    "pytest-evalgate calibrate faq --labels labels/faq.jsonl",
    _run,
    _add_arguments,
)


def _options(args: argparse.Namespace) -> CalibrateOptions:
    if args.stored is None and args.swapped is not None:
        raise SettingsError("--swapped needs the stored verdicts in the first order: add --stored PATH")
    if args.stored is not None and (args.golden or args.outputs or args.times > 1):
        raise SettingsError("--stored sends no call: leave out --golden, --outputs and --times")
    return CalibrateOptions(
        judge=args.judge,
        labels=args.labels,
        columns=Columns(tuple(args.pass_label), tuple(args.rater), args.stored, args.swapped),
        measure=MeasureOptions(Aim(args.choose_by, args.specificity, args.false_pass_cost), Bootstrap(args.seed)),
        golden=args.golden,
        outputs=args.outputs,
        times=args.times,
        out=args.out,
    )


def _as_json(found: CalibrationResult) -> dict[str, Json]:
    record = found.record
    return {
        "may_gate": not found.why_not,
        "why_not": list(found.why_not),
        "files": list(found.files),
        "record": {field.name: getattr(record, field.name) for field in dataclasses.fields(record)},
        "disagreements": list(found.measured.disagreements),
        "split": list(found.measured.split),
    }
