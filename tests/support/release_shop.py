"""A project in a repository with decided runs, of which release packs are made.

Suite faq is decided by rules, suite tone, if it is added, by a judge.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import pytest

from pytest_evalgate import config, golden
from pytest_evalgate.app import release_pack
from pytest_evalgate.app.decide import RunDecider, in_tier
from pytest_evalgate.app.judge_rules import judge_rules
from pytest_evalgate.app.pack_archive import write_archive
from pytest_evalgate.app.project import Project
from pytest_evalgate.app.release_pack import build_pack, write_folder
from pytest_evalgate.app.report import keep
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.judges import calibration as calibrations
from pytest_evalgate.judges.build import fingerprint, parts_of_judge
from pytest_evalgate.judges.labels import digest
from pytest_evalgate.records.results import Output, Run, Score, SuiteRun, Trial
from pytest_evalgate.records.verdicts import Calibration
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import git, kept, run_file
from pytest_evalgate.runs.plan import make_plan
from pytest_evalgate.runs.run_file import RunInfo, config_sha256
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytest_evalgate.records.results import CaseResult, PlannedCase
    from pytest_evalgate.records.verdicts import GateChange

RUN: Final = "20260102T000000Z-aaaa"
CONFIG: Final = """
[[acknowledged]]
change = "suites.faq.gates[0].min"
reason = "smaller set"
owner = "qa"

[release]
requires = [
  { kind = "suite", suite = "faq" },
  { kind = "covered", suite = "faq", values = ["R-*"] },
]

[suites.faq]
golden = "golden/faq.jsonl"
baseline = "baselines/faq.json"
coverage = { requirement = ["R-*"] }
slices = ["lang"]
gates = [{ kind = "pass-rate", min = 0.5, bound = "point" }, { kind = "no-regression" }]
"""
JUDGED: Final = """
[models.m]
model = "judge-model"

[judges.tone]
model = "m"
rubric = "rubrics/tone.md"
calibration = "calibration/tone.json"
max_age_days = 3650

[suites.tone]
golden = "golden/tone.jsonl"
scorers = [{ judge = "tone" }]
gates = [{ kind = "pass-rate", min = 0.3 }]
"""
_CARD: Final = """
source = "tickets of 2025"
selection = "stratified"
labelling = "two people"
licence = "CC0"
personal_data = "removed"
intended_use = "releases"
known_gaps = "no voice"
cases = 8
golden_sha256 = "old"
"""
_DAY: Final = "2026-01-01T00:00:00+00:00"
_HELD: Final = 30
_MADE: Final = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Shop:
    """The project."""

    root: Path
    call: Callable[..., None]

    @property
    def project(self) -> Project:
        """The project as a command finds it; the tests run in its folder."""
        return Project.find()

    def decide(
        self,
        *,
        missed: str = "",
        run_id: str = RUN,
        changes: tuple[GateChange, ...] = (),
        attempts: bool = False,
        tier: str = config.DEFAULT_TIER,
    ) -> Run:
        """Store and decide a run of all suites; ``missed`` are ids of cases."""
        project = in_tier(self.project, tier)
        run = self._run(run_id, missed, tuple(project.settings.suites))
        path = run_file.path_of(project.state.path, run.id)
        facts = {"python": "3.12.3 on Linux", "faq: target": "bot"}
        info = RunInfo(config_sha256(project.settings), facts=facts, tier=tier)
        run_file.write(run, path, info)
        decider = RunDecider(self.root, project.settings, project.state.path, project.settings.suites.get)
        rules = decider.rules([suite.plan.name for suite in run.suites], pytest.fail)
        verdict = decider.decide_attempt(run, info, rules) if attempts else decider.decide(run, rules)
        if attempts:
            verdict = decider.append_history(run, info, verdict)
        keep(decider, replace(verdict, changed_in_gate=changes), kept.RunFolder(path.parent), Redactor())
        return run

    def promote(self) -> None:
        """Write the baseline of suite faq."""
        run = self._run("20260101T000000Z-base", "", ("faq",))
        found = baselines.promote(run, run.suites[0], reason="first", now="2026-01-01T01:00:00Z")
        baselines.write(found, self.root / "baselines/faq.json")

    def judge(self) -> None:
        """Add suite tone, whose judge was held against 60 labels."""
        self.write("rubrics/tone.md", "The answer is polite.")
        self.write("golden/tone.jsonl", "".join(json.dumps({"id": f"t{n}", "input": "x"}) + "\n" for n in range(40)))
        self.write("evalgate.toml", CONFIG + JUDGED)
        rows = [{"id": f"l{n}", "output": "x", "label": "pass" if n < _HELD else "fail"} for n in range(2 * _HELD)]
        labels = self.write("labels.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        parts = parts_of_judge("tone", config.load(self.root), root=self.root)
        path = self.root / "calibration/tone.json"
        path.parent.mkdir()
        calibrations.write(
            Calibration(
                *("tone", fingerprint(parts, None), parts, "labels.jsonl", digest(labels), _MADE, _HELD, 28, _HELD, 29)
            ),
            path,
        )
        self.commit("judge")
        settings = self.project.settings
        assert judge_rules(settings.suites["tone"], settings, root=self.root)["tone"].why_not is None

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def edit(self, name: str, before: str, now: str) -> None:
        """Replace a text in a file of the project."""
        edit(self.root, name, before, now)

    def commit(self, subject: str) -> None:
        """Commit all files but the state folder."""
        self.call("add", "-A", ":!.evalgate")
        self.call("commit", "-qm", subject)

    def pack(self, name: str = "release", *runs: str, texts: bool = False) -> Path:
        """Write a pack beside the project, into a folder or an archive."""
        path = self.root.parent / name
        (write_archive if path.suffix == ".zip" else write_folder)(
            build_pack(self.project, runs, with_texts=texts), path
        )
        return path

    def _run(self, run_id: str, missed: str, names: tuple[str, ...]) -> Run:
        created = f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}T00:00:00Z"
        suites = (self._suite(name, missed, run_id) for name in names)
        return Run(run_id, created, git.head(self.root), tuple(suites))

    def _suite(self, name: str, missed: str, run_id: str) -> SuiteRun:
        sets = golden.load([self.root / f"golden/{name}.jsonl"], root=self.root)
        plan = make_plan(name, sets, scorers=[], trials=1, slices=("lang",))
        return SuiteRun(plan, tuple(_result(case, name, missed, run_id) for case in plan.cases))


def _result(case: PlannedCase, suite: str, missed: str, run_id: str) -> CaseResult:
    value = float(case.id not in missed)
    scores = (Score("tone", value, value == 1, ""),) if suite == "tone" else ()
    return combine_trials(case, [Trial(0, value, Output(f"{case.id} of {run_id}"), scores=scores)])


def edit(folder: Path, name: str, before: str, now: str) -> None:
    """Replace a text in a file; it must contain it."""
    text = (folder / name).read_text("utf-8")
    assert before in text, f"{name} has no {before}"
    (folder / name).write_text(text.replace(before, now), "utf-8")


def names_in(folder: Path) -> list[str]:
    """Return the names of all files below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the variables that change what a project decides."""
    for name in [name for name in os.environ if name.startswith(("EVALGATE_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("CI", raising=False)


def list_few_distributions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put one distribution into packs, not the 200 of this environment, which takes 0.15 s for each pack."""
    own = {"name": "pytest-evalgate", "version": version("pytest-evalgate"), "sha256": "0" * 64}
    found = {"python": "3.12.3", "implementation": "CPython", "distributions": [own]}
    monkeypatch.setattr(release_pack, "environment", lambda: found)


def make_shop(root: Path) -> Shop:
    """Make the project with a baseline, a data card and one commit."""
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    names = {"GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x@example.com", "GIT_AUTHOR_DATE": _DAY}
    names |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in names.items()}

    def call(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=root, env=environment | names, check=True, capture_output=True)

    found = Shop(root, call)
    rows = [{"id": id_, "input": id_, "tags": [f"requirement:R-{id_}", f"lang:{lang}"]} for id_, lang in _cases()]
    found.write("golden/faq.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    found.write("golden/faq.card.toml", _CARD)
    found.write("evalgate.toml", CONFIG)
    call("init", "-qb", "main")
    found.promote()
    found.commit("base")
    return found


def _cases() -> Iterator[tuple[str, str]]:
    yield from ((id_, "de" if id_ in "ab" else "en") for id_ in "abcdefgh")
