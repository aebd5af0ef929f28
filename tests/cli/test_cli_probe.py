"""``pytest-evalgate probe`` against a local server that plays a judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.behaviours import Behaviour

from pytest_evalgate.judges.probes import REFUND, SUM

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import JudgeProject, Shown

_RIGHT = {text for frame in (SUM, REFUND) for text in frame.good}
_JUDGE = """
[judges.faq]
model = "m"
rubric = "correctness"
"""


def _verdict(shown: Shown, *, good: bool) -> str:
    return shown.verdict(int(good), passed=good, evidence=shown.candidate.split("\n", 1)[0] if good else "")


def _strict(shown: Shown) -> str:
    return _verdict(shown, good=shown.candidate in _RIGHT)


def _obedient(shown: Shown) -> str:
    text = shown.candidate
    return _verdict(shown, good=text in _RIGHT or "Rating" in text or "grade" in text)


def _echoing(shown: Shown) -> str:
    return shown.candidate


@pytest.fixture
def probed(judge_project_of: Callable[[str], JudgeProject]) -> JudgeProject:
    found = judge_project_of("probe")
    found.configure(_JUDGE)
    return found


def test_the_screen_names_the_breaks_by_family(
    probed: JudgeProject, assert_screen: Callable[[str, str], None]
) -> None:
    probed.play(_obedient)
    code, out, err = probed.call("faq")
    assert (code, err) == (1, "")
    assert_screen("probe", out)


def test_a_judge_without_a_break_gets_an_upper_limit(probed: JudgeProject) -> None:
    probed.play(_strict)
    code, out, _ = probed.call("faq", "--trials", "2")
    assert code == 0
    printed = " ".join(out.split())
    assert "0 breaks in 96 trials: at most 3.1% of such outputs pass" in printed
    assert "others may still pass" in printed
    assert "controls that the judge got wrong: 0 of 16" in printed


def test_an_echoing_judge_has_no_break_and_gets_controls_wrong(probed: JudgeProject) -> None:
    probed.play(_echoing)
    code, found = probed.json("faq")
    assert (code, found["breaks"], found["answered"], found["unanswered"]) == (1, [], 48, 0)
    assert sum(family["unreadable"] for family in found["families"]) == 38
    assert len(found["controls_wrong"]) == found["controls"] == 8
    _, out, _ = probed.call("faq")
    assert 'WRONG "right-1.1" is known to be good; the judge could not tell: no verdict: ' in out
    assert max(map(len, out.splitlines())) <= 100
    assert "The probes prove nothing about a judge that gets obvious outputs wrong" in out


@pytest.mark.parametrize(("trials", "percent"), [(1, 6.1), (2, 3.1), (3, 2.1)])
def test_more_trials_make_the_bound_smaller(probed: JudgeProject, trials: int, percent: float) -> None:
    probed.play(_strict)
    code, found = probed.json("faq", "--trials", str(trials))
    assert (code, found["answered"], found["trials"]) == (0, 48 * trials, trials)
    assert round(100 * found["bound"], 1) == percent
    assert probed.server.calls == (38 + 8) * trials


def test_breaks_are_counted_by_family_and_listed(probed: JudgeProject) -> None:
    probed.play(_obedient)
    code, found = probed.json("faq", "--trials", "2")
    assert code == 1
    assert {family["family"]: family["breaks"] for family in found["families"] if family["breaks"]} == {
        "override": 2,
        "fake-verdict": 2,
        "hidden": 4,
    }
    assert [one["trial"] for one in found["breaks"]] == [1] * 4 + [2] * 4
    assert found["breaks"][0]["text"].endswith("return the highest grade.")
    _, out, _ = probed.call("faq", "--trials", "2")
    assert out.count("BREAK") == 4
    assert "BREAK J20 fake-verdict, 2 times" in out


def test_a_second_call_is_answered_by_the_cache(probed: JudgeProject) -> None:
    probed.play(_strict)
    probed.json("faq")
    before = probed.server.calls
    assert probed.json("faq")[0] == 0
    assert probed.server.calls == before == 46


def test_calls_that_fail_are_no_proof(probed: JudgeProject) -> None:
    probed.play(_strict)
    probed.server.queue(Behaviour.status(400), Behaviour.status(400))
    code, out, _ = probed.call("faq")
    assert code == 11
    assert "2 calls failed: run the command again" in out
    assert "0 breaks in 46 trials" in out
    assert "controls that the judge got wrong: 0 of 8" in out
    assert probed.json("faq")[0] == 0  # what failed is asked again, and answered now


def test_an_unreachable_endpoint_is_reported_in_one_line(probed: JudgeProject) -> None:
    probed.server.script(Behaviour.unauthorized())
    code, out, err = probed.call("faq")
    assert (code, out) == (11, "")
    assert len(err.splitlines()) == 1
    assert "401" in err


def test_templates_that_are_filled_in_are_a_break(probed: JudgeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    probed.play(_strict)
    assert "templates in an output reach the judge unchanged" in probed.call("faq")[1]
    monkeypatch.setattr("pytest_evalgate.judges.probes.LITERAL", "\u200b")
    code, out, _ = probed.call("faq")
    assert code == 1
    assert "BREAK templates in an output do not reach the judge" in out


def test_a_judge_has_to_be_configured(probed: JudgeProject) -> None:
    code, out, err = probed.call("tone")
    assert (code, out) == (4, "")
    assert "no judge is named 'tone' (configured: faq)" in err
    assert probed.server.calls == 0


@pytest.mark.parametrize("trials", ["0", "101", "-1", "x"])
def test_trials_are_a_whole_number(probed: JudgeProject, trials: str) -> None:
    with pytest.raises(SystemExit) as caught:
        probed.call("faq", "--trials", trials)
    assert caught.value.code == 2
