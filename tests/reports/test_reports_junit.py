"""The JUnit file, against the rules that common readers of such files share."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from tests.attacks import ALL, view_of

from pytest_evalgate.reports.junit import render_junit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reports.conftest import Screen

    from pytest_evalgate.reports.view import ReportView

_DROP = {"kind": "no-regression"}
_RATE = {"kind": "pass-rate", "min": 0.85}
_COUNTS = {"tests", "failures", "errors", "skipped"}
_CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"testcase"},
    "testcase": {"properties", "failure", "error", "skipped"},
    "properties": {"property"},
}
_ATTRIBUTES: dict[str, tuple[set[str], set[str]]] = {
    "testsuites": ({"name", *_COUNTS}, set()),
    "testsuite": ({"name", *_COUNTS}, set()),
    "testcase": ({"name", "classname", "time"}, {"file", "line"}),
    "properties": (set(), set()),
    "property": ({"name", "value"}, set()),
    "failure": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
    "skipped": ({"message"}, set()),
}


def _check(element: ET.Element) -> None:
    """Check an element as a schema would: its attributes, its children, and that its counts are true."""
    needed, allowed = _ATTRIBUTES[element.tag]
    assert needed <= set(element.keys()) <= needed | allowed
    kinds = [child.tag for child in element]
    assert set(kinds) <= _CHILDREN.get(element.tag, set())
    if element.tag == "testcase":
        assert len(set(kinds) - {"properties"}) <= 1
        assert Counter(kinds).most_common(1)[0][1] == 1 if kinds else True
        assert re.fullmatch(r"[0-9]+\.[0-9]{3}", element.attrib["time"])
        assert re.fullmatch(r"[0-9]+", element.get("line", "1"))
    if needed >= _COUNTS:
        found = {tag: len(element.findall(f".//{tag}")) for tag in ("testcase", "failure", "error", "skipped")}
        assert list(found.values()) == [
            int(element.attrib[name]) for name in ("tests", "failures", "errors", "skipped")
        ]
    for child in element:
        _check(child)


def _read(view: ReportView) -> ET.Element:
    root = ET.fromstring("".join(render_junit(view)).encode())  # noqa: S314 - our own
    assert root.tag == "testsuites"
    _check(root)
    return root


def _results(root: ET.Element) -> dict[str, str]:
    """Return the result of the build and of every gate, by name."""
    tests = [test for test in root.iter("testcase") if not test.get("file")]
    return {test.attrib["name"]: next((el.tag for el in test if el.tag != "properties"), "passed") for test in tests}


def _properties(test: ET.Element) -> dict[str, str]:
    return {each.attrib["name"]: each.attrib["value"] for each in test.iter("property")}


def test_a_gate_fails_and_its_cases_do_not(screen: Screen, tmp_path: Path) -> None:
    scene = screen.scene("m" * 20 + "P" * 20, "P" * 40, (_DROP, {**_RATE, "min": 0.2}))
    root = _read(screen.view(scene, stored=tmp_path / "run.jsonl"))
    assert _results(root) == {"verdict": "failure", "gate: no-regression": "failure", "gate: CI >= 20%": "passed"}
    assert root.attrib == {"name": "evalgate", "tests": "43", "failures": "2", "errors": "0", "skipped": "0"}
    missed = root.findall(".//testcase[@file]")[0]
    assert (missed.attrib["name"], missed.attrib["line"]) == ("refund-001", "1")
    assert _properties(missed) == {
        "evalgate.outcome": "missed",
        "evalgate.change": "regressed",
        "evalgate.value": "0",
        "evalgate.before": "1",
        "evalgate.reason": "exact: got 30 days, wanted 14 days",
    }


def test_a_failed_gate_has_its_reason(screen: Screen) -> None:
    view = screen.view(screen.scene("m" * 20, None, (_RATE,)))
    [verdict, failed] = _read(view).iter("failure")
    assert verdict.attrib["message"] == "FAIL: support-faq 0.0% < 85% (exit 1)"
    [gate] = view.verdict.suites["support-faq"].gates
    assert failed.text == failed.attrib["message"] == gate.message


def test_every_suite_is_one_and_names_its_cases(screen: Screen, tmp_path: Path) -> None:
    scenes = [screen.scene("PmS?-", None, None, name, tags={0: ("en",)}) for name in ("one", "two")]
    root = _read(screen.view(*scenes, stored=tmp_path / "run.jsonl"))
    assert [suite.attrib["name"] for suite in root] == ["eval gate", "one", "two"]
    cases = [test for test in root[1] if test.get("file")]
    assert [test.attrib["name"] for test in cases] == [f"refund-00{number}" for number in range(1, 6)]
    assert [test.find("skipped") is not None for test in cases] == [False, False, True, True, True]
    assert _properties(cases[0])["evalgate.tags"] == "en"
    assert {test.attrib["classname"] for test in root[1]} == {"evalgate.one"}


def test_an_advisory_gate_cannot_fail(screen: Screen) -> None:
    view = screen.view(
        screen.scene("m" * 20 + "P" * 20, "P" * 40, (_DROP,), "new", advisory=True),
        screen.scene("P" * 40, None, (_RATE,)),
    )
    root = _read(view)
    assert set(_results(root).values()) == {"passed"}
    assert _properties(root[1][0])["evalgate.result"] == "FAIL (advisory)"


@pytest.mark.parametrize(("warn", "result"), [(True, "skipped"), (False, "failure")])
def test_an_inconclusive_gate_fails_if_it_fails_the_build(screen: Screen, warn: bool, result: str) -> None:  # noqa: FBT001 - a table
    scene = screen.scene("P" * 35 + "m" * 5, None, ({**_RATE, "min": 0.8},))
    results = _results(_read(screen.view(scene, warn=warn)))
    assert results == {"verdict": "passed" if warn else "failure", "gate: CI >= 80%": result}


def test_a_suite_without_a_decision_is_an_error(screen: Screen) -> None:
    root = _read(screen.view(screen.scene("P" * 20 + "?" * 20, "P" * 40, (_DROP,))))
    assert _results(root) == {"verdict": "error", "gate: no-regression": "error"}


def test_an_invalid_run_is_red_though_every_gate_passes(screen: Screen) -> None:
    root = _read(screen.view(screen.scene("PPP", "PPP", (_DROP,)), problems=("torn",)))
    assert _results(root) == {"verdict": "error", "gate: no-regression": "passed"}


def test_a_pass_that_pytest_turns_down_is_red(screen: Screen) -> None:
    view = screen.view(screen.scene("PPP", "PPP", (_DROP,)))
    view = replace(view, verdict=replace(view.verdict, exit_code=1))
    assert _results(_read(view))["verdict"] == "failure"


def test_cases_that_only_the_baseline_has_are_left_out(screen: Screen, tmp_path: Path) -> None:
    root = _read(screen.view(screen.scene("P" * 40, "P" * 42, (_DROP,)), stored=tmp_path / "run.jsonl"))
    assert len(root.findall(".//testcase[@file]")) == 40
    assert not root.findall(".//testcase[@name='refund-041']")


def test_facts_are_properties_of_the_verdict(screen: Screen) -> None:
    view = replace(screen.view(screen.scene("PP", "PP", (_DROP,))), facts=(("model", "gpt-x"),))
    properties = _properties(_read(view)[0][0])
    assert properties["evalgate.model"] == "gpt-x"
    assert properties["evalgate.run"] == "20261121T101500Z-3f9c"


@pytest.mark.parametrize("text", ALL, ids=ascii)
def test_every_attack_is_text(text: str) -> None:
    root = _read(view_of(text))
    assert len(root) == 2
    assert len(root[1]) == 4
    for element in root.iter():
        for value in (*element.attrib.values(), element.text or ""):
            hidden = [char for char in value if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
            assert set(hidden) <= {"\n", "\t"}
