"""``pytest-evalgate review``: which cases are walked through, what each answer does, and what is refused."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate import golden
from pytest_evalgate.app.decide import decide
from pytest_evalgate.app.project import Project
from pytest_evalgate.app.report import keep
from pytest_evalgate.cli import main
from pytest_evalgate.cli import review as reviews
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.errors import UserError
from pytest_evalgate.records.results import CaseResult, Output, Run, SuiteRun, Trial
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import run_file
from pytest_evalgate.runs.kept import RunFolder
from pytest_evalgate.runs.plan import make_plan
from pytest_evalgate.runs.run_file import RunInfo
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_GOLDEN = """\
// five cases
{"id": "ok", "input": "1?", "expected": "one"}
{"id": "missed", "input": "2?",  "expected": "two"}
{"id": "worse", "input": "3?", "expected": "you have three days", "tags": ["lang:en"]}
{"id": "judged", "input": "4?", "rubric": "polite"}
{"id": "broken", "input": "5?", "expected": "five"}
"""
_OLD = {"ok": "one", "missed": "2", "worse": "you have three days", "judged": "please", "broken": "five"}
_NEW = {"ok": "one", "missed": "2", "worse": "you have 30 days", "judged": "no!", "broken": None}
_RUN = "20260102T000000Z-bbbb"


@dataclass(frozen=True)
class ReviewProject:
    """A project with a decided run and a baseline, and the verb."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def store(self, run_id: str, outputs: Mapping[str, str | None], *, is_baseline: bool = False) -> None:
        [held] = golden.load([self.root / "g.jsonl"], root=self.root)
        plan = make_plan("faq", [held], scorers=["exact"], trials=1, slices=())
        passing = {"one", "you have three days", "please", "five"}
        results: list[CaseResult] = []
        for case, planned in zip(held, plan.cases, strict=True):
            output = outputs[case.id]
            trial = Trial(0, None, reason="closed port")
            if output is not None:
                passed = output in passing
                trial = Trial(0, float(passed), Output(output), reason="" if passed else f"exact: got {output}")
            results.append(replace(combine_trials(planned, [trial]), question=case.question))
        run = Run(run_id, "2026-01-02T00:00:00Z", None, (SuiteRun(plan, tuple(results)),))
        file = run_file.path_of(self.root / ".evalgate", run_id)
        run_file.write(run, file)
        if is_baseline:
            found = baselines.promote(run, run.suites[0], reason="first", now="2026-01-01T01:00:00Z")
            baselines.write(found, self.root / "base.json")
            return
        project = Project.find()
        info = RunInfo(run_file.config_sha256(project.settings))
        run_file.write(run, file, info)
        decided = decide(project, run, info, baseline=None, base_ref=None)
        keep(decided.decider, decided.verdict, RunFolder(file.parent), Redactor())

    def review(self, *answers: str) -> tuple[int, str, str]:
        (self.root / "answers").write_text("\n".join(answers), "utf-8")
        return self.call("--answers", "answers")

    def call(self, *arguments: str) -> tuple[int, str, str]:
        code = main(["review", *arguments])
        printed = self.capsys.readouterr()
        return code, printed.out, printed.err

    @property
    def text(self) -> str:
        return (self.root / "g.jsonl").read_text("utf-8")


class _Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def project(folder: Path, capsys: pytest.CaptureFixture[str]) -> ReviewProject:
    (folder / "g.jsonl").write_text(_GOLDEN, "utf-8")
    (folder / "evalgate.toml").write_text('[suites.faq]\ngolden = "g.jsonl"\nbaseline = "base.json"\n', "utf-8")
    found = ReviewProject(folder, capsys)
    found.store("20260101T000000Z-aaaa", _OLD, is_baseline=True)
    found.store(_RUN, _NEW)
    return found


def test_regressed_cases_come_first_and_an_accepted_answer_is_expected_from_now_on(project: ReviewProject) -> None:
    baseline = (project.root / "base.json").read_bytes()
    code, out, err = project.review("# the first case", "accept", "keep", "skip")
    assert (code, err) == (0, "")
    assert project.text == _GOLDEN.replace('"you have three days"', '"you have 30 days"')
    assert (project.root / "base.json").read_bytes() == baseline
    headings = [line for line in out.splitlines() if line.startswith("-- ")]
    assert headings == [
        "-- 1 of 3: regressed in faq",
        "-- 2 of 3: regressed in faq",
        "-- 3 of 3: missed in faq",
    ]
    screen = out[: out.index("-- 2 of 3")]
    for text in (
        "worse  g.jsonl:4  (lang:en)",
        "3?",
        "you have three days",
        "you have 30 days",
        "exact: got you have 30",
    ):
        assert text in screen
    assert "you have [-three-] {+30+} days" in screen
    assert out.splitlines()[-5:] == [
        "accepted:",
        '  g.jsonl:4 worse: expected is now "you have 30 days"',
        f"run {_RUN}: 1 accepted, 0 edited, 1 kept, 1 skipped, 0 not accepted, 0 left",
        "1 case without an answer is not part of the review",
        "the baseline is unchanged; next: git diff, then pytest --eval-gate",
    ]


def test_two_accepted_answers_do_not_disturb_each_other(project: ReviewProject) -> None:
    (project.root / "answers").write_text("a\nk\na\n", "utf-8")
    code, out, err = project.call("--answers", "answers", "--json", "--suite", "faq")
    found = json.loads(out)
    assert (code, found["accepted"], found["kept"]) == (
        0,
        ['g.jsonl:4 worse: expected is now "you have 30 days"', 'g.jsonl:3 missed: expected is now "2"'],
        ["g.jsonl:5 judged"],
    )
    assert project.text == _GOLDEN.replace('"you have three days"', '"you have 30 days"').replace('"two"', '"2"')
    assert "-- 1 of 3" in err  # the cases are shown beside the JSON


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"3?"', '"3 days?"'), 'g.jsonl:4: case "worse" has changed since the run'),
        (('"you have three days"', '"you have 3 days"'), 'g.jsonl:4: case "worse" has changed since the run'),
        (('"id": "worse"', '"id": "other"'), 'g.jsonl: case "worse" is not in the golden set any more'),
    ],
)
def test_a_case_that_changed_since_the_run_is_not_overwritten(
    project: ReviewProject, change: tuple[str, str], message: str
) -> None:
    edited = _GOLDEN.replace(*change)
    (project.root / "g.jsonl").write_text(edited, "utf-8")
    code, out, _ = project.review("accept", "quit")
    assert (code, project.text) == (0, edited)
    assert message in " ".join(out.split())
    assert "0 accepted, 0 edited, 0 kept, 0 skipped, 1 not accepted, 2 left" in out


def test_an_answer_that_the_rules_would_miss_is_not_expected(project: ReviewProject) -> None:
    config = (project.root / "evalgate.toml").read_text("utf-8")
    rules = 'scorers = ["exact", { kind = "contains", value = "three" }]\n'
    (project.root / "evalgate.toml").write_text(config + rules, "utf-8")
    code, out, _ = project.review("accept", "quit")
    assert (code, project.text) == (0, _GOLDEN)
    assert "would miss with this answer as the expected value, too (contains: " in " ".join(out.split())


def test_a_change_of_another_case_does_not_matter(project: ReviewProject) -> None:
    edited = _GOLDEN.replace('"1?"', '"1 or 2?"').replace("// five", "// new\n// five")
    (project.root / "g.jsonl").write_text(edited, "utf-8")
    assert project.review("accept")[0] == 0
    assert project.text == edited.replace('"you have three days"', '"you have 30 days"')


def test_a_case_that_is_graded_otherwise_is_left_to_the_editor(
    project: ReviewProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Path, int]] = []
    shown: list[str] = []

    def open_editor(path: Path, line: int) -> None:
        opened.append((path, line))
        if len(opened) == 2:
            path.write_text(path.read_text("utf-8").replace("polite", "short"), "utf-8")

    monkeypatch.setattr(reviews, "open_editor", open_editor)
    monkeypatch.setattr(sys, "stdin", _Terminal(io.BytesIO()))
    typed = iter(["skip", "a", "what", "o", "o", "q"])

    def ask(prompt: str) -> str:
        shown.append(prompt)
        return next(typed)

    monkeypatch.setattr("builtins.input", ask)
    code, out, _ = project.call()
    assert opened == [(project.root / "g.jsonl", 5)] * 2
    assert project.text == _GOLDEN.replace("polite", "short")
    assert "so its rubric would still grade it as before: edit it by hand" in " ".join(out.split())
    assert "what is not an answer: type one of accept, keep, skip, open, quit" in out
    assert (code, len(shown)) == (0, 6)
    assert "0 accepted, 1 edited, 0 kept, 1 skipped, 0 not accepted, 1 left" in out


def test_the_editor_gets_the_line(project: ReviewProject, monkeypatch: pytest.MonkeyPatch) -> None:
    script = project.root / "editor.py"
    script.write_text("import pathlib, sys\npathlib.Path('seen').write_text(' '.join(sys.argv[1:]))\n", "utf-8")
    monkeypatch.setenv("VISUAL", f"{sys.executable} {script}")
    reviews.open_editor(project.root / "g.jsonl", 3)
    assert (project.root / "seen").read_text("utf-8") == f"+3 {project.root / 'g.jsonl'}"
    monkeypatch.setenv("VISUAL", "no-such-editor -w")
    with pytest.raises(UserError, match='the editor "no-such-editor" failed'):
        reviews.open_editor(project.root / "g.jsonl", 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "review asks on a terminal, and standard input is none"),
        (("--answers", "no"), "no: cannot be read: No such file"),
        (("--answers", "bad"), 'bad:2: "acept" is not an answer; did you mean "accept"?: write one of accept, keep'),
        (("--answers", "answers", "--suite", "fag"), "has no suite 'fag'; did you mean \"faq\"?"),
        (("--answers", "answers", "--run", "no"), "no run is stored in"),
    ],
)
def test_what_cannot_be_reviewed_is_refused(
    project: ReviewProject, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    (project.root / "bad").write_text("accept\nacept\n", "utf-8")
    (project.root / "answers").write_text("accept\n", "utf-8")
    code, out, err = project.call(*arguments)
    assert (code, out, project.text) == (4, "", _GOLDEN)
    assert message in err


def test_a_run_without_missed_cases_says_so(project: ReviewProject) -> None:
    project.store("20260103T000000Z-cccc", {**_OLD, "missed": "one"})
    code, out, _ = project.review("accept")
    assert (code, out) == (0, "run 20260103T000000Z-cccc: no case regressed or missed\n")
