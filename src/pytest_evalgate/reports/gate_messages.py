"""What the gates of a suite say in words: why one does not pass, and what the change was where it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.gates.answers import NO_BASELINE
from pytest_evalgate.reports import cells, headline
from pytest_evalgate.reports.escape import one_line
from pytest_evalgate.reports.headline import compare_command
from pytest_evalgate.reports.lines import Line, packed, with_command, wrapped
from pytest_evalgate.reports.suite_table import gate_colour, gate_name
from pytest_evalgate.wording import count, p_value, percent, points

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.data import Delta, GateResult, SuiteVerdict
    from pytest_evalgate.reports.view import SuiteView


def message_lines(suite: SuiteView, width: int, *, every: bool, may_warn: bool) -> Iterator[Line]:
    """Say what each gate says that does not pass, and how the cases changed.

    Args:
        suite: The suite.
        width: In columns.
        every: Whether gates that pass are told in full too.
        may_warn: Whether ``on_inconclusive = "warn"`` would let the build pass.

    """
    verdict = suite.verdict
    said = {gate.message: gate for gate in verdict.gates}
    for message, gate in said.items():
        if gate.result == "pass" and not every and _is_plain(gate, verdict):
            if gate.kind == "no-regression":
                yield from _change(one_line(suite.name), verdict, gate, width)
            continue
        which = f", {gate_name(gate)}" if len(said) == len(verdict.gates) else ""
        advisory = "" if cells.is_blocking(verdict) else " (advisory)"
        told = f"{headline.word(gate.result)}{advisory} {one_line(suite.name)}{which}: {_told(message, gate)}"
        for beside in _beside(gate, verdict):
            told = f"{told.removesuffix('.')}. {beside}"
        yield from wrapped(f"  {one_line(told)}", width, gate_colour(verdict, gate))
        if gate.result == "inconclusive" and not message.startswith(NO_BASELINE):
            yield from _choices(one_line(suite.name), width, may_warn=may_warn)


def _is_plain(gate: GateResult, verdict: SuiteVerdict) -> bool:
    """Tell whether the table says all that there is to a gate that passes."""
    if gate.kind == "pass-rate":
        return verdict.pass_rate is None or gate.value == verdict.pass_rate  # else a judge's errors were taken out
    if gate.kind != "no-regression":
        return True
    delta = verdict.delta
    undramatic = delta is not None and delta.finding in {"inconclusive", "no_regression_beyond_margin"}
    return undramatic and not gate.of and verdict.stopped is None


def _change(name: str, verdict: SuiteVerdict, gate: GateResult, width: int) -> Iterator[Line]:
    """Say how the cases of a suite changed that passes."""
    delta = verdict.delta
    if delta is None:
        return
    if not (delta.losses or delta.gains):
        yield from wrapped(f"  {name}: no case got worse or better ({_reach(delta, gate)})", width)
        return
    changed = f"{count(delta.losses, 'case')} got worse, {delta.gains:,} got better"
    noise = f"within noise (p={p_value(delta.p)}; {_reach(delta, gate)})"
    yield from wrapped(f"  {name}: {changed}: {'an improvement' if delta.lower > 0 else noise}", width)
    yield from with_command("list them:", one_line(compare_command(name, verdict)), width, "       ")


def _reach(delta: Delta, gate: GateResult) -> str:
    """Say which drop the pairs rule out or could have shown; where that is unknown, how many they are."""
    if delta.finding == "no_regression_beyond_margin" and gate.required:
        return f"a drop of {points(-gate.required).lstrip('+')} is ruled out"
    if delta.mde is None:
        return count(delta.pairs, "pair")
    return f"a drop of {points(delta.mde).lstrip('+')} would show"


def _told(message: str, gate: GateResult) -> str:
    """Leave the advice out of a message where the section gives its own."""
    return message.partition("; retry")[0] if gate.result == "incomplete" else message


def _beside(gate: GateResult, verdict: SuiteVerdict) -> Iterator[str]:
    """Say what the comparison adds to a gate on the rate."""
    delta = verdict.delta
    if delta is None or gate.kind != "pass-rate" or verdict.stopped is not None or delta.youden != 1:
        return
    base, pairs = delta.baseline.removeprefix("file:"), count(delta.pairs, "case")
    if gate.result == "fail" and delta.finding in {"inconclusive", "no_regression_beyond_margin"}:
        too = " and fails this gate too" if gate.required is not None and delta.baseline_rate < gate.required else ""
        yield f"No regression is proven: {base} has {percent(delta.baseline_rate)} of these {pairs}{too}"
    if gate.result == "inconclusive" and delta.mde is not None:
        yield f"Against {base}, {pairs} show only drops of {points(delta.mde).lstrip('+')} or more (80% power)"


def _choices(name: str, width: int, *, may_warn: bool) -> Iterator[Line]:
    choices = [f"pytest-evalgate power {name}", "--eval-trials 3"]
    choices += ['on_inconclusive = "warn"'] if may_warn else []
    yield from (Line(f"  {text}") for text in packed(["choose: add cases", *choices], width - 2))
