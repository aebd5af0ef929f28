"""``pytest-evalgate correlate``: compare stored runs with production outcomes of the same releases or days."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.correlating import DEFAULT_METRIC, OnlineCorrelation, correlate_outcomes
from pytest_evalgate.app.project import Project
from pytest_evalgate.cli.options import add_seed, add_suite
from pytest_evalgate.cli.printing import print_result, wrapped
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.reports.charts.scatter import Dot, scatter
from pytest_evalgate.reports.charts.svg import standalone
from pytest_evalgate.runs.outcomes import read_outcomes
from pytest_evalgate.text import files
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import align
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pytest_evalgate.stats.association import Association

_PICTURE: Final = "correlate.svg"
_MOST_LAGS: Final = 30


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option(
        "--outcomes",
        type=Path,
        required=True,
        metavar="CSV",
        help="file with a column commit, release (a git tag) or day, and a column of outcomes",
    )
    option("--outcome", metavar="COLUMN", help="column of the outcomes (default: the only one that is not a key)")
    option(
        "--metric",
        default=DEFAULT_METRIC,
        metavar="NAME",
        help="pass_rate (default), or a scorer, for its mean",
    )
    add_suite(parser, "the only one of the history")
    option(
        "--max-lag",
        type=int,
        choices=range(_MOST_LAGS + 1),
        default=3,
        metavar="N",
        help="compare with outcomes up to N releases or days later, too (0 to 30, default: 3)",
    )
    option("--svg", type=Path, metavar="FILE", help="file of the chart (default: correlate.svg in the state folder)")
    add_seed(parser, "random orders and resamples")


def _run(args: argparse.Namespace) -> int:
    outcomes = read_outcomes(args.outcomes, args.outcome)
    project = Project.find()
    found = correlate_outcomes(
        project, outcomes, suite=args.suite, metric=args.metric, max_lag=args.max_lag, seed=args.seed
    )
    picture = args.svg or project.state.path / _PICTURE
    if found.points:
        files.write_atomically(picture, _picture(found).encode("utf-8"))
    print_result(args, found, _lines(found, files.relative_name(picture.absolute(), project.root)))
    return 0


def _picture(found: OnlineCorrelation) -> str:
    title = f"{found.suite}: {found.metric} against {found.outcome}"
    dots = [Dot(point.key, point.metric, point.outcome) for point in found.points]
    return standalone(scatter(title, found.conclusion, (found.metric, found.outcome), dots))


def _lines(found: OnlineCorrelation, picture: str) -> Iterator[str]:
    without = f"; {count(found.without_run, 'outcome')} without a run" if found.without_run else ""
    runs = count(sum(point.runs for point in found.points), "run")
    yield one_line(
        f"{found.suite}: {found.metric} against {found.outcome}, joined by {found.joined_by}, {runs}{without}"
    )
    if found.spearman is not None and found.kendall is not None:
        heading = ("", "value", "95% interval", "p")
        yield from (f"  {line}" for line in align([heading, *map(_row, ("spearman", "kendall"), _both(found))]))
    if len(found.lags) > 1:
        rows = [(str(one.lag), str(one.n), *map(_number, (one.value, one.p, one.p_adjusted))) for one in found.lags]
        columns = ("lag", "n", "spearman", "p", f"p of {len(found.lags)} lags")
        yield from (f"  {line}" for line in align([columns, *rows]))
    if found.golden_sets > 1:
        yield from wrapped(f"the runs have {found.golden_sets} golden sets: their numbers are not comparable", "")
    yield from wrapped(one_line(found.conclusion), "")
    if found.points:
        yield from wrapped("p assumes independent points: two series that both rise correlate as well", "")
        yield f"chart: {picture}"


def _both(found: OnlineCorrelation) -> tuple[Association | None, Association | None]:
    return found.spearman, found.kendall


def _row(name: str, one: Association | None) -> tuple[str, str, str, str]:
    if one is None or one.p is None:
        return name, "-", "-", "-"
    interval = "-" if one.interval is None else f"{one.interval.lower:+.2f}..{one.interval.upper:+.2f}"
    return name, _number(one.value), interval, f"{one.p:.2g} ({one.method})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


VERB: Final = Verb(
    "Compare stored runs with production outcomes of the same commits, releases or days.",
    "pytest-evalgate correlate --outcomes outcomes.csv --suite faq",
    _run,
    _add_arguments,
)
