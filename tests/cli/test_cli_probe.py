"""``pytest-evalgate probe`` against a local server that plays a judge; UPDATE_GOLDEN=1 rewrites the screen."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.cli import main
from pytest_evalgate.judging.probe_texts import REFUND, SUM
from pytest_evalgate.testing import Behaviour, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_evalgate.testing import Request

_SCREEN = Path(__file__).parent / "screens" / "probe.100.txt"
_SHOWN = re.compile(r"\nBEGIN (\w{16})\n(.*)\nEND \1\n")
_RIGHT = {text for frame in (SUM, REFUND) for text in frame.good}
_CONFIG = """
[models.m]
model = "m-1"
base_url = "{url}"
api_key_env = ""
client = "http"

[judges.faq]
model = "m"
rubric = "correctness"
"""


def _verdict(nonce: str, candidate: str, *, good: bool) -> str:
    evidence, score, verdict = (candidate.split("\n", 1)[0], 1, "pass") if good else ("", 0, "fail")
    return json.dumps({"nonce": nonce, "evidence": evidence, "score": score, "verdict": verdict})


def _strict(nonce: str, candidate: str) -> str:
    return _verdict(nonce, candidate, good=candidate in _RIGHT)


def _obedient(nonce: str, candidate: str) -> str:
    return _verdict(nonce, candidate, good=candidate in _RIGHT or "Rating" in candidate or "grade" in candidate)


def _echoing(nonce: str, candidate: str) -> str:  # noqa: ARG001 - it could know its nonce
    return candidate


@dataclass(frozen=True)
class Probed:
    """A project with a judge, and the server that plays it."""

    server: ScriptedServer
    capsys: pytest.CaptureFixture[str]

    def play(self, character: Callable[[str, str], str]) -> None:
        def decide(request: Request) -> Behaviour:
            users = [message["content"] for message in request.body["messages"] if message["role"] == "user"]
            [(nonce, candidate)] = _SHOWN.findall(users[0])
            return Behaviour.text(character(nonce, json.loads(candidate)))

        self.server.answer_with(decide)

    def probe(self, *arguments: str) -> tuple[int, str, str]:
        code = main(["probe", *arguments])
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def json(self, *arguments: str) -> tuple[int, Any]:
        code, out, err = self.probe("faq", *arguments, "--json")
        assert err == ""
        return code, json.loads(out)


@pytest.fixture
def probed(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Probed]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVALGATE_DIR", raising=False)
    monkeypatch.setenv("EVALGATE_CACHE_KEY", "a key of this test alone")
    with ScriptedServer() as server:
        (tmp_path / "evalgate.toml").write_text(_CONFIG.format(url=server.base_url), "utf-8")
        yield Probed(server, capsys)


def test_the_screen_names_the_breaks_by_family(probed: Probed) -> None:
    probed.play(_obedient)
    code, out, err = probed.probe("faq")
    assert (code, err) == (1, "")
    if os.environ.get("UPDATE_GOLDEN"):
        _SCREEN.write_text(out, "utf-8")
    assert out == _SCREEN.read_text("utf-8")
    assert max(map(len, out.splitlines())) <= 100


def test_a_strict_judge_is_not_called_immune(probed: Probed) -> None:
    probed.play(_strict)
    code, out, _ = probed.probe("faq", "--trials", "2")
    assert code == 0
    said = " ".join(out.split())
    assert "0 breaks in 96 trials: at most 3.1% of such answers pass" in said
    assert "others may still pass" in said
    assert "controls that the judge did not tell: 0 of 16" in said


def test_an_echoing_judge_has_no_break_and_cannot_tell_the_controls(probed: Probed) -> None:
    probed.play(_echoing)
    code, found = probed.json()
    assert (code, found["breaks"], found["answered"], found["unanswered"]) == (1, [], 48, 0)
    assert sum(family["unreadable"] for family in found["families"]) == 38
    assert len(found["controls_wrong"]) == found["controls"] == 8
    _, out, _ = probed.probe("faq")
    assert 'WRONG "right-1.1" is known to be good; the judge could not tell: no verdict: ' in out
    assert max(map(len, out.splitlines())) <= 100
    assert "A judge that cannot tell plain right from plain wrong answers" in out


@pytest.mark.parametrize(("trials", "percent"), [(1, 6.1), (2, 3.1), (3, 2.1)])
def test_more_trials_make_the_bound_smaller(probed: Probed, trials: int, percent: float) -> None:
    probed.play(_strict)
    code, found = probed.json("--trials", str(trials))
    assert (code, found["answered"], found["trials"]) == (0, 48 * trials, trials)
    assert round(100 * found["bound"], 1) == percent
    assert probed.server.calls == (38 + 8) * trials


def test_breaks_are_counted_by_family_and_told_in_full(probed: Probed) -> None:
    probed.play(_obedient)
    code, found = probed.json("--trials", "2")
    assert code == 1
    assert {family["family"]: family["breaks"] for family in found["families"] if family["breaks"]} == {
        "override": 2,
        "fake-verdict": 2,
        "hidden": 4,
    }
    assert [one["trial"] for one in found["breaks"]] == [1] * 4 + [2] * 4
    assert found["breaks"][0]["text"].endswith("return the highest grade.")
    _, out, _ = probed.probe("faq", "--trials", "2")
    assert out.count("BREAK") == 4
    assert "BREAK J20 fake-verdict, 2 times" in out


def test_what_was_asked_before_is_not_paid_again(probed: Probed) -> None:
    probed.play(_strict)
    probed.json()
    before = probed.server.calls
    assert probed.json()[0] == 0
    assert probed.server.calls == before == 46


def test_calls_that_fail_are_no_proof(probed: Probed) -> None:
    probed.play(_strict)
    probed.server.queue(Behaviour.status(400), Behaviour.status(400))
    code, out, _ = probed.probe("faq")
    assert code == 11
    assert "2 calls failed, which says nothing: run it again" in out
    assert "0 breaks in 46 trials" in out
    assert "controls that the judge did not tell: 0 of 8" in out
    assert probed.json()[0] == 0  # what failed is asked again, and answered now


def test_an_endpoint_that_answers_nothing_is_said_in_one_line(probed: Probed) -> None:
    probed.server.script(Behaviour.unauthorized())
    code, out, err = probed.probe("faq")
    assert (code, out) == (11, "")
    assert len(err.splitlines()) == 1
    assert "401" in err


def test_templates_that_are_filled_in_are_a_break(probed: Probed, monkeypatch: pytest.MonkeyPatch) -> None:
    probed.play(_strict)
    assert "templates in an answer reach the judge as they are" in probed.probe("faq")[1]
    monkeypatch.setattr("pytest_evalgate.judging.probes.LITERAL", "\u200b")
    code, out, _ = probed.probe("faq")
    assert code == 1
    assert "BREAK templates in an answer do not reach the judge" in out


def test_a_judge_has_to_be_configured(probed: Probed) -> None:
    code, out, err = probed.probe("tone")
    assert (code, out) == (4, "")
    assert "no judge is named 'tone': faq" in err
    assert probed.server.calls == 0


@pytest.mark.parametrize("trials", ["0", "101", "-1", "x"])
def test_trials_are_a_whole_number(probed: Probed, trials: str) -> None:
    with pytest.raises(SystemExit) as caught:
        probed.probe("faq", "--trials", trials)
    assert caught.value.code == 2


def test_help_has_an_example(probed: Probed) -> None:
    with pytest.raises(SystemExit) as caught:
        probed.probe("--help")
    assert caught.value.code == 0
    assert "example: pytest-evalgate probe faq" in probed.capsys.readouterr().out
