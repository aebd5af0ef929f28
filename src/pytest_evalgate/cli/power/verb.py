"""The screen of ``pytest-evalgate power``: a finished plan as lines of at most 100 columns."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.cli.options import level, number, share, whole_number
from pytest_evalgate.cli.power.plan import CLUSTER_ICC, DROP_KINDS
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_evalgate.cli.power.plan import Clusters, DropKind, PowerPlan

_WIDTH = 100
_NAME = 44
_CELL = 13
_NONE = "-"
_KIND_LABELS: Final[Mapping[DropKind, str]] = {
    "flipping": "if cases that flip anyway get worse",
    "steady": "if cases that always passed break",
}


def render(plan: PowerPlan) -> tuple[str, ...]:
    """Render what stands for one suite."""
    sentences = (*_consequences(plan), f"advice: {_advice(plan)}")
    return (*_head(plan), "", *_table(plan), "", *(line for text in sentences for line in _wrapped(text)))


def _head(plan: PowerPlan) -> Iterator[str]:
    name = "" if plan.suite is None else f"{one_line(plan.suite)}: "
    yield from _wrapped(
        f"{name}{count(plan.cases, 'case')} ({one_line(plan.cases_source)}), {count(plan.trials, 'trial')} each; "
        f"alpha {plan.alpha:g}, power {plan.power_percent:g}%",
        indent="",
    )
    yield from _wrapped(
        f"{100 * plan.discordance:.1f}% of the cases differ between two identical runs "
        f"({one_line(plan.discordance_source)})"
    )


def _table(plan: PowerPlan) -> Iterator[str]:
    columns = plan.columns
    yield _row("", (count(column.trials, "trial") for column in columns))
    yield "  smallest drop that is seen, in points"
    for kind in DROP_KINDS:
        yield _row(f"  {_KIND_LABELS[kind]}", (_points(column.smallest_drop_points[kind]) for column in columns))
    yield f"  cases needed to see a drop of {plan.drop_points:g} points"
    for kind in DROP_KINDS:
        yield _row(f"  {_KIND_LABELS[kind]}", (_cases(column.cases_needed[kind]) for column in columns))
    name = f"cases needed for not_proven, margin {plan.margin_points:g} points"
    yield _row(name, (_cases(column.cases_not_proven) for column in columns))


def _row(name: str, cells: Iterable[str]) -> str:
    return f"  {name:<{_NAME}}" + "".join(f"{cell:>{_CELL}}" for cell in cells)


def _points(value: float | None) -> str:
    return _NONE if value is None else f"{value:.1f}"


def _cases(value: int | None) -> str:
    return _NONE if value is None else f"{value:,}"


def _consequences(plan: PowerPlan) -> Iterator[str]:
    yield _found(plan)
    yield f"at alpha {plan.alpha:g} no build fails with fewer than {count(plan.fewest_losses, 'worse case')}"
    for gate in plan.pass_rate_gates:
        wanted = f"pass-rate >= {gate.minimum_percent:g}%"
        if gate.passes is None:
            yield f"{wanted} cannot be met with {count(plan.cases, 'case')} of one trial, even if all of them pass"
        else:
            yield f"{wanted} asks for {gate.passes:,} passes of {plan.cases:,}"
    if plan.clusters is not None:
        yield _clustered(plan.clusters)


def _found(plan: PowerPlan) -> str:
    drop = f"a drop of {plan.drop_points:g} points"
    chances = sorted(chance for chance in plan.found_percent.values() if chance is not None)
    if not chances:
        return f"{drop} has no room beside so many cases that differ anyway"
    span = " to ".join(dict.fromkeys(f"{chance:.0f}%" for chance in chances))
    how = "exact, McNemar's mid-p test" if plan.trials == 1 else "Student's test of the means"
    return f"{drop} is found with a chance of {span} ({how})"


def _clustered(clusters: Clusters) -> str:
    if clusters.number is None:
        return f"cases belong together by {clusters.key}: it is clusters that count, so take more cases than this says"
    found = (
        f"cases belong together by {clusters.key}, in {count(clusters.number, 'cluster')}: it is clusters that count"
    )
    if clusters.smallest_drop_points is None:
        return f"{found}, and so few show nothing"
    return f"{found}; correlated by {CLUSTER_ICC:g}, they show a drop of {clusters.smallest_drop_points:.1f} points"


def _advice(plan: PowerPlan) -> str:
    """Advise for the drop that is harder to see: that of steady cases, unless there can be none so large."""
    kind: DropKind = "flipping" if plan.columns[0].cases_needed["steady"] is None else "steady"
    needed = {column.trials: column.cases_needed[kind] for column in plan.columns}
    now, drop = needed[plan.trials], f"a drop of {plan.drop_points:g} points"
    if now is None:
        return f"{drop} is more than can be planned for here: ask for a smaller one"
    if now <= plan.cases:
        return f"these cases are enough for {drop}, of either kind"
    more = [trials for trials, cases in needed.items() if trials > plan.trials and cases and cases <= plan.cases]
    if more:
        return f"--eval-trials {more[0]} in both runs shows {drop}, of either kind, with the cases that there are"
    return f"{count(now - plan.cases, 'more case')} ({now:,} in all) would show {drop}, of either kind{_fewer(plan)}"


def _fewer(plan: PowerPlan) -> str:
    best = plan.columns[-1]
    cases = best.cases_needed["steady"]
    if cases is None or best.trials <= plan.trials:
        return ""
    return f"; with {count(best.trials, 'trial')} each {count(cases - plan.cases, 'more case')} would"


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False)


_ABOUT = "Say which drop a suite can see, and how many cases and trials a smaller one needs. Sends nothing."
_MOST_CASES = 10_000_000
_MOST_TRIALS = 1_000


def add_parser(verbs: Any) -> None:
    """Define the verb."""
    parser = verbs.add_parser(
        "power",
        help="how many cases and trials a drop needs to be seen",
        description=_ABOUT,
        epilog="example: pytest-evalgate power support --drop 3",
    )
    parser.add_argument("suite", nargs="?", metavar="SUITE", help="a suite (default: every configured one)")
    option = parser.add_argument
    option(
        "--drop",
        type=number(0.1, 99),
        default=5.0,
        metavar="POINTS",
        help="the drop to be seen, in percentage points (default: 5)",
    )
    option(
        "--power",
        type=number(60, 99.9),
        default=80.0,
        metavar="PERCENT",
        help="how probable it shall be that the drop is seen (default: 80)",
    )
    option(
        "--alpha",
        type=level,
        help="one-sided level of the test (default: that of the suite's no-regression gate, else 0.05)",
    )
    option(
        "--cases", type=whole_number(_MOST_CASES), metavar="N", help="plan for so many cases (default: those it has)"
    )
    option(
        "--discordance",
        type=share,
        metavar="SHARE",
        help="share of cases that differ between two identical runs (default: measured, else 0.10)",
    )
    option("--trials", type=whole_number(_MOST_TRIALS), metavar="K", help="trials of each case, in both runs")
    option("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from pytest_evalgate.app.project import Project  # noqa: PLC0415 - the settings bring pydantic
    from pytest_evalgate.cli.power import plan  # noqa: PLC0415 - scipy, for this verb only

    options = plan.PowerOptions(
        drop=args.drop / 100,
        power=args.power / 100,
        alpha=args.alpha,
        cases=args.cases,
        discordance=args.discordance,
        trials=args.trials,
    )
    plans = plan.plans_of(Project.find(), args.suite, options)
    if args.json:
        print(json.dumps([dataclasses.asdict(plan) for plan in plans], indent=1))
    else:
        print("\n\n".join("\n".join(render(plan)) for plan in plans))
    return 0
