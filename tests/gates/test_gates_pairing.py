from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.gates import pair

if TYPE_CHECKING:
    from tests.gates.conftest import Build


def test_pairs_edited_added_and_removed_are_told_apart(build: Build) -> None:
    suite = build.suite("PmPmPS", fields={2: {"fingerprint": "other"}})
    pairing = pair(suite, build.baseline("mPP--P-", first=0))
    assert [(found.now.case.id, found.change) for found in pairing.pairs] == [
        ("c000", 1.0),
        ("c001", -1.0),
        ("c003", 0.0),
        ("c004", 1.0),
    ]
    assert [result.case.id for result in pairing.edited] == ["c002"]
    assert pairing.added == ()
    assert pairing.removed == ("c005", "c006")
    assert pairing.share == 4 / 7


def test_a_new_case_is_added_and_a_missing_answer_stays_paired(build: Build) -> None:
    pairing = pair(build.suite("P?P"), build.baseline("PP"))
    assert [result.case.id for result in pairing.added] == ["c002"]
    assert [found.now.case.id for found in pairing.regressed] == ["c001"]
    assert pairing.removed == ()
    assert pairing.share == 1.0


def test_changes_are_listed_largest_first_and_in_plan_order_among_equals(build: Build) -> None:
    pairing = pair(build.suite("PPPm mmmm Pmmm PPPP"), build.baseline("PPPP PPPP PPPP mmmm"))
    assert [found.now.case.id for found in pairing.regressed] == ["c001", "c002", "c000"]
    assert [found.now.case.id for found in pairing.fixed] == ["c003"]
