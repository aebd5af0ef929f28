"""Models that replied in place of others: recorded, reported, and not compared with another baseline."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.gates.conftest import decide_suite

from pytest_evalgate.gates import SuiteRules, pair
from pytest_evalgate.records.calls import Call, CallRecord, Reply, record_of
from pytest_evalgate.records.served import other_models
from pytest_evalgate.records.verdicts import OtherModel

if TYPE_CHECKING:
    from tests.gates.conftest import Build

    from pytest_evalgate.records.results import SuiteRun
    from pytest_evalgate.records.verdicts import Baseline

_LETTERS = "P" * 30


def _served(build: Build, *served: str, asked: str = "m", purpose: str = "target") -> SuiteRun:
    """Return a suite whose cases were answered by the models ``served`` in turn; "" is the one asked for."""
    suite = build.suite(_LETTERS)
    results = tuple(
        replace(
            result,
            trials=tuple(
                replace(trial, calls=(CallRecord(purpose, asked, 1, served=served[index % len(served)]),))
                for trial in result.trials
            ),
        )
        for index, result in enumerate(suite.results)
    )
    return replace(suite, results=results)


def _baseline(build: Build, *others: OtherModel) -> Baseline:
    return replace(build.baseline(_LETTERS), other_models=others)


@pytest.mark.parametrize(
    ("asked", "served", "recorded"),
    [("m", "m-mini", "m-mini"), ("m", "m", ""), ("m", "m-2026-01-01", ""), ("a/m", "m", ""), ("m", "", "")],
)
def test_a_call_records_the_model_that_replied_in_place_of_another(asked: str, served: str, recorded: str) -> None:
    call = Call("chat", "http://x/v1", asked, {})
    assert record_of(call, Reply("a", served_model=served)).served == recorded


def test_the_verdict_has_the_models_and_a_note(build: Build) -> None:
    verdict = decide_suite(_served(build, "m-mini", ""), SuiteRules())
    assert verdict.other_models == (OtherModel("target", "m", "m-mini", 15),)
    assert verdict.notes[0] == "another model replied: m was asked for, m-mini replied to 15 calls of the target"


_MINI = OtherModel("target", "m", "m-mini", 30)


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (("m-mini",), ()),
        (("m-mini", ""), ()),
        (("m-mini",), (replace(_MINI, served="m-nano"),)),
        (("",), (_MINI,)),
        (("m-mini", "m-nano"), (_MINI,)),
    ],
)
def test_a_run_of_another_model_is_not_compared(
    build: Build, now: tuple[str, ...], before: tuple[OtherModel, ...]
) -> None:
    suite, baseline = _served(build, *now), _baseline(build, *before)
    pairing = pair(suite, baseline)
    assert (pairing.pairs, len(pairing.edited)) == ((), 30)
    verdict = decide_suite(suite, SuiteRules(baseline=baseline))
    assert (verdict.verdict, verdict.delta) == ("invalid", None)
    assert "another model replied than at the baseline" in verdict.gates[0].message


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (("",), ()),
        (("m-mini",), (_MINI,)),
        (("",), (replace(_MINI, asked="other"),)),
        (("",), (replace(_MINI, purpose="judge:faq"),)),
    ],
)
def test_a_run_of_the_same_models_is_compared(
    build: Build, now: tuple[str, ...], before: tuple[OtherModel, ...]
) -> None:
    pairing = pair(_served(build, *now), _baseline(build, *before))
    assert (len(pairing.pairs), pairing.problem) == (30, None)


def test_the_models_of_judges_count_too(build: Build) -> None:
    suite = _served(build, "m-mini", purpose="judge:faq")
    assert other_models(suite.results) == (OtherModel("judge:faq", "m", "m-mini", 30),)
    assert pair(suite, _baseline(build)).problem is not None
    assert decide_suite(suite, SuiteRules()).notes[0].endswith("replied to 30 calls of the judge faq")
