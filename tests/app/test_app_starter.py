"""Starter configuration: the scorer and the slices fit the cases of a golden set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.app.starter import (
    StarterSuite,
    cases_of,
    choose_scorer,
    choose_slices,
    suite_name,
    with_distinct_names,
)
from pytest_evalgate.importing import ImportedCase

if TYPE_CHECKING:
    from pytest_evalgate.records.cases import Case


def _cases(*rows: dict[str, Any]) -> tuple[Case, ...]:
    imported = [ImportedCase(f"t:{number}", {"input": "a", **row}) for number, row in enumerate(rows)]
    cases = cases_of(imported)
    assert len(cases) == len(rows)
    return cases


@pytest.mark.parametrize(
    ("rows", "scorer"),
    [
        ([{"expected": "14 days"}, {"expected_any": ["a", "b"]}], '"icontains"'),
        ([{"expected": "one two three four five six seven eight nine"}], '{ kind = "squad-f1", threshold = 0.5 }'),
        ([{"expected": {"a": 1}}], '"exact"'),
        ([{"asserts": [{"kind": "exact"}]}, {"asserts": [{"kind": "exact"}]}], ""),
        ([{"asserts": [{"kind": "exact"}]}, {"rubric": "polite"}], '{ kind = "length", min = 1 }'),
        ([{"rubric": "polite"}], '{ kind = "length", min = 1 }'),
        ([{"expected": "a"}, {"skip": "no expected value yet"}], '"icontains"'),
    ],
)
def test_the_scorer_can_grade_every_case(rows: list[dict[str, Any]], scorer: str) -> None:
    assert choose_scorer(_cases(*rows))[0] == scorer


def test_tags_and_metadata_with_few_values_become_slices() -> None:
    rows = [
        {
            "tags": [f"kind:{n % 3}", "safety", f"rare:{n % 2}"][: 3 if n < 9 else 2],
            "metadata": {"lang": "en" if n % 2 else "de", "no": str(n), "a.b": "x", "n": n % 2},
        }
        for n in range(12)
    ]
    assert choose_slices(_cases(*rows)) == ["kind", "metadata.lang"]
    assert choose_slices(()) == []


def test_names_are_distinct() -> None:
    suites = [StarterSuite(name, "g.jsonl", "") for name in ("a", "b", "a")]
    assert [suite.name for suite in with_distinct_names(suites, ["b"])] == ["a", "b-2", "a-2"]


@pytest.mark.parametrize(("stem", "name"), [("FAQ (2026)", "faq-2026"), ("Größe", "groe"), ("問題", "imported")])
def test_a_suite_is_named_after_its_file(stem: str, name: str) -> None:
    assert suite_name(stem) == name
    assert StarterSuite(name, "g.jsonl", "s.csv", _cases({"input": "a"})).text().startswith(f"[suites.{name}]\n")
