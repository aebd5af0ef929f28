"""Patterns of ``pytest-evalgate query``: point, series, slices, cases, trend, compare."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.cli.compare.result import CompareOptions, compare
from pytest_evalgate.cli.compare.screen import render
from pytest_evalgate.cli.compare.sides import Side
from pytest_evalgate.cli.options import add_suite, whole_number
from pytest_evalgate.cli.printing import print_result, wrapped
from pytest_evalgate.cli.store_question import add_filters, add_pages, asking, filter_of, print_answer
from pytest_evalgate.cli.verb import Actions, Verb
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.store import questions
from pytest_evalgate.store.questions import CaseFilter
from pytest_evalgate.store.restored import RestoredRuns
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.wording import count, first_few

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.cli.store_question import Asking
    from pytest_evalgate.store.drivers import Row
    from pytest_evalgate.store.filters import RunFilter

_POINT: Final = ("created", "run_id", "value", "lower_bound", "upper_bound", "n", "verdict", "marks")
_WORST: Final = 100
_TREND: Final = 60
_MOST_TREND: Final = 240
_NAMED: Final = 10
_ORDER: Final[Mapping[str, int]] = {"newest": 0, "previous": 1}


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
    by = [name.strip() for name in args.by.split(",") if name.strip()]
    if not by or len(set(by)) < len(by):
        raise SettingsError(f"--by {args.by}: name each slice once, such as lang,domain")
    with asking() as question:
        run = questions.find_run(question.database, filter_of(args, question.name))
        found = replace(
            questions.slices(question.database, args.suite, by, run),
            notes=(f"run {run['run_id']} of {run['created']}",),
        )
        columns = (*by, "n", "passed", "value", "lower_bound", "upper_bound", "delta", "p")
        return print_answer(args, found, columns, question.project)


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
            if args.after is not None:
                raise SettingsError("--flaky has one page: raise --limit")
            found = questions.flaky(question.database, args.suite, chosen)
            return print_answer(args, found, ("case_id", "passes", "trials", "runs"), question.project)
        return _cases_of_run(args, question, chosen)


def _cases_of_run(args: argparse.Namespace, question: Asking, chosen: RunFilter) -> int:
    run = questions.find_run(question.database, replace(chosen, after=None))
    outcome = "missed" if args.failed else "errored" if args.errored else None
    limit = args.limit if args.worst is None else args.worst
    skip = _skip(args.after)
    whole = args.worst is not None  # the number asked for is no page
    found = questions.cases(question.database, args.suite, run, CaseFilter(outcome, limit=limit, skip=skip))
    found = replace(found, after=None if whole else found.after, notes=(f"run {run['run_id']} of {run['created']}",))
    if not args.json and not args.csv:
        found = replace(found, rows=tuple({**row, "scores": _short(row)} for row in found.rows))
    columns = ("case_id", "outcome", "passed", "trials", "scores", "latency_s", "cost_usd", "error")
    return print_answer(args, found, columns, question.project)


def _short(row: Row) -> list[str]:
    return [
        f"{score['scorer']} {'?' if score['value'] is None else format(score['value'], '.3g')}"
        for score in row["scores"]
    ]


def _skip(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) < 10):  # noqa: PLR2004 - below 2**31
        raise SettingsError(f"--after {after}: give the number that the page before printed")
    return int(after)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    side = "id of a stored run, newest, or previous"
    parser.add_argument("older", metavar="A", help=f"the older run: {side}")
    parser.add_argument("newer", metavar="B", help=f"the newer run: {side}")
    add_suite(parser, "every one in both runs")
    add_filters(parser, pages=False)


def _compare(args: argparse.Namespace) -> int:
    with asking() as question:
        older, newer = (_side(question, spec, args) for spec in (args.older, args.newer))
        found = compare(question.project, older, newer, CompareOptions(args.suite))
    print_result(args, found.as_json(regressed_only=False), render(found, regressed_only=False))
    return 0


def _side(question: Asking, spec: str, args: argparse.Namespace) -> Side:
    chosen = filter_of(args, question.name)
    chosen = chosen if spec in _ORDER else replace(chosen, run_id=spec)
    row = questions.find_run(question.database, chosen, skip=_ORDER.get(spec, 0))
    run = RestoredRuns(question.database).run(row, args.suite)
    suites = {suite.plan.name: suite for suite in run.suites}
    return Side(spec, tuple(suites), suites.get, run)


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
