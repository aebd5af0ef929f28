"""A baseline that a branch edits (A26)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.guard.settings_changes import baseline_changes

if TYPE_CHECKING:
    from tests.gates.conftest import Build


def test_the_same_baseline_is_no_change(build: Build) -> None:
    assert list(baseline_changes(build.baseline("PPm"), replace(build.baseline("PPm"), source="git:main"))) == []
    assert list(baseline_changes(None, None)) == []


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ("Pmm", "3 cases, 33.3% passed: 1 changed, 0 removed, 0 added"),
        ("PPP", "3 cases, 100.0% passed: 1 changed, 0 removed, 0 added"),
        ("PP", "2 cases, 100.0% passed: 0 changed, 1 removed, 0 added"),
        ("PPmm", "4 cases, 50.0% passed: 0 changed, 0 removed, 1 added"),
    ],
)
def test_an_edited_baseline_is_weaker_whichever_way(build: Build, now: str, told: str) -> None:
    [change] = baseline_changes(build.baseline("PPm"), build.baseline(now))
    assert (change.what, change.where, change.effect) == ("baseline edited", "suites.faq.baseline", "weaker")
    assert (change.before, change.now) == ("run r0, 3 cases, 66.7% passed", f"run r0, {told}")


def test_a_baseline_of_other_contents_is_edited(build: Build) -> None:
    [change] = baseline_changes(build.baseline("PPm"), build.baseline("PPm", fingerprint="other"))
    assert change.now.endswith("3 changed, 0 removed, 0 added")


def test_a_removed_baseline_is_weaker(build: Build) -> None:
    [change] = baseline_changes(build.baseline("PPm"), None)
    assert (change.what, change.now, change.effect) == ("baseline removed", "none", "weaker")


def test_a_first_baseline_is_neutral(build: Build) -> None:
    [change] = baseline_changes(None, build.baseline("PPm"))
    assert (change.what, change.before, change.effect) == ("baseline added", "none", "neutral")


def test_another_origin_of_the_same_values_is_told(build: Build) -> None:
    base = build.baseline("PPm")
    [change] = baseline_changes(base, replace(base, provenance=replace(base.provenance, run_id="r9")))
    assert (change.what, change.before, change.now, change.effect) == ("baseline relabelled", "r0", "r9", "neutral")
