"""``pytest-evalgate drift`` against a local server that plays a judge."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.judges import drift as judges_drift
from pytest_evalgate.records.results import Score

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.cli.conftest import JudgeProject, Shown

    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Output

_STORED = "anchors.faq.verdicts.json"
_JUDGE = """
[judges.faq]
model = "m"
{judge}
"""


@dataclass(frozen=True)
class DriftProject:
    """A project with anchors, and the server that plays their judge."""

    project: JudgeProject

    @property
    def root(self) -> Path:
        return self.project.root

    @property
    def calls(self) -> int:
        return self.project.server.calls

    def configure(self, judge: str = 'criteria = "It is right."') -> None:
        self.project.configure(_JUDGE.format(judge=judge))

    def anchors(self, passes: int = 100, fails: int = 100) -> None:
        rows = (
            {"id": f"{label}-{number}", "input": "q", "output": f"{label} {number}", "label": label}
            for label, many in (("pass", passes), ("fail", fails))
            for number in range(many)
        )
        self.project.label(rows, "anchors.jsonl")

    def play(self, grade: Callable[[str, int], int]) -> None:
        """Have outputs graded by their label and number."""

        def character(shown: Shown) -> str:
            label, number = shown.candidate.split()
            score = grade(label, int(number))
            return shown.verdict(score, passed=bool(score), evidence=shown.candidate)

        self.project.play(character)

    def drift(self, *arguments: str, judge: str = "faq") -> tuple[int, str, str]:
        return self.project.call(judge, "--anchors", "anchors.jsonl", *arguments)

    def record(self, *arguments: str) -> str:
        code, out, err = self.drift("--record", *arguments)
        assert (code, err) == (0, "")
        return out

    def json(self) -> tuple[int, Any]:
        return self.project.json("faq", "--anchors", "anchors.jsonl")

    def stored(self) -> Any:
        return json.loads((self.root / _STORED).read_text("ascii"))


def _rightly(label: str, number: int) -> int:  # noqa: ARG001 - others go by the number
    return int(label == "pass")


def _leniently(label: str, number: int) -> int:
    return int(label == "pass" or number < 20)


def on(monkeypatch: pytest.MonkeyPatch, day: int, hour: int = 8) -> None:
    """Let it be an hour of a day of November 2026."""
    now = datetime(2026, 11, day, hour, tzinfo=UTC)
    monkeypatch.setattr("pytest_evalgate.cli.drift.datetime", SimpleNamespace(now=lambda _: now))


@pytest.fixture
def drifting(judge_project_of: Callable[[str], JudgeProject], monkeypatch: pytest.MonkeyPatch) -> DriftProject:
    on(monkeypatch, 1)
    found = DriftProject(judge_project_of("drift"))
    found.configure()
    found.anchors()
    found.play(_rightly)
    return found


def test_a_judge_that_turned_lenient_has_drifted(
    drifting: DriftProject, assert_screen: Callable[[str, str], None]
) -> None:
    drifting.record()
    drifting.play(_leniently)
    code, out, err = drifting.drift()
    assert (code, err) == (1, "")
    assert_screen("drift", out)


def test_the_finding_is_written_beside_the_calibration(drifting: DriftProject) -> None:
    drifting.configure('criteria = "It is right."\ncalibration = "calibration/faq.json"')
    drifting.record()
    drifting.play(_leniently)
    assert drifting.drift()[0] == 1
    found = judges_drift.read_drift(drifting.root / "calibration" / "faq.drift.json")
    assert found is not None
    assert (found.judge, found.finding) == ("faq", "drifted")


def test_a_steady_judge_is_asked_again(drifting: DriftProject, monkeypatch: pytest.MonkeyPatch) -> None:
    assert drifting.record() == f"recorded faq: 3 verdicts of each of 200 anchors -> {_STORED}\n"
    assert drifting.calls == 600
    code, found = drifting.json()
    assert (code, found["drift"]["finding"], found["shift"]) == (0, "steady", None)
    assert [(each["label"], each["anchors"], each["flips"]) for each in found["drift"]["classes"]] == [
        ("pass", 100, 0),
        ("fail", 100, 0),
    ]
    assert drifting.calls == 800
    on(monkeypatch, 1, 9)
    found = drifting.json()[1]
    assert (found["sent"], found["cached"]) == (200, 0)
    assert drifting.calls == 1000  # on the same day


def test_a_judge_that_changed_on_the_same_day_has_drifted(
    drifting: DriftProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    drifting.record()
    assert drifting.drift()[0] == 0
    drifting.play(_leniently)
    on(monkeypatch, 1, 9)
    assert drifting.drift()[0] == 1


def test_if_nothing_was_asked_the_check_says_so(drifting: DriftProject) -> None:
    drifting.record()
    drifting.drift()
    out = drifting.drift()[1]  # at the same moment: its questions are those of the check before
    assert "no call was sent: 200 of the verdicts came from the cache and cannot show a change" in " ".join(
        out.split()
    )


@dataclass
class Played:
    """Stands in for the model, the engine and the cache: grades each output by its label and number."""

    grade: Callable[[str, int], float | None]
    asked: list[str] = field(default_factory=list)

    def __call__(
        self, _project: object, name: str, cases: Sequence[tuple[Case, Output]], _fields: Sequence[str | None]
    ) -> tuple[tuple[Score, ...], dict[str, str]]:
        self.asked += [case.id for case, _ in cases]
        return tuple(self._score(name, *output.value.split()) for _, output in cases), {}

    def _score(self, name: str, label: str, number: str) -> Score:
        value = self.grade(label, int(number))
        return Score(name, value, None if value is None else value >= 0.5)


@pytest.fixture
def played(drifting: DriftProject, monkeypatch: pytest.MonkeyPatch) -> Played:  # noqa: ARG001 - the project
    found = Played(_rightly)
    monkeypatch.setattr("pytest_evalgate.cli.drift.run_judge", found)
    return found


def test_each_anchor_is_asked_anew_each_time(drifting: DriftProject, played: Played) -> None:
    drifting.record("5")
    assert len(played.asked) == len(set(played.asked)) == 1000
    drifting.json()
    assert len(set(played.asked)) == 1200
    assert played.asked[800] == "pass-0#2026-11-01T08:00:00.000000Z.4"
    assert played.asked[1000] == "pass-0#2026-11-01T08:00:00.000000Z"


def test_flips_of_an_unsteady_judge_are_no_drift(drifting: DriftProject, played: Played) -> None:
    turns = iter(range(10_000))
    played.grade = lambda label, number: float((label == "pass") != (number < 30 and next(turns) % 7 == 0))
    drifting.record()
    played.grade = lambda label, number: float((label == "pass") != (number < 8))
    code, found = drifting.json()
    assert code == 0
    assert all(each["flips"] > 4 and each["flip_rate"] > 0.05 for each in found["drift"]["classes"])


def test_grades_are_described(drifting: DriftProject, played: Played) -> None:
    drifting.configure('criteria = "It is right."\nscale = "1-5"')
    played.grade = lambda label, number: (0.75 if label == "pass" else 0.0) + 0.25 * (number % 2)
    drifting.record()
    played.grade = lambda label, number: (0.5 if label == "pass" else 0.0) + 0.25 * (number % 2)
    code, found = drifting.json()
    assert (code, found["drift"]["finding"]) == (0, "steady")
    assert found["shift"]["ks"] == pytest.approx(0.25)
    assert found["shift"]["js_bits"] > 0.1
    out = " ".join(drifting.drift()[1].split())
    assert "grades (description, no test): Kolmogorov-Smirnov distance 0.25" in out
    assert out.endswith("STEADY: the judge flips no more often than its stored verdicts do among themselves.")


def test_anchors_without_a_readable_verdict_are_left_out(drifting: DriftProject, played: Played) -> None:
    drifting.anchors(passes=101)
    played.grade = lambda label, number: None if (label, number) == ("pass", 7) else _rightly(label, number)
    assert "3 verdicts of each of 200 anchors" in (out := drifting.record())
    assert out.endswith("; 1 anchor without a readable verdict left out\n")
    assert "pass-7" not in drifting.stored()["verdicts"]
    played.grade = _rightly
    assert drifting.json()[1]["drift"]["classes"][0]["anchors"] == 100


def test_too_few_anchors_are_not_recorded(drifting: DriftProject, played: Played) -> None:
    played.grade = lambda label, number: None if number == 0 else _rightly(label, number)
    code, _, err = drifting.drift("--record")
    assert code == 4
    assert "99 usable outputs that people passed" in err
    assert not (drifting.root / _STORED).exists()


def test_missing_verdicts_that_decide_make_the_finding_incomplete(drifting: DriftProject, played: Played) -> None:
    drifting.record()
    played.grade = lambda label, number: None if number < 10 else _rightly(label, number)
    code, out, _ = drifting.drift()
    assert code == 11
    assert "INCOMPLETE: the finding depends on the anchors without a verdict. Run the command again." in out


@pytest.mark.parametrize(
    ("changed", "judge"),
    [
        ("rubric", 'criteria = "It is kind."'),
        ("votes", 'criteria = "It is right."\nvotes = 3'),
        ("parameters", 'criteria = "It is right."\nparams = { temperature = 1 }'),
    ],
)
def test_a_judge_that_was_changed_has_not_drifted(
    drifting: DriftProject, played: Played, changed: str, judge: str
) -> None:
    drifting.record()
    drifting.configure(judge)
    before = len(played.asked)
    code, _, err = drifting.drift()
    assert code == 4
    assert f": {changed}. This is not drift: record the verdicts again with --record" in err
    assert len(played.asked) == before


def test_another_threshold_is_a_change_and_no_drift(
    drifting: DriftProject, played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    drifting.record()
    calibrated = SimpleNamespace(threshold=0.75)
    monkeypatch.setattr("pytest_evalgate.cli.drift.calibration_of", lambda *_, **__: calibrated)
    code, _, err = drifting.drift()
    assert (code, len(played.asked)) == (4, 600)
    assert ": threshold. This is not drift" in err


def test_other_anchors_are_a_change_and_no_drift(drifting: DriftProject, played: Played) -> None:
    drifting.record()
    drifting.anchors(passes=120)
    code, _, err = drifting.drift()
    assert (code, len(played.asked)) == (4, 600)
    assert ": anchors. This is not drift" in err


def test_without_recorded_verdicts_the_message_names_the_command(drifting: DriftProject, played: Played) -> None:
    code, _, err = drifting.drift()
    assert (code, played.asked) == (4, [])
    assert f"{_STORED}: no verdicts are stored yet: record them with --record" in err


def test_ci_does_not_record(drifting: DriftProject, played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    code, _, err = drifting.drift("--record")
    assert (code, played.asked) == (4, [])
    assert "verdicts are not recorded in CI" in err


@pytest.mark.parametrize("arguments", [[], ["--record"]])
def test_a_judge_has_to_be_configured(drifting: DriftProject, arguments: list[str]) -> None:
    code, _, err = drifting.drift(*arguments, judge="tone")
    assert code == 4
    assert "no judge is named 'tone' (configured: faq)" in err


@pytest.mark.parametrize("many", ["0", "1", "2", "4", "17", "x", "-3"])
def test_verdicts_are_an_odd_number(drifting: DriftProject, capsys: pytest.CaptureFixture[str], many: str) -> None:
    with pytest.raises(SystemExit) as caught:
        drifting.drift("--record", many)
    assert caught.value.code == 2
    assert "is not an odd number from 3 to 15" in capsys.readouterr().err or many == "-3"


def test_recorded_verdicts_are_printed_as_json(drifting: DriftProject, played: Played) -> None:
    assert json.loads(drifting.record("--json")) == {
        "judge": "faq",
        "file": _STORED,
        "anchors": 200,
        "verdicts": 3,
        "left_out": 0,
    }
    assert played.asked


def test_anchors_of_a_judge_with_a_field_are_graded_at_that_part(drifting: DriftProject) -> None:
    suite = '[suites.s]\ngolden = "g.jsonl"\nscorers = [{ judge = "faq", field = "answer" }]'
    drifting.configure(f'criteria = "It is right."\n\n{suite}')
    rows = [
        {"id": f"{label}-{at}", "input": "q", "output": {"answer": f"{label} {at}", "note": "x"}, "label": label}
        for label in ("pass", "fail")
        for at in range(100)
    ]
    drifting.project.label(rows, "anchors.jsonl")
    drifting.play(lambda label, _: int(label == "pass"))
    drifting.record()
    code, checked = drifting.json()
    assert (code, checked["drift"]["finding"]) == (0, "steady")
