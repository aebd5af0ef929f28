"""Gates in Markdown: their table and messages, the changes in the gate, slices and judges."""

from __future__ import annotations

from itertools import accumulate, chain, groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from pytest_evalgate.reports import candidate_table, phrases
from pytest_evalgate.reports.markdown_blocks import name, prose, table
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_evalgate.records.side_by_side import SideBySide
    from pytest_evalgate.records.verdicts import GateChange, GateResult, JudgeVerdict, SuiteVerdict
    from pytest_evalgate.reports.view import GateSentence, SuiteView

_GATE_HEADINGS: Final = ("", "Suite", "Pass rate (95% CI)", "Base", "Change (bounds)", "Gate")


def gate_table(suites: Iterable[SuiteView], most: int) -> str:
    """Render the table of gates, with at most ``most`` rows; the numbers of a suite are in its first row."""
    rows = list(chain.from_iterable(map(_gate_rows, suites)))
    more = f"\n\n{count(len(rows) - most, 'more row')} in the summary of the job" if len(rows) > most else ""
    return table(_GATE_HEADINGS, rows[:most]) + more


def _gate_rows(suite: SuiteView) -> Iterator[tuple[str, ...]]:
    verdict = suite.verdict
    for index, (numbers, gate) in enumerate(phrases.suite_rows(verdict)):
        suite_name = "" if index else name(suite.name)
        cells = ("", "", "")
        if numbers is not None:
            cells = (numbers.rate.replace("  ", " · "), numbers.base, numbers.change)
        result, gate_name = ("", "") if gate is None else (_result(suite, gate), prose(phrases.gate_name(gate)))
        yield result, suite_name, *cells, gate_name


def _result(suite: SuiteView, gate: GateResult) -> str:
    word = phrases.result_of(suite.verdict, gate)
    return word if gate.result == "pass" else f"**{word}**"


def candidate_blocks(found: SideBySide) -> Iterator[str]:
    """Render the candidates of a suite side by side, and the tests between them."""
    yield f"### Candidates of {name(found.suite)}"
    rows = ((name(candidate), *cells) for candidate, *cells in candidate_table.rows(found))
    yield table(tuple(heading[:1].upper() + heading[1:] for heading in candidate_table.HEADINGS), rows)
    conclusion = candidate_table.conclusion(found)
    yield prose(conclusion[:1].upper() + conclusion[1:])
    yield "\n".join(f"- {prose(text)}" for text in candidate_table.sentences(found))


def chance_sentence(suite: SuiteView) -> GateSentence | None:
    """Return the sentence on chance that is shown for a suite: that of its first failed gate, else of its first."""
    failed = [one for one in suite.sentences if one.result == "fail"]
    return next(iter([*failed, *suite.sentences]), None)


def gate_messages(suite: SuiteView) -> Iterator[str]:
    """Render the messages of the gates that did not pass, or could not have failed; equal messages appear once.

    Of the gate whose sentence on chance is shown, only its details are repeated.
    """
    told = chance_sentence(suite)
    messages: dict[str, GateResult] = {}
    for index, gate in enumerate(suite.verdict.gates):
        if gate.result != "pass" or gate.blind_below is not None:
            messages[told.detail if told is not None and told.index == index else gate.message] = gate
    for message, gate in messages.items():
        yield f"- {_result(suite, gate)} {name(suite.name)}, {prose(phrases.gate_name(gate))}: {prose(message)}"


def harmless_changes(changes: Sequence[GateChange]) -> str:
    """Render changes none of which weakens the gate, on one line."""
    first, more = changes[0], len(changes) - 1
    rest = f" and {more:,} more" if more else ""
    return f"{phrases.count_gate_changes(changes)}: {prose(first.what)} {name(first.where)}{rest}"


def gate_changes(changes: Sequence[GateChange], listed: int) -> Iterator[str]:
    """Render the changes in the gate; those that weaken it are all named, also those beyond the limit."""
    ordered = phrases.weakest_first(changes)
    weaker = [change for change in ordered if change.effect == "weaker"]
    most = listed or _FEWEST_CHANGES
    headings = ("Effect", "What", "Where", "Before", "Now", "Acknowledged")
    yield f"### What changed in the gate\n\n{phrases.count_gate_changes(changes)}"
    yield table(headings, map(_gate_change_row, ordered[:most]))
    if names := [name(change.where) for change in weaker[most:]]:
        named = _first_that_fit(names)
        rest = f" and {len(names) - len(named):,} more" if len(named) < len(names) else ""
        yield f"also **WEAKER**: {', '.join(named)}{rest}"
    if others := len(ordered) - max(len(weaker), min(most, len(ordered))):
        yield f"{others:,} more are in `verdict.json`"


_FEWEST_CHANGES: Final = 3
_NAMES: Final = 20_000
"""Characters of the names of weakenings: about 400 of them, a third of a comment."""


def _first_that_fit(names: Sequence[str]) -> list[str]:
    sizes = accumulate(len(one) + 2 for one in names)
    return [one for one, size in zip(names, sizes, strict=True) if size <= _NAMES]


def _gate_change_row(change: GateChange) -> tuple[str, ...]:
    effect = change.effect.upper()
    texts = (change.before, change.now, change.acknowledged or "")
    effect = f"**{effect}**" if effect == "WEAKER" else effect
    return (effect, prose(change.what), name(change.where), *map(prose, texts))


_SLICE_HEADINGS: Final = ("Slice", "Pass rate (95% CI)", "Change", "Worse / better", "p")
_JUDGE_HEADINGS: Final = ("Judge", "TPR", "TNR", "Labels", "Passed", "Corrected", "May gate")


def slice_tables(verdict: SuiteVerdict) -> Iterator[str]:
    """Render a table for each slicing key."""
    for by, group in groupby(verdict.slices, key=attrgetter("by")):
        pieces = list(group)
        how = phrases.slice_gates(pieces, verdict.gates, "gated, Holm's p")
        yield f"By {name(by)} ({how})"
        rates = (phrases.slice_rate(one).replace("  ", " · ") for one in pieces)
        rows = ((name(one.value), rate, *phrases.slice_change(one)) for one, rate in zip(pieces, rates, strict=True))
        yield table(_SLICE_HEADINGS, rows)


def judge_table(judges: Iterable[JudgeVerdict]) -> str:
    """Render the error rates of the judges, and whether each may gate."""
    return table(_JUDGE_HEADINGS, map(_judge_row, judges))


def _judge_row(judge: JudgeVerdict) -> tuple[str, ...]:
    rates = [
        "-" if rate is None else f"{percent(rate[0])} (at least {percent(rate[1])})" for rate in (judge.tpr, judge.tnr)
    ]
    passed = "-" if judge.pass_rate is None else f"{percent(judge.pass_rate)} of {judge.scored:,}"
    corrected = "-" if judge.corrected is None else phrases.share(judge.corrected.value, judge.corrected.interval)
    may_gate = "yes" if judge.why_not is None else f"no: {prose(judge.why_not)}"
    return name(judge.name), *rates, f"{judge.labels:,}", passed, corrected, may_gate
