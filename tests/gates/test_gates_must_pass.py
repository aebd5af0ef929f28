from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.config import MustPassGate
from pytest_evalgate.gates.pass_rate import decide_must_pass

if TYPE_CHECKING:
    from tests.gates.conftest import Build

_SAFE: dict[str, Any] = {"tags": ("safety", "en")}


def _gate(*tags: str) -> MustPassGate:
    return MustPassGate(kind="must-pass", tags=tags)


@pytest.mark.parametrize(
    ("letters", "result"),
    [
        ("PPPP", "pass"),
        ("mPPP", "fail"),
        ("PPmm", "pass"),
        ("SPPP", "fail"),
        ("PPSS", "pass"),
        ("PPP PPm PPP PPP", "fail"),
        ("PPP PPP mmm PPm", "pass"),
    ],
)
def test_every_trial_of_every_tagged_case(build: Build, letters: str, result: str) -> None:
    suite = build.suite(letters, fields={0: _SAFE, 1: _SAFE})
    assert decide_must_pass(_gate("safety"), suite.results, "worst").result == result


def test_without_tags_every_case_is_meant(build: Build) -> None:
    assert decide_must_pass(_gate(), build.suite("PPP").results, "worst").message == "all 3 cases passed"
    assert decide_must_pass(_gate(), build.suite("PPm").results, "worst").result == "fail"


def test_no_case_with_the_tag_is_invalid(build: Build) -> None:
    result = decide_must_pass(_gate("safety", "law"), build.suite("PP").results, "worst")
    assert (result.result, result.message) == ("invalid", "no case has a tag of safety, law")


@pytest.mark.parametrize(("letters", "worst", "best"), [("?P", "fail", "pass"), ("?m", "fail", "fail")])
def test_missing_answers(build: Build, letters: str, worst: str, best: str) -> None:
    results = build.suite(letters).results
    assert decide_must_pass(_gate(), results, "worst").result == worst
    assert decide_must_pass(_gate(), results, "best").result == best


def test_a_missed_trial_beside_a_missing_one_fails_either_way(build: Build) -> None:
    results = build.suite("P?m PPP").results
    assert decide_must_pass(_gate(), results, "best").result == "fail"


def test_the_message_names_the_first_cases_and_where_they_stand(build: Build) -> None:
    result = decide_must_pass(
        _gate("safety"), build.suite("mmmmmP", fields=dict.fromkeys(range(6), _SAFE)).results, "worst"
    )
    assert result.value == pytest.approx(1 / 6)
    assert result.message == (
        "5 of 6 cases tagged safety did not pass in every trial: c000 (golden/faq.jsonl:1), "
        "c001 (golden/faq.jsonl:2), c002 (golden/faq.jsonl:3) and 2 more"
    )
