"""``pytest-evalgate calibrate``: its options, and its JSON."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from pytest_evalgate.app.project import Project
from pytest_evalgate.cli.calibrate.classes_screen import render_classes
from pytest_evalgate.cli.calibrate.screen import render
from pytest_evalgate.cli.calibrate.work import CalibrateOptions, calibrate, measure_classes
from pytest_evalgate.cli.options import add_seed, number, whole_number
from pytest_evalgate.cli.printing import print_result
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judges.label_scale import NumberRange
from pytest_evalgate.judges.labels import Columns
from pytest_evalgate.judges.measure import MeasureOptions
from pytest_evalgate.judges.rates import Bootstrap
from pytest_evalgate.judges.threshold import Aim, AimName

if TYPE_CHECKING:
    from pytest_evalgate.cli.calibrate.work import CalibrationResult
    from pytest_evalgate.records.cases import Json

_EXIT_MAY_NOT_GATE: Final = 1
_MAX_TIMES: Final = 15
_MAX_LISTED: Final = 1_000_000
_MAX_NUMBER: Final = 1e9


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("judge", metavar="NAME", help="a judge")
    option("--labels", type=Path, required=True, metavar="FILE", help="labelled outputs, JSONL or CSV")
    option("--golden", type=Path, metavar="FILE", help="golden set that contains their cases, joined by id")
    option("--outputs", type=Path, metavar="FILE", help="outputs that were labelled, joined by id")
    option("--out", type=Path, metavar="FILE", help="file to write (default: the judge's calibration file)")
    option("--pass-label", action="append", default=[], metavar="LABEL", help="a label that means pass; repeatable")
    option("--rater", action="append", default=[], metavar="PATH", help="field with one rater's label; repeatable")
    option("--scale", type=_range, metavar="LOW-HIGH", help="scale of labels that are numbers (default: theirs)")
    option("--pass-from", type=number(-_MAX_NUMBER, _MAX_NUMBER), metavar="N", help="lowest number that passes")
    option("--stored", metavar="PATH", help="field with the judge's verdicts; no call is sent then")
    option("--stored-scale", type=_range, metavar="LOW-HIGH", help="scale of stored numbers (default: theirs)")
    option("--swapped", metavar="PATH", help="with --stored: field with its verdicts on pairs in the other order")
    option("--classes", action="store_true", help="with --stored: compare labels and verdicts as classes, by name")
    option("--order", type=_classes, default=(), metavar="A,B,C", help="as --classes, ordered from low to high")
    option("--by", metavar="PATH", help="field of the group of a row, for correlations per group")
    option("--partial", metavar="PATH", help="field of a number, for correlations without its effect")
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
        help="number of disagreements to print with -v (default: 10)",
    )
    option("-v", "--verbose", action="store_true", help="print all figures, and the disagreements")


def _range(text: str) -> NumberRange:
    try:
        return NumberRange.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _classes(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len({name.casefold() for name in names}) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r} does not list different classes, such as bad,fair,good")
    return names


def _run(args: argparse.Namespace) -> int:
    project, options = Project.find(), _options(args)
    if args.classes or args.order:
        report = measure_classes(project, options, args.order)
        print_result(args, report, render_classes(args.judge, report, args.labels.name))
        return 0
    found = calibrate(project, options)
    print_result(args, _as_json(found), render(found, args.listed if args.verbose else None))
    return _EXIT_MAY_NOT_GATE if found.why_not else 0


VERB: Final = Verb(
    "Measure a judge against human labels: its error rates, their uncertainty, and whether it may gate. Prints the "
    "two rates that decide; -v prints all figures and the disagreements. Writes the calibration file that gates read, "
    "and charts beside it. Sends a call for each label that is not cached, and none with --stored. Exits with "
    "1 if the judge may not gate, with 11 if the calls failed, and with 4 if the labels or the judge cannot be used.",
    "pytest-evalgate calibrate faq --labels labels/faq.jsonl",
    _run,
    _add_arguments,
)


def _options(args: argparse.Namespace) -> CalibrateOptions:
    if args.stored is None and args.swapped is not None:
        raise SettingsError("--swapped needs the stored verdicts in the first order: add --stored PATH")
    if args.stored is None and (args.classes or args.order or args.stored_scale):
        raise SettingsError("--classes, --order and --stored-scale describe stored verdicts: add --stored PATH")
    if args.stored is not None and (args.golden or args.outputs or args.times > 1):
        raise SettingsError("--stored sends no call: leave out --golden, --outputs and --times")
    return CalibrateOptions(
        judge=args.judge,
        labels=args.labels,
        columns=Columns(
            pass_labels=tuple(args.pass_label),
            raters=tuple(args.rater),
            stored=args.stored,
            swapped=args.swapped,
            numbers=args.scale,
            pass_from=args.pass_from,
            stored_numbers=args.stored_scale,
            group=args.by,
            controlled=args.partial,
        ),
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
