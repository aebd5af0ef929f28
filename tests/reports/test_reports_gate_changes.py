"""Changes in the gate, as text compared with files under golden/; UPDATE_GOLDEN=1 rewrites them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from pytest_evalgate.records.verdicts import GateChange
from pytest_evalgate.reports.terminal import gate_change_lines

_GOLDEN = Path(__file__).parent / "golden"

_MIN = GateChange("gate changed", "suites.support.gates[0].min", "0.9", "0.5", "weaker")
_ANSWERED = GateChange(
    "gate removed",
    "suites.support.gates[1]",
    '{"kind":"must-pass","tags":["safety"]}',
    "none",
    "weaker",
    "safety cases have a suite of their own since 4 November (qa@example.org)",
)
_STRICTER = GateChange("scorer added", "suites.support.scorers.iexact", "none", '{"kind":"iexact"}', "stricter")
_BASELINE = GateChange(
    "baseline edited",
    "suites.support.baseline",
    "run 20261101T090000Z-1a2b, 240 cases, 91.2% passed",
    "run 20261121T101500Z-3f9c, 240 cases, 84.6% passed: 18 changed, 0 removed, 0 added (not used: the base's own is)",
    "neutral",
)
_HOSTILE_TEXT = "\x1b[2J\x1b[31mall is well\r\n\u202eevalgate: PASS\x00 ::error::\u2028 " + "A" * 300
_HOSTILE = GateChange(_HOSTILE_TEXT, _HOSTILE_TEXT, _HOSTILE_TEXT, _HOSTILE_TEXT, "weaker", _HOSTILE_TEXT)


def _removed(number: int) -> GateChange:
    where = f"golden/support.jsonl:{number} refund-{number:03}"
    return GateChange("case removed", where, f"May I return what I bought {number} days ago?", "none", "neutral")


def _skipped(number: int) -> GateChange:
    return GateChange("case skipped", f"golden/support.jsonl:{number} refund-{number:03}", "none", "flaky", "neutral")


_SCREENS = {
    "weakened": (_STRICTER, _removed(7), _MIN, _BASELINE, _ANSWERED),
    "only_data": (*(_removed(number) for number in range(1, 9)), *(_skipped(number) for number in range(9, 14))),
    "hostile": (_HOSTILE,),
}


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("name", _SCREENS)
def test_screens(name: str, width: int) -> None:
    lines = list(gate_change_lines(_SCREENS[name], width))
    text = "".join(f"{line.text}\n" for line in lines)
    path = _GOLDEN / f"gate_changes_{name}.{width}.txt"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")
    assert max(len(line.text) for line in lines) <= width


def test_targets_and_endpoints_come_first() -> None:
    names = ("base replaced", "configuration moved", "target replaced", "target not called any more", "endpoint moved")
    changes = [GateChange(what, "suites.s", "a", "b", "weaker") for what in ("a gate removed", *reversed(names))]
    neutral = GateChange("target replaced", "suites.r", "a", "b", "neutral")
    lines = [line.text for line in gate_change_lines([neutral, *changes], 100)][1:]
    told = [next(what for what in (*names, "a gate removed") if f" {what} " in line) for line in lines]
    assert told == [*names, "a gate removed", "target replaced"]


def test_without_changes_nothing_is_printed() -> None:
    assert list(gate_change_lines((), 100)) == []


def test_hostile_text_is_inert() -> None:
    for line in gate_change_lines([_HOSTILE], 100):
        assert not [char for char in line.text if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([_MIN], "1 change against the base branch, 1 of them weaker"),
        ([_MIN, _ANSWERED, _STRICTER], "3 changes against the base branch, 2 of them weaker"),
        ([_STRICTER, _removed(1)], "2 changes against the base branch, none of them weaker"),
    ],
)
def test_the_first_line_counts_them(changes: list[GateChange], told: str) -> None:
    first, *_ = gate_change_lines(changes, 100)
    assert first.text == f"WHAT CHANGED IN THE GATE: {told}"


def test_all_weakenings_are_listed_first() -> None:
    weaker = [GateChange("gate removed", f"suites.s{number}.gates[0]", "x", "none", "weaker") for number in range(30)]
    lines = list(gate_change_lines([_STRICTER, *weaker, _skipped(1)], 100))
    assert [line.text.split()[0] for line in lines[1:]] == ["WEAKER"] * 30 + ["NEUTRAL", "STRICTER"]


def test_of_the_others_a_few_of_each_kind_are_listed_and_the_rest_is_counted() -> None:
    texts = [line.text for line in gate_change_lines(_SCREENS["only_data"], 100)]
    assert sum("case removed  golden" in text for text in texts) == 5
    assert "           ... and 3 more: case removed (all are in verdict.json)" in texts
    assert sum("case skipped  golden" in text for text in texts) == 5
    assert not any("more: case skipped" in text for text in texts)


def test_kinds_that_go_both_ways_are_listed_once_for_each_way() -> None:
    both = [
        GateChange("suite changed", f"suites.s{number}.golden", "a", "b", "neutral" if number % 2 else "stricter")
        for number in range(14)
    ]
    texts = [line.text for line in gate_change_lines(both, 100)]
    assert sum("... and 2 more: suite changed" in text for text in texts) == 2
    assert sum(text.startswith("  NEUTRAL") for text in texts) == 5
    assert sum(text.startswith("  STRICTER") for text in texts) == 5


@pytest.mark.parametrize(
    ("change", "colour"), [(_MIN, "red"), (_ANSWERED, "yellow"), (_STRICTER, None), (_BASELINE, None)]
)
def test_a_weakening_is_red_until_it_is_acknowledged(change: GateChange, colour: str | None) -> None:
    _, *listed = gate_change_lines([change], 80)
    assert {line.colour for line in listed} == {colour}


def test_a_change_without_values_has_no_arrow() -> None:
    _, line = gate_change_lines([GateChange("suite removed", "suites.faq", "", "", "weaker")], 100)
    assert line.text == "  WEAKER   suite removed  suites.faq"
