"""Coverage of logs and of wanted values, and the age of cases."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from scipy import stats

from pytest_evalgate.curation.coverage_map import log_coverage
from pytest_evalgate.curation.wanted_values import coverage_findings, coverage_lines, covered_fields, wanted_coverage
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.errors import GoldenSetError, SettingsError
from pytest_evalgate.golden.freshness import blamed_days, stale_cases
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.records.covered import CoveredField, CoveredValue
from pytest_evalgate.records.results import PlannedCase, SuitePlan, SuiteRun, Trial

if TYPE_CHECKING:
    from tests.curation.conftest import WriteLog


def _cases(langs: dict[str, int], weight: float = 1.0) -> list[Case]:
    return [
        Case(f"{lang}{number}", input="one two three", slice={"lang": lang}, weight=weight)
        for lang, size in langs.items()
        for number in range(size)
    ]


def test_a_new_language_and_one_with_few_cases_are_named(write_log: WriteLog) -> None:
    langs = {"en": 700, "de": 200, "pl": 90, "uk": 10}
    log = write_log({"input": "a b c d", "lang": lang} for lang, size in langs.items() for _ in range(size))
    found = log_coverage(_cases({"en": 90, "de": 8, "it": 2}), [log], ["lang"])
    [field] = found.fields
    assert [(one.value, one.state) for one in field.values] == [
        ("en", "enough"),
        ("de", "few"),
        ("pl", "missing"),
        ("uk", "missing"),
        ("it", "not in the log"),
    ]
    assert (field.values[1].share, field.values[1].log_share) == (0.08, 0.2)
    assert 0 < field.distance < 1
    assert found.lengths is not None
    assert (found.lengths.statistic, found.lengths.medians) == (1.0, (3.0, 4.0))
    assert found.lengths.p == stats.ks_2samp([3.0] * 100, [4.0] * 1000).pvalue


def test_shares_are_by_weight(write_log: WriteLog) -> None:
    log = write_log({"input": "a", "lang": lang} for lang in ["en"] * 90 + ["de"] * 10)
    cases = [*_cases({"en": 10}, weight=9.0), *_cases({"de": 10})]
    [field] = log_coverage(cases, [log], ["lang"]).fields
    assert [one.share for one in field.values] == pytest.approx([0.9, 0.1])
    assert field.distance == pytest.approx(0, abs=1e-6)


def test_fields_of_the_metadata_and_tags_are_read(write_log: WriteLog) -> None:
    log = write_log({"input": "a", "domain": "x", "lang": "de"} for _ in range(3))
    cases = [Case("a", input="a", tags=("lang:de",), metadata={"domain": "x"})]
    found = log_coverage(cases, [log], ["lang", "domain"])
    assert [[one.state for one in field.values] for field in found.fields] == [["enough"], ["enough"]]


def test_what_cannot_be_compared_is_refused(write_log: WriteLog) -> None:
    log = write_log({"input": "a", "lang": "de", "id": number} for number in range(10_001))
    cases = _cases({"en": 2})
    with pytest.raises(
        SettingsError, match='--by nothing: no row has this field; the fields are "input", "lang", "id"'
    ):
        log_coverage(cases, [log], ["nothing"])
    with pytest.raises(SettingsError, match="--by id: more than 10,000 values"):
        log_coverage(cases, [log], ["id"])
    log = write_log([{"input": "a", "domain": "x"}])
    with pytest.raises(
        SettingsError, match=r"--by domain: no case has this field: give the cases a tag such as domain"
    ):
        log_coverage(cases, [log], ["domain"])
    with log.path.open("a", encoding="utf-8") as file:
        file.write("{\n")
    with pytest.raises(GoldenSetError, match=r"log1\.jsonl:2"):
        log_coverage(cases, [log], ["domain"])


def test_requirements_are_traced_to_their_cases() -> None:
    cases = [
        Case("a", tags=("req:R-1", "req:R-2")),
        Case("b", tags=("req:R-1",)),
        Case("c", tags=("req:X-9",)),
        Case("d"),
    ]
    [field] = wanted_coverage(cases, {"req": ("R-1", "R-2", "R-3", "R-*")})
    assert [(one.value, one.cases) for one in field.wanted] == [
        ("R-1", ("a", "b")),
        ("R-2", ("a",)),
        ("R-3", ()),
        ("R-*", ("a", "b")),
    ]
    assert (field.missing, field.others, field.without) == (("R-3",), (("X-9", 1),), 1)
    found = [(str(one), one.severity) for one in coverage_findings("faq", [field], Place("evalgate.toml", 0))]
    assert found == [
        ("evalgate.toml: coverage: suites.faq.coverage.req: no case has R-3", "error"),
        ("evalgate.toml: coverage: suites.faq.coverage.req: not wanted, but in the golden set: X-9 (1 case)", "note"),
        ("evalgate.toml: coverage: suites.faq.coverage.req: 1 case without a value", "note"),
    ]
    assert list(coverage_lines("faq", [field])) == [
        "coverage of suite faq:",
        "  req R-1: 2 cases: a, b",
        "  req R-2: 1 case: a",
        "  req R-3: no case",
        "  req R-*: 2 cases: a, b",
    ]


_BLAME = """{0} 1 1 2
author A
author-time {1}
author-tz +0200
filename g.jsonl
\t{{"id": "a", "note": "author-time 5"}}
{0} 2 2
author A
author-time {2}
filename g.jsonl
\t{{"id": "b"}}
"""


def _seconds(day: str) -> int:
    return int(dt.datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp())


def test_the_days_of_lines_are_read_from_git() -> None:
    text = _BLAME.format("a" * 40, _seconds("2026-01-05"), _seconds("2025-11-01"))
    assert blamed_days(text) == {1: dt.date(2026, 1, 5), 2: dt.date(2025, 11, 1)}
    assert blamed_days("") == {}


_RENEW = 'compare them with today\'s requests, then renew "created" in their metadata'


def test_old_cases_are_found_by_their_day_or_that_of_git() -> None:
    cases = [
        Case("a", place=Place("g.jsonl", 1), metadata={"created": "2026-01-01"}),
        Case("b", place=Place("g.jsonl", 2)),
        Case("c", place=Place("g.jsonl", 3), metadata={"created": "2024-05-01T10:00:00Z"}),
        Case("d", place=Place("g.jsonl", 4), metadata={"created": "soon"}),
        Case("e", place=Place("h.jsonl", 1)),
    ]
    days = {"g.jsonl": {1: dt.date(2020, 1, 1), 2: dt.date(2025, 1, 1)}}
    found = list(stale_cases(cases, days, 365, dt.date(2026, 2, 1)))
    assert [(str(one), one.severity) for one in found] == [
        ("g.jsonl:3: stale: 2 cases older than max_age_days = 365, the oldest of 2024-05-01: " + _RENEW, "warning")
    ]
    assert list(stale_cases(cases, days, 2000, dt.date(2026, 2, 1))) == []


def _run(*cases: tuple[str, tuple[str, ...], tuple[tuple[str, str], ...], float]) -> SuiteRun:
    results = [
        combine_trials(PlannedCase(name, Place("g.jsonl", number), "f", tags, slices), [Trial(0, value)])
        for number, (name, tags, slices, value) in enumerate(cases, 1)
    ]
    plan = SuitePlan("faq", ("g.jsonl",), "g", "s", 1, tuple(result.case for result in results))
    return SuiteRun(plan, tuple(results))


def test_coverage_of_a_run_counts_what_passed() -> None:
    run = _run(
        ("a", ("requirement:R-1", "vip"), (("lang", "de"),), 1.0),
        ("b", ("requirement:R-1", "requirement:R-2"), (("lang", "en"),), 0.0),
        ("c", (), (("lang", "it"),), 1.0),
    )
    wanted = {"requirement": ["R-1", "R-*", "R-9"], "lang": ["de", "en"], "tag": ["vip"], "metadata.kind": ["x"]}
    requirement, lang, tag = covered_fields(run, wanted)  # no kind: it is not in the run
    assert requirement == CoveredField(
        "requirement",
        (CoveredValue("R-1", 2, 1, ("a", "b")), CoveredValue("R-*", 2, 1, ("a", "b")), CoveredValue("R-9", 0, 0)),
        without=1,
    )
    assert requirement.missing == ("R-9",)
    assert lang == CoveredField("lang", (CoveredValue("de", 1, 1, ("a",)), CoveredValue("en", 1, 0, ("b",))), others=1)
    assert tag == CoveredField("tag", (CoveredValue("vip", 1, 1, ("a",)),), without=2)


def test_coverage_of_a_run_lists_the_first_cases() -> None:
    run = _run(*((f"c{number:03}", ("k:v",), (), 1.0) for number in range(100)))
    [field] = covered_fields(run, {"k": ["v"]})
    assert field.values == (CoveredValue("v", 100, 100, tuple(f"c{number:03}" for number in range(20))),)
