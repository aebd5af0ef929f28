"""The screen of ``pytest-evalgate aa``: what was measured as lines of at most 100 columns."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from pytest_evalgate.reports.columns import aligned, fit
from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.cli.aa.false_alarms import FalseAlarms

_WIDTH = 100


def render(found: FalseAlarms) -> tuple[str, ...]:
    """Render what stands for one suite."""
    return (*_head(found), "", *_gates(found), "", *_flips(found))


def _head(found: FalseAlarms) -> Iterator[str]:
    yield from _wrapped(
        f"{one_line(found.suite)}: {count(found.runs, 'identical run')} of {count(found.cases, 'case')} "
        f"({one_line(found.source)}), alpha {found.alpha:g}",
        indent="",
    )
    for number, why in (
        (found.left_out_unanswered, "without an answer in every trial"),
        (found.left_out_remembered, "that a later run did not ask again (its answer came from the cache)"),
    ):
        if number:
            yield f"  left out: {count(number, 'case')} {why}"


def _gates(found: FalseAlarms) -> Iterator[str]:
    low, high = found.false_alarm_interval
    measured = f"95% interval {percent(low)} to {percent(high)}, from {found.independent:,} independent ones"
    rows = (
        ("no-regression, this gate", percent(found.false_alarm_rate), measured),
        ("  expected from the flip rate", percent(found.expected_false_alarm_rate), ""),
        ("naive: any drop of the pass rate", percent(found.any_drop_rate), ""),
        ("naive: any case that passed before", percent(found.any_loss_rate), ""),
    )
    yield f"  false alarms in {count(found.comparisons, 'comparison')} of one run with another"
    width = max(len(rate) for _, rate, _ in rows)
    yield from (f"    {line}" for line in aligned([(name, f"{rate:>{width}}", note) for name, rate, note in rows]))
    if low > found.alpha:
        yield from _wrapped(
            "That is more than alpha allows: these runs were not identical. Did the model or the data change?"
        )


def _flips(found: FalseAlarms) -> Iterator[str]:
    low, high = found.flip_interval
    flaky = len(found.flaky) + found.flaky_more
    yield (
        f"  flip rate {percent(found.flip_rate)} (95% interval {percent(low)} to {percent(high)}): "
        f"{flaky:,} of {count(found.cases, 'case')} flipped"
    )
    if not flaky:
        yield "  the target is deterministic, or its answers do not depend on the trial"
        return
    rows = [
        (one_line(case.id), one_line(case.place), f"passed {case.passes:,} of {found.runs:,}") for case in found.flaky
    ]
    yield from (fit(f"    {line}", _WIDTH) for line in aligned(rows))
    if found.flaky_more:
        yield f"    ... {found.flaky_more:,} more"


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False)
