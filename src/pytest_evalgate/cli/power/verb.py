"""``pytest-evalgate power``: its options, and its screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.project import Project
from pytest_evalgate.cli.options import add_alpha, number, share, whole_number
from pytest_evalgate.cli.power.plan import CLUSTER_ICC, DROP_KINDS, PowerOptions, plans_of
from pytest_evalgate.cli.printing import print_result, wrapped
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_evalgate.cli.power.plan import Clusters, DropKind, PowerPlan

_MAX_CASES: Final = 10_000_000
_MAX_TRIALS: Final = 1_000
_KIND_LABELS: Final[Mapping[DropKind, str]] = {
    "flipping": "if cases that flip anyway get worse",
    "steady": "if cases that always passed break",
}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("suite", nargs="?", metavar="SUITE", help="a suite (default: every configured one)")
    option(
        "--drop",
        type=number(0.1, 99),
        default=5.0,
        metavar="POINTS",
        help="drop to detect, in percentage points (default: 5)",
    )
    option(
        "--power",
        type=number(60, 99.9),
        default=80.0,
        metavar="PERCENT",
        help="probability of detecting the drop (default: 80)",
    )
    add_alpha(parser)
    option("--cases", type=whole_number(_MAX_CASES), metavar="N", help="number of cases (default: that of the suite)")
    option(
        "--discordance",
        type=share,
        metavar="SHARE",
        help="share of cases that differ between two identical runs (default: measured, else 0.10)",
    )
    option("--trials", type=whole_number(_MAX_TRIALS), metavar="K", help="trials of each case, in both runs")


def _run(args: argparse.Namespace) -> int:
    options = PowerOptions(
        drop=args.drop / 100,
        power=args.power / 100,
        alpha=args.alpha,
        cases=args.cases,
        discordance=args.discordance,
        trials=args.trials,
    )
    plans = plans_of(Project.find(), args.suite, options)
    print_result(args, plans, ("\n\n".join("\n".join(_lines(plan)) for plan in plans),))
    return 0


VERB: Final = Verb(
    "Compute the smallest drop that a suite can detect, and the cases and trials that a given drop takes. Sends "
    "nothing.",
    "pytest-evalgate power support --drop 3",
    _run,
    _add_arguments,
)


def _lines(plan: PowerPlan) -> Iterator[str]:
    name = "" if plan.suite is None else f"{one_line(plan.suite)}: "
    yield from wrapped(
        f"{name}{count(plan.cases, 'case')} ({one_line(plan.cases_source)}), {count(plan.trials, 'trial')} each; "
        f"alpha {plan.alpha:g}, power {plan.power_percent:g}%",
        indent="",
    )
    yield from wrapped(
        f"{100 * plan.discordance:.1f}% of the cases differ between two identical runs "
        f"({one_line(plan.discordance_source)})"
    )
    yield ""
    yield from _table(plan)
    yield ""
    for sentence in (*_consequences(plan), f"advice: {_advice(plan)}"):
        yield from wrapped(sentence)


def _table(plan: PowerPlan) -> Iterator[str]:
    columns = plan.columns
    yield _row("", (count(column.trials, "trial") for column in columns))
    yield "  smallest detectable drop, in points"
    for kind in DROP_KINDS:
        yield _row(f"  {_KIND_LABELS[kind]}", (_cell(column.smallest_drop_points[kind], ".1f") for column in columns))
    yield f"  cases needed to detect a drop of {plan.drop_points:g} points"
    for kind in DROP_KINDS:
        yield _row(f"  {_KIND_LABELS[kind]}", (_cell(column.cases_needed[kind], ",") for column in columns))
    name = f"cases needed for not_proven, margin {plan.margin_points:g} points"
    yield _row(name, (_cell(column.cases_not_proven, ",") for column in columns))


def _row(name: str, cells: Iterable[str]) -> str:
    return f"  {name:<44}" + "".join(f"{cell:>13}" for cell in cells)


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _consequences(plan: PowerPlan) -> Iterator[str]:
    yield _detection(plan)
    yield from _detection_by_trials(plan)
    yield f"at alpha {plan.alpha:g} no build fails with fewer than {count(plan.fewest_losses, 'worse case')}"
    for gate in plan.pass_rate_gates:
        name = f"pass-rate >= {gate.minimum_percent:g}%"
        if gate.passes is None:
            yield f"{name} cannot be met with {count(plan.cases, 'case')} of one trial, even if all of them pass"
        else:
            yield f"{name} requires {gate.passes:,} passes of {plan.cases:,}"
    if plan.clusters is not None:
        yield _clustered(plan.clusters)


def _detection(plan: PowerPlan) -> str:
    drop = f"a drop of {plan.drop_points:g} points"
    chances = sorted(chance for chance in plan.found_percent.values() if chance is not None)
    if not chances:
        return f"{drop} is impossible when so many cases differ between identical runs"
    span = _span(chances)
    test = "exact, McNemar's mid-p test" if plan.trials == 1 else "Student's test of the means"
    return f"{drop} is detected with a probability of {span} ({test})"


def _span(chances: Iterable[float]) -> str:
    return " to ".join(dict.fromkeys(f"{chance:.0f}%" for chance in chances))


def _detection_by_trials(plan: PowerPlan) -> Iterator[str]:
    """Yield the power with more trials. Trials of the candidate raise it, trials of the baseline alone hardly do."""
    if plan.trials > 1:
        return
    parts = []
    for found in plan.by_trials:
        chances = sorted(chance for chance in found.found_percent.values() if chance is not None)
        if not chances:
            return
        where = "in both runs" if found.candidate_trials > 1 else "of the baseline alone"
        parts.append(f"{_span(chances)} with {found.baseline_trials} trials {where}")
    yield f"it is detected in {', '.join(parts)}: trials of the candidate help most"


def _clustered(clusters: Clusters) -> str:
    if clusters.number is None:
        return (
            f"cases are clustered by {clusters.key}: the effective sample is smaller, so plan for more cases than this"
        )
    found = f"cases are clustered by {clusters.key}, in {count(clusters.number, 'cluster')}"
    if clusters.smallest_drop_points is None:
        return f"{found}: too few to detect a drop"
    return (
        f"{found}: with an intra-cluster correlation of {CLUSTER_ICC:g}, the smallest detectable drop is "
        f"{clusters.smallest_drop_points:.1f} points"
    )


def _advice(plan: PowerPlan) -> str:
    """Return advice for the drop that is harder to detect: that of steady cases, unless it cannot be so large."""
    kind: DropKind = "flipping" if plan.columns[0].cases_needed["steady"] is None else "steady"
    needed = {column.trials: column.cases_needed[kind] for column in plan.columns}
    now, drop = needed[plan.trials], f"a drop of {plan.drop_points:g} points"
    if now is None:
        return f"{drop} is too large to plan for here: choose a smaller one"
    if now <= plan.cases:
        return f"these cases are enough to detect {drop}, of either kind"
    more = [trials for trials, cases in needed.items() if trials > plan.trials and cases and cases <= plan.cases]
    if more:
        return f"--eval-trials {more[0]} in both runs detects {drop}, of either kind, with the present cases"
    return f"{count(now - plan.cases, 'more case')} ({now:,} in all) detect {drop}, of either kind{_fewer(plan)}"


def _fewer(plan: PowerPlan) -> str:
    best = plan.columns[-1]
    cases = best.cases_needed["steady"]
    if cases is None or best.trials <= plan.trials:
        return ""
    return f"; with {count(best.trials, 'trial')} each, {count(cases - plan.cases, 'more case')} are enough"
