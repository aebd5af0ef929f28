"""Patterns of ``pytest-evalgate query``: point, series, slices, cases, trend, compare."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app import stored_answers
from pytest_evalgate.app.comparing import CompareOptions, compare
from pytest_evalgate.app.stored_sides import stored_side
from pytest_evalgate.cli.compare.screen import render
from pytest_evalgate.cli.options import add_suite, whole_number
from pytest_evalgate.cli.printing import print_result, wrapped
from pytest_evalgate.cli.store_question import add_filters, add_pages, asking, filter_of, print_answer
from pytest_evalgate.cli.verb import Actions, Verb
from pytest_evalgate.store import questions
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.wording import count, first_few

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.app.stored_answers import CaseChoice
    from pytest_evalgate.cli.store_question import Asking
    from pytest_evalgate.store.drivers import Row
    from pytest_evalgate.store.filters import RunFilter

_POINT: Final = ("created", "run_id", "value", "lower_bound", "upper_bound", "n", "verdict", "marks")
_WORST: Final = 100
_TREND: Final = 60
_MOST_TREND: Final = 240
_NAMED: Final = 10


def _add_metric(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suite", metavar="SUITE", help="name of the suite")
    parser.add_argument(
        "metric", metavar="METRIC", help="pass_rate, score.NAME, cost_usd, latency_p95_s, error_rate, ..."
    )
    add_filters(parser)


def _point(args: argparse.Namespace) -> int:
    with asking() as question:
        found = questions.point(question.database, args.suite, args.metric, filter_of(args, question.name))
        return print_answer(args, found, _POINT, question.project)


def _add_series(parser: argparse.ArgumentParser) -> None:
    _add_metric(parser)
    parser.add_argument("--by", choices=("run", "day"), default="run", help="one point a run, or the last of each day")


def _series(args: argparse.Namespace) -> int:
    with asking() as question:
        chosen, by_day = filter_of(args, question.name), args.by == "day"
        found = questions.series(question.database, args.suite, args.metric, chosen, by_day=by_day)
        return print_answer(args, found, _POINT, question.project)


def _add_slices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suite", metavar="SUITE", help="name of the suite")
    parser.add_argument(
        "--by", required=True, metavar="NAME[,NAME]", help="slices to combine; en_US and a.b count for en and a too"
    )
    add_filters(parser, pages=False)
    parser.add_argument("--csv", action="store_true", help="print CSV")


def _slices(args: argparse.Namespace) -> int:
    with asking() as question:
        found = stored_answers.slices(question.database, args.suite, args.by, filter_of(args, question.name))
        columns = (*args.by.split(","), "n", "passed", "value", "lower_bound", "upper_bound", "delta", "p")
        return print_answer(args, found, [name.strip() for name in columns], question.project)


def _add_cases(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suite", metavar="SUITE", help="name of the suite")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--worst", type=whole_number(_WORST * _WORST), metavar="N", help="the N worst cases of the run")
    which.add_argument("--failed", action="store_true", help="the cases of the run that missed")
    which.add_argument("--errored", action="store_true", help="the cases of the run without an output")
    which.add_argument("--flaky", action="store_true", help="the cases that passed and missed in the last 20 runs")
    which.add_argument("--case", metavar="ID", help="one case over the runs")
    add_filters(parser, pages=False)
    add_pages(parser, _WORST)


def _cases(args: argparse.Namespace) -> int:
    with asking() as question:
        chosen = filter_of(args, question.name)
        if args.case is not None:
            columns = ("created", "run_id", "outcome", "passed", "trials", "latency_s", "error")
            found = questions.case_history(question.database, args.suite, args.case, chosen)
            return print_answer(args, found, columns, question.project)
        if args.flaky:
            found = stored_answers.cases(question.database, args.suite, "flaky", chosen)
            return print_answer(args, found, ("case_id", "passes", "trials", "runs"), question.project)
        return _cases_of_run(args, question, chosen)


def _cases_of_run(args: argparse.Namespace, question: Asking, chosen: RunFilter) -> int:
    choice: CaseChoice = "failed" if args.failed else "errored" if args.errored else "worst"
    if args.worst is not None:
        chosen = replace(chosen, limit=args.worst)
    found = stored_answers.cases(question.database, args.suite, choice, chosen)
    if args.worst is not None:  # the number asked for is no page
        found = replace(found, after=None)
    if not args.json and not args.csv:
        found = replace(found, rows=tuple({**row, "scores": _short(row)} for row in found.rows))
    columns = ("case_id", "outcome", "passed", "trials", "scores", "latency_s", "cost_usd", "error")
    return print_answer(args, found, columns, question.project)


def _short(row: Row) -> list[str]:
    return [
        f"{score['scorer']} {'?' if score['value'] is None else format(score['value'], '.3g')}"
        for score in row["scores"]
    ]


def _add_compare(parser: argparse.ArgumentParser) -> None:
    side = "id of a stored run, newest, or previous"
    parser.add_argument("older", metavar="A", help=f"the older run: {side}")
    parser.add_argument("newer", metavar="B", help=f"the newer run: {side}")
    add_suite(parser, "every one in both runs")
    add_filters(parser, pages=False)


def _compare(args: argparse.Namespace) -> int:
    with asking() as question:
        chosen = filter_of(args, question.name)
        older, newer = (stored_side(question.database, spec, chosen) for spec in (args.older, args.newer))
        found = compare(question.project, older, newer, CompareOptions(args.suite))
    print_result(args, found.as_json(regressed_only=False), render(found, regressed_only=False))
    return 0


def _add_trend(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("suite", metavar="SUITE", help="name of the suite")
    parser.add_argument("metric", metavar="METRIC", help="pass_rate, score.NAME, cost_usd, latency_p95_s, ...")
    add_filters(parser, pages=False)
    parser.add_argument(
        "--limit",
        type=whole_number(_MOST_TREND),
        default=_TREND,
        metavar="N",
        help=f"newest runs ({_TREND}), at most {_MOST_TREND}",
    )


def _trend(args: argparse.Namespace) -> int:
    from pytest_evalgate.store.movement import movement  # noqa: PLC0415 - numpy and scipy

    with asking() as question:
        found = movement(question.database, args.suite, args.metric, filter_of(args, question.name))
    lines = [
        f"{args.suite} {args.metric}: {found.sentence}",
        *_changed_cases("pass no longer", found.lost),
        *_changed_cases("pass now", found.gained),
        *(f"  changed in that run: {one_line(c)}" for c in found.causes),
        *(f"  {signal.line}" for signal in found.signals),
    ]
    print_result(args, found, lines)
    return 0


def _changed_cases(what: str, ids: Sequence[str]) -> Iterator[str]:
    if ids:
        yield from wrapped(f"{count(len(ids), 'case')} that {what}: {first_few(list(map(one_line, ids)), _NAMED)}")


VERB: Final[Actions] = {
    "point": Verb(
        "Print the newest value of a metric, with its interval.",
        "pytest-evalgate query point support pass_rate",
        _point,
        _add_metric,
    ),
    "series": Verb(
        "Print a metric over the runs, with promotions and changes as marks.",
        "pytest-evalgate query series support pass_rate --since 30d",
        _series,
        _add_series,
    ),
    "slices": Verb(
        "Print the pass rate of each slice of a run, and of combinations of slices.",
        "pytest-evalgate query slices support --by lang",
        _slices,
        _add_slices,
    ),
    "cases": Verb(
        "Print cases with their scores: the worst, missed, errored or flaky ones, or one over time.",
        "pytest-evalgate query cases support --worst 10",
        _cases,
        _add_cases,
    ),
    "trend": Verb(
        "Print whether a metric moved, since which run, which cases, and what changed in that run.",
        "pytest-evalgate query trend support pass_rate",
        _trend,
        _add_trend,
    ),
    "compare": Verb(
        "Compare two stored runs by the test of the gates. Their run files may be gone.",
        "pytest-evalgate query compare previous newest",
        _compare,
        _add_compare,
    ),
}
