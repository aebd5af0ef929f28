"""A project with every kind of file that a gate reads, its base branch, and a pull request that changes it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_evalgate import config, golden
from pytest_evalgate.config import DEFAULT_TIER, always_planned, for_tier, sample_of
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.errors import UserError
from pytest_evalgate.golden.sampling import sample_plan
from pytest_evalgate.guard.base_branch import find_base
from pytest_evalgate.guard.settings_changes import trials_of
from pytest_evalgate.judges import calibration as calibrations
from pytest_evalgate.judges import drift
from pytest_evalgate.judges.build import fingerprint, parts_of_judge
from pytest_evalgate.records.results import Run, Score, SuiteRun, Trial
from pytest_evalgate.records.verdicts import Calibration
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import git, run_file
from pytest_evalgate.runs.plan import make_plan
from pytest_evalgate.runs.run_file import RunInfo, config_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_evalgate.config import Settings, Suite
    from pytest_evalgate.records.results import SuitePlan
    from pytest_evalgate.records.verdicts import GateChange

CASES = 20
HARD = 4
RUN = "20260101T000000Z-aaaa"
TODAY = "2026-01-01T00:00:00Z"
CONFIG = """\
on_inconclusive = "fail"
max_error_rate = 0.0

[models.candidate]
model = "small-1"
base_url = "https://models.example.org/v1"
api_key_env = "CANDIDATE_KEY"

[models.grader]
model = "large-1"
base_url = "https://graders.example.org/v1"
api_key_env = "GRADER_KEY"

[judges.j]
model = "grader"
rubric = "judges/rubric.md"
few_shots = "judges/shots.jsonl"
canaries = "judges/canaries.jsonl"
calibration = "judges/j.json"
max_age_days = 3650

[suites.faq]
golden = "golden/faq.jsonl"
target = { model = "candidate", prompt = "prompts/faq.md", params = { temperature = 0 } }
scorers = [{ kind = "contains", value = "14" }, { python = "graders:polite" }]
trials = 2
slices = ["lang"]
gates = [
    { kind = "pass-rate", min = 0.9, bound = "point" },
    { kind = "must-pass", tags = ["safety"] },
]

[suites.faq.tiers.quick]
sample = 16

[suites.code]
golden = "golden/code.jsonl"
target = { python = "app:answer" }
scorers = ["exact"]
baseline = "baselines/code.json"
gates = [{ kind = "no-regression" }]

[suites.api]
golden = "golden/api.jsonl"
target = { http = { url = "https://bot.example.org/ask", headers_env = { authorization = "BOT_KEY" } } }
gates = [{ kind = "pass-rate", min = 0.9, bound = "point" }]

[suites.judged]
golden = "golden/judged.jsonl"
target = { recorded = "outputs/judged.jsonl" }
scorers = [{ judge = "j" }]
gates = [{ kind = "pass-rate", min = 0.5, bound = "point" }]
"""
FILES: Mapping[str, str] = {
    ".gitignore": ".evalgate/*\n!.evalgate/cassettes/\n__pycache__/\n",
    "app.py": "def answer(value):\n    return ask_the_model(value)\n",
    "conftest.py": "import pytest\n",
    "evalgate.toml": CONFIG,
    "graders.py": "import helpers\n\n\ndef polite(case, output):\n    return helpers.check(output.value)\n",
    "helpers.py": "def check(text):\n    return 'please' in text\n",
    "judges/canaries.jsonl": '{"input": "1 + 1?", "output": "3", "verdict": "bad"}\n',
    "judges/rubric.md": "Pass an answer that is right.\n",
    "judges/shots.jsonl": '{"id": "s", "input": "1 + 1?", "output": "it is 2", "score": 1, "evidence": "2"}\n',
    "prompts/faq.md": "Answer: {{ input }}\n",
    "pytest.ini": "[pytest]\naddopts = -q\n",
    ".evalgate/cassettes/faq.jsonl": '{"label": "judge:j", "reply": "fail"}\n',
}


def _golden_rows(suite: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{suite}-{number:02}",
            "input": f"{'hard ' if number < HARD else ''}question {number}",
            "expected": f"answer {number}",
            "tags": ["safety"] if number == 0 else ["lang:de"],
        }
        for number in range(CASES)
    ]


def jsonl_text(rows: Iterable[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@dataclass
class Scene:
    """The repository ``top`` with its project in ``top/project``; the branch ``topic`` is checked out.

    ``environ`` is the environment of the runner, and ``run`` says how the session of the branch ran.
    """

    top: Path
    folder: str = "project"
    environ: dict[str, str] = field(default_factory=dict)
    addopts_ref: str | None = None
    run: dict[str, Any] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return (self.top / self.folder).resolve()

    @property
    def state(self) -> Path:
        return self.root / ".evalgate"

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.top, check=True, capture_output=True, text=True, env=inherited
        )
        return done.stdout.strip()

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def text(self, name: str) -> str:
        return (self.root / name).read_text("utf-8")

    def commit(self, message: str) -> None:
        self.git("add", "-A", "--force", "--", ".", ":!**/.evalgate/runs", ":!**/.evalgate/verdict.json")
        self.git("commit", "-qm", message, "--allow-empty")

    def settings(self, tier: str = DEFAULT_TIER) -> Settings:
        return for_tier(config.load(self.root), tier)

    def changes(self) -> tuple[GateChange, ...]:
        """List what a session of this branch lists; raise UserError if it is blocked."""
        written = config.load(self.root)
        tier = self.run.get("tier", DEFAULT_TIER)
        found = find_base(
            self.addopts_ref,
            written,
            root=self.root,
            state=self.state,
            tier=tier,
            environ={"GITHUB_BASE_REF": "main", **self.environ},
            in_addopts=self.addopts_ref is not None,
        )
        if found.branch is None:
            raise UserError(found.problem or "no base")
        for name, suite in written.suites.items():
            found.branch.sides(name, self._sets(suite))
        try:
            return found.branch.changes
        finally:
            found.branch.close()

    def leave_run(self) -> None:
        """Store a run and a verdict of the branch that claims a pass: every case passes that this branch plans.

        ``run`` may name ``missed`` inputs, other ``trials``, another ``tier``, ``target`` or ``commit``, and suites to
        leave out.
        """
        given = self.run
        tier = given.get("tier", DEFAULT_TIER)
        settings = self.settings(tier)
        without = given.get("without", ())
        suites = tuple(self._suite_run(name, suite) for name, suite in settings.suites.items() if name not in without)
        run = Run(RUN, TODAY, given.get("commit", git.head(self.root)), suites)
        info = RunInfo(config_sha256(settings), given.get("target"), tier=tier)
        shutil.rmtree(self.state / "runs", ignore_errors=True)
        run_file.write(run, run_file.path_of(self.state, RUN), info)
        (self.state / "verdict.json").write_text(json.dumps({"verdict": "pass", "run_id": RUN}), "ascii")

    def promote(self) -> None:
        """Write the baseline of suite ``code`` from a run without misses."""
        made = self._suite_run("code", self.settings().suites["code"])
        run = Run(RUN, TODAY, None, (made,))
        baselines.write(baselines.promote(run, made, reason="first", now=TODAY), self.root / "baselines/code.json")

    def calibrate(self, **fields: Any) -> None:
        """Write the calibration of judge ``j``."""
        parts = parts_of_judge("j", self.settings(), root=self.root)
        counts = {"human_pass": 200, "judge_pass": 190, "human_fail": 200, "judge_fail": 180}
        found = Calibration(
            "j", fingerprint(parts, None), parts, "labels.jsonl", "0" * 64, TODAY, **{**counts, **fields}
        )
        calibrations.write(found, self.root / "judges/j.json")

    def _suite_run(self, name: str, suite: Suite) -> SuiteRun:
        trials = self.run.get("trials") or trials_of(suite)
        plan = make_plan(name, self._sets(suite), scorers=[], trials=trials, slices=suite.slices)
        plan = sample_plan(plan, sample_of(suite), always_planned(suite))
        return SuiteRun(plan, tuple(self._results(plan, suite, trials)))

    def _results(self, plan: SuitePlan, suite: Suite, trials: int) -> Iterable[Any]:
        inputs = {case.id: str(case.input) for one in self._sets(suite) for case in one}
        for case in plan.cases:
            value = 0.0 if any(word in inputs[case.id] for word in self.run.get("missed", ())) else 1.0
            scores = tuple(Score(judge, value, bool(value)) for judge in suite.judges)
            reason = "" if value else "missed"
            yield combine_trials(case, [Trial(index, value, scores=scores, reason=reason) for index in range(trials)])

    def _sets(self, suite: Suite) -> Any:
        return golden.load([self.root / path for path in suite.golden], root=self.root)


def make_scene(top: Path) -> Scene:
    """Make the repository, its base, and the branch that has changed nothing yet."""
    (top / "project").mkdir(parents=True)
    scene = Scene(top)
    scene.git("init", "-q", "-b", "main")
    for name, text in FILES.items():
        scene.write(name, text)
    for suite in ("faq", "code", "api", "judged"):
        scene.write(f"golden/{suite}.jsonl", jsonl_text(_golden_rows(suite)))
    scene.write("outputs/judged.jsonl", jsonl_text({"id": f"judged-{n:02}", "output": "14"} for n in range(CASES)))
    scene.promote()
    scene.calibrate()
    steady = drift.DriftRecord("j", TODAY, "labels.jsonl", "steady")
    drift.write_drift(steady, scene.root / "judges/j.drift.json")
    scene.commit("base")
    scene.git("update-ref", "refs/remotes/origin/main", "main")
    scene.git("checkout", "-qb", "topic")
    return scene
