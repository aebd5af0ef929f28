from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

_OUTPUTS: dict[str, str | None] = {"a": "yes", "b": "no", "c": None}


@pytest.fixture
def suite(project: Project) -> Project:
    """A project with a passing, a missed and a missing case."""
    project.suite(_OUTPUTS, gates='{ kind = "pass-rate", min = 0.3, bound = "point" }')
    project.configure("max_error_rate = 0.5")
    return project


def test_verbose_words(suite: Project) -> None:
    result = suite.run("-v")
    result.stdout.fnmatch_lines(
        ["golden/faq.jsonl::a PASSED*", "golden/faq.jsonl::b MISSED*", "golden/faq.jsonl::c EVAL-ERROR*"]
    )
    result.stdout.fnmatch_lines(["*1 passed, 1 missed, 1 eval-error in *"])


def test_letters(suite: Project) -> None:
    suite.run().stdout.fnmatch_lines(["golden/faq.jsonl .mE *"])


def test_collect_only_lists_node_ids(suite: Project) -> None:
    outlines = suite.run("--collect-only", "-q").outlines
    assert outlines[:3] == ["golden/faq.jsonl::a", "golden/faq.jsonl::b", "golden/faq.jsonl::c"]


@pytest.mark.parametrize(("expression", "selected"), [("faq and not refund-14", 2), ("rude or refund", 2)])
def test_k_selects_by_tag_id_and_suite(project: Project, expression: str, selected: int) -> None:
    project.suite({"refund-14": "yes", "x": "yes", "z": "yes"})
    project.write(
        "golden/faq.jsonl",
        '{"id": "refund-14", "expected": 1, "input": 1, "tags": ["polite"]}\n'
        '{"id": "x", "expected": 1, "input": 1, "tags": ["polite"]}\n'
        '{"id": "z", "expected": 1, "input": 1, "tags": ["rude"]}\n',
    )
    result = project.run("-k", expression, "--collect-only", "-q")
    assert sum("::" in line for line in result.outlines) == selected


def test_durations(suite: Project) -> None:
    suite.run("--durations=0", "-vv").stdout.fnmatch_lines(["*call*golden/faq.jsonl::a*"])


def test_junit_says_missed_as_a_property_and_not_as_a_failure(suite: Project) -> None:
    suite.run("--junitxml", "report.xml")
    report = ET.parse(suite.path / "report.xml")  # noqa: S314 - our own file
    assert report.find(".//testsuite").attrib["failures"] == "0"  # type: ignore[union-attr]
    cases = {case.attrib["name"]: case for case in report.iter("testcase")}
    properties = {
        name: {item.attrib["name"]: item.attrib["value"] for item in case.iter("property")}
        for name, case in cases.items()
    }
    outcomes = {name: found.get("evalgate_outcome") for name, found in properties.items()}
    assert outcomes == {"a": None, "b": "missed", "c": "errored"}
    assert properties["b"]["evalgate_case"] == "golden/faq.jsonl:2"
    assert "exact" in properties["b"]["evalgate_reason"]


@pytest.mark.parametrize("workers", [0, 2], ids=["serial", "n2"])
def test_fail_cases_makes_a_missed_case_a_red_test(suite: Project, workers: int) -> None:
    result = suite.run("--eval-fail-cases", *(("-n", str(workers)) if workers else ()))
    assert result.ret == 1
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["case       b  golden/faq.jsonl:2", "*MISSED*"])
    assert suite.outcomes == {"a": "passed", "b": "missed", "c": "errored"}


def test_x_stops_at_a_missed_case_under_fail_cases_only(project: Project) -> None:
    project.suite({"a": "no", "b": "yes", "c": "yes"})
    assert project.run("-x").ret == 0
    assert project.run("-x", "--eval-fail-cases").ret == 1
    assert project.outcomes == {"a": "missed", "b": "not_run", "c": "not_run"}
    assert project.verdict["verdict"] == "not_evaluated"


def test_tb_no_hides_the_case(suite: Project) -> None:
    result = suite.run("--eval-fail-cases", "--tb=no")
    assert result.ret == 1
    assert not [line for line in result.outlines if line.startswith("case ")]


def test_a_case_knows_its_line(suite: Project) -> None:
    items, _ = suite.pytester.inline_genitems("--eval-gate", "-p", "no:asyncio", "-p", "no:randomly")
    assert [item.location[:2] for item in items] == [("golden/faq.jsonl", line) for line in range(3)]


def test_two_suites_of_one_golden_set(project: Project) -> None:
    project.suite({"a": "yes", "b": "yes"})
    project.suite({"a": "no"}, name="strict", golden='"golden/faq.jsonl"')
    result = project.run("-v")
    result.stdout.fnmatch_lines(["golden/faq.jsonl::a[[]faq[]] PASSED*", "golden/faq.jsonl::a[[]strict[]] MISSED*"])
    assert project.verdict["accounting"]["planned"] == 4


def test_odd_ids_can_be_run_by_node_id(project: Project) -> None:
    odd = ["two words", "größe-日本", "a[b]", "[x", "a/b", "a@b", "-k", "x" * 200]
    project.suite({**dict.fromkeys(odd, "yes"), "other": "yes"})
    assert project.run(*(f"golden/faq.jsonl::{case_id}" for case_id in odd)).ret == 12
    assert project.outcomes == {**dict.fromkeys(odd, "passed"), "other": "not_run"}


def test_odd_ids_under_xdist(project: Project) -> None:
    project.suite(dict.fromkeys(["two words", "größe-日本", "a[b]", "[x", "a/b", "a@b"], "yes"))
    assert project.run("-n2", "--dist", "loadgroup").ret == 0
    assert project.verdict["accounting"]["passed"] == 6


@pytest.mark.parametrize(
    "args",
    [("-q", "-s"), ("-qq",), ("-p", "no:terminal"), ("-p", "no:xdist"), ("-n0",)],
    ids=" ".join,
)
def test_other_ways_to_run_pytest(suite: Project, args: tuple[str, ...]) -> None:
    result = suite.run(*args)
    assert result.ret == 0
    assert suite.outcomes == {"a": "passed", "b": "missed", "c": "errored"}
    assert any("evalgate: " in line and "(exit 0" in line for line in result.outlines) == ("no:terminal" not in args)
