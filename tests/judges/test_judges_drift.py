"""Does a judge flip more than it did among its own stored verdicts?"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from pytest_evalgate.judges.drift import Label, Rejudged, drift, majority, power_to_detect, shift

holds = settings(deadline=None, database=None, max_examples=100)
verdicts = st.lists(st.booleans(), min_size=3, max_size=3).map(tuple)


def _anchors(label: Label, *, steady: int, flipped: int, unanswered: int = 0) -> list[Rejudged]:
    """Make anchors that were always told rightly when they were recorded."""
    stored = (label == "pass",) * 3
    now = [label == "pass"] * steady + [label != "pass"] * flipped + [None] * unanswered
    return [Rejudged(label, stored, verdict) for verdict in now]


def test_a_judge_that_says_the_same_is_steady() -> None:
    found = drift([*_anchors("pass", steady=100, flipped=0), *_anchors("fail", steady=100, flipped=0)])
    assert found.finding == "steady"
    assert [(each.label, each.anchors, each.flips, each.p) for each in found.classes] == [
        ("pass", 100, 0, 1.0),
        ("fail", 100, 0, 1.0),
    ]


def test_a_judge_that_turned_lenient_has_drifted_and_is_told_by_its_class() -> None:
    found = drift([*_anchors("pass", steady=100, flipped=0), *_anchors("fail", steady=90, flipped=10)])
    assert found.finding == "drifted"
    passes, fails = found.classes
    assert (passes.flips, fails.flips, fails.to_pass) == (0, 10, 10)
    assert fails.p == pytest.approx(2 * binom.sf(9, 100, 0.01))  # Holm: twice the smaller of two
    assert passes.p == 1.0


def test_few_flips_are_what_the_least_flip_rate_allows() -> None:
    found = drift([*_anchors("pass", steady=97, flipped=3), *_anchors("fail", steady=97, flipped=3)])
    assert found.finding == "steady"
    assert found.classes[0].p == pytest.approx(2 * binom.sf(2, 100, 0.01))


def test_a_judge_that_flipped_before_may_flip_again() -> None:
    """Ten of 100 anchors were torn when they were recorded: a flip rate of 6.7 %."""
    torn = [Rejudged("fail", (False, False, True), now=True)] * 10
    calm = _anchors("pass", steady=100, flipped=0)
    assert drift([*calm, *_anchors("fail", steady=90, flipped=0), *torn]).finding == "steady"
    assert drift([*calm, *_anchors("fail", steady=90, flipped=10)]).finding == "drifted"


def test_holm_takes_both_classes_together() -> None:
    """Four flips of 100 are p = 0.018 alone; five are 0.0034, which is 0.0069 of two tests."""
    four, five = (
        drift([*_anchors("pass", steady=100, flipped=0), *_anchors("fail", steady=100 - flips, flipped=flips)])
        for flips in (4, 5)
    )
    assert (four.finding, five.finding) == ("steady", "drifted")


def test_without_the_verdicts_that_decide_it_is_incomplete() -> None:
    fails = _anchors("fail", steady=95, flipped=2, unanswered=3)
    found = drift([*_anchors("pass", steady=100, flipped=0), *fails])
    assert found.finding == "incomplete"
    assert found.classes[1].unanswered == 3
    assert found.classes[1].p > 0.01 > found.classes[1].p_worst


def test_missing_verdicts_that_cannot_matter_do_not() -> None:
    fails = _anchors("fail", steady=98, flipped=0, unanswered=2)
    assert drift([*_anchors("pass", steady=100, flipped=0), *fails]).finding == "steady"
    fails = _anchors("fail", steady=78, flipped=20, unanswered=2)
    assert drift([*_anchors("pass", steady=100, flipped=0), *fails]).finding == "drifted"


@holds
@given(st.lists(st.tuples(verdicts, st.none() | st.booleans()), min_size=1, max_size=30))
def test_flips_are_counted_against_the_majority(rows: list[tuple[tuple[bool, ...], bool | None]]) -> None:
    anchors = [Rejudged(label, stored, now) for label in ("pass", "fail") for stored, now in rows]
    for each in drift(anchors).classes:
        assert each.flips == sum(now is not None and now != (sum(stored) >= 2) for stored, now in rows)
        assert each.to_pass <= each.flips
        assert each.p <= 1
        assert each.p_worst <= each.p
        assert each.unanswered == sum(now is None for _, now in rows)


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        ([Rejudged("pass", (True, True), now=True)], "verdicts must contain at least one item"),
        ([Rejudged(label, (True,), now=True) for label in ("pass", "fail")], "a list of 2 or more"),
    ],
)
def test_what_cannot_be_tested_is_refused(anchors: list[Rejudged], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        drift(anchors)


@pytest.mark.parametrize(("flip_rate", "anchors"), [(0.0, 100), (0.02, 100), (0.05, 250), (0.3, 100)])
def test_the_chance_to_detect_is_that_of_the_critical_number_of_flips(flip_rate: float, anchors: int) -> None:
    needed = next(flips for flips in range(anchors + 1) if binom.sf(flips - 1, anchors, max(flip_rate, 0.01)) <= 0.005)
    for share in (0.05, 0.2):
        turned = share * (1 - flip_rate) + (1 - share) * flip_rate
        assert power_to_detect(share, anchors, flip_rate) == pytest.approx(binom.sf(needed - 1, anchors, turned))


def test_the_chances_that_the_least_number_of_anchors_rests_on() -> None:
    assert power_to_detect(0.1, 100, 0.02) == pytest.approx(0.95, abs=0.005)
    assert power_to_detect(0.1, 50, 0.02) == pytest.approx(0.70, abs=0.005)


def test_too_few_anchors_find_nothing() -> None:
    assert power_to_detect(1.0, 1, 0.0) == 0.0


def test_the_chances_stand_beside_the_counts() -> None:
    found = drift([*_anchors("pass", steady=100, flipped=0), *_anchors("fail", steady=200, flipped=0)])
    for each in found.classes:
        assert [one.share for one in each.detections] == [0.05, 0.1, 0.2]
        assert [one.chance for one in each.detections] == [
            power_to_detect(one.share, each.anchors, 0.0) for one in each.detections
        ]


@pytest.mark.parametrize("stored", [3, 5])
def test_a_judge_that_did_not_change_raises_no_alarm(stored: int) -> None:
    """400 checks at the level of 1 %: seeded, and with the noise that hurts most, a tenth of the anchors torn."""
    draw = random.Random(stored)  # noqa: S311 - a seeded simulation
    alarms = 0
    for _ in range(400):
        anchors = [
            Rejudged(label, tuple(draw.random() < chance for _ in range(stored)), draw.random() < chance)
            for label in ("pass", "fail")
            for chance in [0.3] * 10 + [0.01] * 90
        ]
        alarms += drift(anchors).finding == "drifted"
    assert alarms <= 8


@pytest.mark.parametrize(("said", "wanted"), [((True, True, False), True), ((True, False), False), ((), False)])
def test_a_tie_fails(said: tuple[bool, ...], wanted: bool) -> None:  # noqa: FBT001 - a table
    assert majority(said) is wanted


def test_grades_that_moved_are_described() -> None:
    same = shift([0.0, 0.25, 0.5, 0.75, 1.0] * 20, [0.0, 0.25, 0.5, 0.75, 1.0] * 20)
    assert (same.ks, same.js_bits, same.p) == (0.0, 0.0, 1.0)
    apart = shift([0.0, 0.25] * 50, [0.75, 1.0] * 50)
    assert apart.ks == 1.0
    assert apart.js_bits == pytest.approx(1.0)
    assert apart.p < 1e-9


def test_neighbouring_grades_are_told_apart() -> None:
    assert shift([0.25] * 20, [0.5] * 20).js_bits == pytest.approx(1.0)
