"""``pytest-evalgate calibrate``: the command line of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.cli.options import number, seed, whole_number
from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    import argparse

    from pytest_evalgate.cli.calibrate.work import CalibrateOptions, CalibrationResult
    from pytest_evalgate.records.results import Json

_ABOUT = (
    "Hold a judge against people's labels: how often it errs, how sure that is, and whether it may gate. Writes the "
    "record that its gates read, and charts beside it. Sends a call for every label that the cache does not know, and "
    "none with --stored."
)
_AIMS: Final = ("specificity", "youden", "cost")
_MAY_NOT_GATE: Final = 1
_MOST_TIMES: Final = 15
_MOST_LISTED: Final = 1_000_000


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser(
        "calibrate",
        help="hold a judge against people's labels, before it may gate",
        description=_ABOUT,
        epilog="example: pytest-evalgate calibrate faq --labels labels/faq.jsonl",
    )
    parser.add_argument("judge", metavar="NAME", help="a judge")
    _add_files(parser)
    _add_columns(parser)
    _add_measures(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _add_files(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("--labels", type=Path, required=True, metavar="FILE", help="labelled outputs, JSONL or CSV")
    option("--golden", type=Path, metavar="FILE", help="the golden set of their cases, joined by id")
    option("--outputs", type=Path, metavar="FILE", help="the outputs that were labelled, joined by id")
    option("--out", type=Path, metavar="FILE", help="write the record here (default: where the judge expects it)")


def _add_columns(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("--pass-label", action="append", default=[], metavar="LABEL", help="this label is a pass; may be repeated")
    option("--rater", action="append", default=[], metavar="PATH", help="what one rater said; may be repeated")
    option("--stored", metavar="PATH", help="read the judge's verdicts from the labels instead of asking it")
    option("--swapped", metavar="PATH", help="with --stored: its verdicts on pairs of answers that changed places")


def _add_measures(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option(
        "--choose-by", choices=_AIMS, default=_AIMS[0], help="what a threshold is chosen for (default: specificity)"
    )
    option("--specificity", type=number(0.5, 1), default=0.9, metavar="SHARE", help="of human fails that have to fail")
    option("--false-pass-cost", type=number(0.01, 100), default=1.0, metavar="X", help="in units of a false fail")
    option("--times", type=whole_number(_MOST_TIMES), default=1, metavar="K", help="ask about each label K times")
    option("--seed", type=seed, default=0, help="of the folds and of the bootstrap (default: 0)")
    option(
        "--list", dest="listed", type=whole_number(_MOST_LISTED), default=10, metavar="N", help="disagreements shown"
    )


def _run(args: argparse.Namespace) -> int:
    from pytest_evalgate.app.project import Project  # noqa: PLC0415 - the settings bring pydantic
    from pytest_evalgate.cli.calibrate import screen, work  # noqa: PLC0415 - scipy, for this verb only

    found = work.calibrate(Project.find(), _options(args))
    if args.json:
        print(json.dumps(_as_json(found), indent=1))
    else:
        print("\n".join(screen.render(found, args.listed)))
    return _MAY_NOT_GATE if found.why_not else 0


def _options(args: argparse.Namespace) -> CalibrateOptions:
    from pytest_evalgate.cli.calibrate.work import CalibrateOptions  # noqa: PLC0415 - scipy
    from pytest_evalgate.judges.labels import Columns  # noqa: PLC0415 - the same
    from pytest_evalgate.judges.measure import MeasureOptions  # noqa: PLC0415 - the same
    from pytest_evalgate.judges.rates import Bootstrap  # noqa: PLC0415 - the same
    from pytest_evalgate.judges.threshold import Aim  # noqa: PLC0415 - the same

    if args.stored is None and args.swapped is not None:
        raise SettingsError("--swapped holds the other half of verdicts that are stored: say --stored PATH too")
    if args.stored is not None and (args.golden or args.outputs or args.times > 1):
        raise SettingsError("--stored asks no judge: leave out --golden, --outputs and --times")
    return CalibrateOptions(
        judge=args.judge,
        labels=args.labels,
        columns=Columns(tuple(args.pass_label), tuple(args.rater), args.stored, args.swapped),
        options=MeasureOptions(Aim(args.choose_by, args.specificity, args.false_pass_cost), Bootstrap(args.seed)),
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
        "disagreements": [dataclasses.asdict(one) for one in found.measured.disagreements],
        "split": list(found.measured.split),
    }
