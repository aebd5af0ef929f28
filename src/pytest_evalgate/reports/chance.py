"""Plain-language sentences about chance: for each gate that compares with a baseline, whether its change is real.

The p of a gate is the share of unchanged builds (as good as the baseline, with answers that vary at random) in which
its test finds evidence at least this strong. It is not the probability that nothing changed, and no sentence says so.
For one pass or failure per case it is a mid-p: over the varying number of changed cases, unchanged builds reach it at
most about as often as it says (Fagerland, Lydersen & Laake 2013).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports import phrases
from pytest_evalgate.reports.view import GateSentence
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.records.verdicts import Delta, GateResult, SuiteVerdict

_DECIDED: Final = frozenset({"pass", "fail"})
_SIGNIFICANT: Final = 0.05
"""Largest p at which an improvement is reported as one. No gate decides on it."""


def gate_sentences(verdict: SuiteVerdict) -> tuple[GateSentence, ...]:
    """Return the sentences of the decided gates of a suite that compare with its baseline, in their order."""
    return tuple(
        GateSentence(
            index=index,
            gate=phrases.gate_name(gate),
            result=gate.result,
            changed=_changed(gate, gate.delta, verdict),
            sentence=is_it_real(gate, gate.delta, verdict),
            detail=_detail(gate.message),
        )
        for index, gate in enumerate(verdict.gates)
        if gate.delta is not None and gate.result in _DECIDED
    )


_COUNTS: Final = re.compile(r"[0-9,]+ cases? got worse, [0-9,]+ got better \(([^()]*)\)")


def _detail(message: str) -> str:
    """Return the message of a gate with its test and p in place of the numbers of cases, which `_changed` has."""
    return _COUNTS.sub(r"\1", message, count=1)


def _changed(gate: GateResult, delta: Delta, verdict: SuiteVerdict) -> str:
    of = f"in slice {worst}: " if (worst := _worst_slice(gate, verdict)) else ""
    if not (delta.losses or delta.gains):
        return f"{of}no case got worse or better"
    return f"{of}{count(delta.losses, 'case')} got worse, {delta.gains:,} got better"


def _worst_slice(gate: GateResult, verdict: SuiteVerdict) -> str:
    """Return the slice that a slice gate was decided by; "" if it is another gate."""
    tested = [piece for piece in verdict.slices if piece.by == gate.of and piece.delta is not None]
    return next((piece.value for piece in tested if gate.kind == "slice" and _is_same(piece.delta, gate.delta)), "")


def _is_same(one: Delta | None, other: Delta | None) -> bool:
    if one is None or other is None:
        return False
    return (one.pairs, one.losses, one.gains, one.delta) == (other.pairs, other.losses, other.gains, other.delta)


def is_it_real(gate: GateResult, delta: Delta, verdict: SuiteVerdict) -> str:
    """Return whether the change of a decided gate is real, in one or two plain sentences.

    ::

        A drop this large would happen by luck in fewer than 1 of 1,000 unchanged builds.
    """
    is_whole = verdict.stopped is None
    parts = [*_assumption(gate, verdict), *_finding(gate, delta, is_whole=is_whole), *_blindness(gate)]
    return " ".join(parts)


def _assumption(gate: GateResult, verdict: SuiteVerdict) -> Iterator[str]:
    """Name the results that a suite that stopped early assumes for the cases that it did not run."""
    if verdict.stopped is not None:
        result = "passed" if gate.result == "fail" else "missed"
        yield f"The {count(verdict.accounting.not_run, 'case')} that did not run are counted as {result}."


def _finding(gate: GateResult, delta: Delta, *, is_whole: bool) -> Iterator[str]:
    margin = None if not gate.required else _size(gate.required)
    if _is_tolerance(gate, delta) and margin is not None:
        yield from _tolerance(gate, delta, margin, is_whole=is_whole)
    elif delta.finding == "regressed":
        yield _by_luck("A drop this large would happen", _decisive(delta))
        yield from _range(delta, is_whole=is_whole)
    elif delta.finding == "regressed_within_margin":
        yield f"The drop is more than luck ({_in_unchanged(_decisive(delta))}), but less than the {margin} allowed."
    elif delta.finding == "no_regression_beyond_margin":
        yield f"A drop of {margin} or more is ruled out; {_worst_that_fits(delta)}."
        yield from _improvement(delta)
    elif gate.result == "fail":  # fail_on = "not_proven"
        yield (
            f"No drop is proven, but a drop of {margin} is not ruled out either, and this gate requires that: "
            f"{_worst_that_fits(delta)}."
        )
    else:
        yield from _inconclusive(gate, delta)


def _is_tolerance(gate: GateResult, delta: Delta) -> bool:
    """Return whether a gate fails only for a drop that is proven to exceed its margin: its bound is the upper one."""
    return gate.bound is not None and gate.bound == delta.upper and gate.bound != delta.lower


def _tolerance(gate: GateResult, delta: Delta, margin: str, *, is_whole: bool) -> Iterator[str]:
    if gate.result == "fail" and gate.p is not None:
        start = f"If quality had dropped by the {margin} allowed and no more, a drop this large would happen"
        yield _by_luck(start, gate.p, "such builds")
        yield from _range(delta, is_whole=is_whole)
    elif delta.delta < 0:
        smallest = "none at all" if delta.upper >= 0 else f"as little as {_size(delta.upper)}"
        yield f"A drop of more than the {margin} allowed is not proven: the true drop may be {smallest}."
    else:
        yield f"A drop of more than the {margin} allowed is not proven."
        yield from _improvement(delta)


def _inconclusive(gate: GateResult, delta: Delta) -> Iterator[str]:
    """Explain a change that is not proven, in a gate that passes."""
    if not (delta.losses or delta.gains):
        yield "Nothing changed."
    elif delta.delta < 0 and delta.p <= _SIGNIFICANT < _decisive(delta):
        yield (
            f"{_by_luck('Alone, a drop this large would happen', delta.p)} This build has several tests, and one of "
            f"them looks like this by luck {_about(_decisive(delta))} unchanged builds, so no drop is proven."
        )
    elif delta.delta < 0:
        yield f"No drop is proven: one this large happens by luck {_about(delta.p)} unchanged builds."
    elif delta.delta == 0:
        yield "As many cases got better as got worse: no drop is proven."
    improved = [*_improvement(delta)]
    yield from improved or (["No drop is proven."] if delta.delta > 0 else [])
    if gate.blind_below is None and delta.mde is not None:
        yield f"A drop of {_size(delta.mde)} or more would be found in 4 of 5 builds."


def _improvement(delta: Delta) -> Iterator[str]:
    if delta.p_better is not None and delta.p_better <= _SIGNIFICANT:
        yield _by_luck("A gain this large would happen", delta.p_better)


def _range(delta: Delta, *, is_whole: bool) -> Iterator[str]:
    """Give the range of the true drop: each bound is one-sided, so together they hold at 1 - 2 alpha.

    A suite that failed early counts the cases that did not run as passed, so that only the smaller bound holds.
    """
    if not is_whole:
        yield from [f"The true drop is probably at least {_size(delta.upper)}."] if delta.upper < 0 else []
    elif delta.upper < 0:
        yield f"The true drop is probably between {_number(delta.upper)} and {_size(delta.lower)}."
    else:
        yield f"The true drop may be up to {_size(delta.lower)}."


def _worst_that_fits(delta: Delta) -> str:
    if delta.lower >= 0:
        return "no drop at all fits these answers"
    return f"the largest drop that fits these answers is {_size(delta.lower)}"


def _blindness(gate: GateResult) -> Iterator[str]:
    if gate.blind_below is None:
        return
    need = "" if gate.cases_to_see is None else f"; it needs about {gate.cases_to_see:,} cases"
    if gate.blind_below < 1:
        smallest = _size(gate.blind_below)
        yield f"This gate is nearly blind: it could have failed only for a drop of {smallest} or more{need}."
    else:
        yield f"This gate is blind: no drop could have failed it{need}."


def _decisive(delta: Delta) -> float:
    """Return the p that decides: adjusted for the other tests of the build, if there are any."""
    return delta.p if delta.p_adjusted is None else delta.p_adjusted


def _by_luck(start: str, p: float, builds: str = "unchanged builds") -> str:
    return f"{start} by luck {_fewer(p)} {builds}."


def _in_unchanged(p: float) -> str:
    return f"{_fewer(p)} unchanged builds"


_LARGEST: Final = 1_000_000


def _fewer(p: float) -> str:
    """Return ``in fewer than 1 of 500`` for a small p: the largest of 2, 5, 10, 20, 50, ... for which it is true."""
    rounds = [step * 10**power for power in range(7) for step in (1, 2, 5)]
    fits = [number for number in rounds if number > 1 and p < 1 / number and number <= _LARGEST]
    return f"in fewer than 1 of {max(fits):,}" if fits else _about(p)


def _about(p: float) -> str:
    """Return ``in about 1 of 13`` for a p below 0.1, ``in about 3 of 10`` for a larger one."""
    if p < 0.1:  # noqa: PLR2004 - one build in ten
        return f"in about 1 of {math.floor(1 / max(p, 1 / _LARGEST)):,}"
    tenths = math.floor(10 * p + 0.5)
    return {5: "in about half of", 10: "in nearly all"}.get(tenths, f"in about {tenths} of 10")


def _size(share: float) -> str:
    """Return the size of a drop without its sign: ``6.2 points``."""
    number = _number(share)
    return f"{number} point{'' if number == '1' else 's'}"


def _number(share: float) -> str:
    return f"{round(100 * abs(share), 1):g}"
