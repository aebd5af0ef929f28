"""Release packs: equal bytes, every change found and named, a verdict that follows, and requirements of each kind."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_evalgate import config, golden
from pytest_evalgate.app.decide import RunDecider
from pytest_evalgate.app.pack_check import check_pack
from pytest_evalgate.app.project import Project
from pytest_evalgate.app.release_facts import GoldenFile, requirement_results
from pytest_evalgate.app.release_pack import MANIFEST, build_pack, to_bytes, write_pack
from pytest_evalgate.app.report import keep
from pytest_evalgate.app.view import read_decided
from pytest_evalgate.config import Settings
from pytest_evalgate.engine import combine_trials
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.attempts import Reruns
from pytest_evalgate.records.results import Run, SuiteRun, Trial
from pytest_evalgate.records.verdicts import Calibration, GateChange, JudgeVerdict
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import git, kept, run_file
from pytest_evalgate.runs.plan import make_plan
from pytest_evalgate.runs.run_file import RunInfo, config_sha256
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_evalgate.app.view import DecidedRun

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="the pack names commits")

_RUN: Final = "20260102T000000Z-aaaa"
_CONFIG: Final = """
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
gates = [{ kind = "pass-rate", min = 0.5, bound = "point" }, { kind = "no-regression" }]
"""
_DAY: Final = "2026-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class Shop:
    """A project in a repository, with a decided run."""

    root: Path
    call: Callable[..., None]

    @property
    def project(self) -> Project:
        return Project.find()

    def decide(self, *, missed: str = "", run_id: str = _RUN) -> Run:
        """Store and decide a run."""
        project = self.project
        run = self._run(run_id, missed)
        path = run_file.path_of(project.state.path, run.id)
        run_file.write(run, path, RunInfo(config_sha256(project.settings)))
        decider = RunDecider(self.root, project.settings, project.state.path, project.settings.suites.get)
        verdict = decider.decide(run, decider.rules(["faq"], pytest.fail))
        keep(decider, verdict, kept.RunFolder(path.parent), Redactor())
        return run

    def promote(self) -> None:
        run = self._run("20260101T000000Z-base", "")
        found = baselines.promote(run, run.suites[0], reason="first", now="2026-01-01T01:00:00Z")
        baselines.write(found, self.root / "baselines/faq.json")

    def commit(self, subject: str) -> None:
        self.call("add", "-A", ":!.evalgate")
        self.call("commit", "-qm", subject)

    def pack(self, name: str = "release") -> Path:
        folder = self.root.parent / name
        write_pack(build_pack(self.project, None), folder)
        return folder

    def _run(self, run_id: str, missed: str) -> Run:
        sets = golden.load([self.root / "golden/faq.jsonl"], root=self.root)
        plan = make_plan("faq", sets, scorers=[], trials=1, slices=())
        results = tuple(combine_trials(case, [Trial(0, float(case.id not in missed))]) for case in plan.cases)
        created = f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}T00:00:00Z"
        return Run(run_id, created, git.head(self.root), (SuiteRun(plan, results),))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    root = tmp_path / "shop"
    (root / "golden").mkdir(parents=True)
    for name in [name for name in os.environ if name.startswith(("EVALGATE_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.chdir(root)
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    names = {"GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x@example.com", "GIT_AUTHOR_DATE": _DAY}
    names |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in names.items()}

    def call(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=root, env=environment | names, check=True, capture_output=True)

    rows = [{"id": id_, "input": id_, "tags": [f"requirement:R-{id_}"]} for id_ in "abcdefgh"]
    (root / "golden/faq.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (root / "evalgate.toml").write_text(_CONFIG, "utf-8")
    found = Shop(root, call)
    call("init", "-qb", "main")
    found.promote()
    found.commit("base")
    return found


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_pack_holds_the_evidence_and_is_verified(shop: Shop) -> None:
    shop.decide()
    folder = shop.pack()
    assert _names(folder) == [
        "audit.json",
        "golden.json",
        "manifest.json",
        "project/evalgate.toml",
        "readiness.html",
        "readiness.md",
        "run.jsonl",
        "suites/0.json",
        "verdict.json",
    ]
    found = check_pack(folder, repository=shop.root)
    assert found.problems == ()
    digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    assert (found.sha256, check_pack(folder, sha256=digest).problems) == (digest, ())
    audit = json.loads((folder / "audit.json").read_text("ascii"))
    assert [(one["author"], one["committed"], one["reason"]) for one in audit["baselines"]] == [
        ("x", "2026-01-01", "first")
    ]
    assert [(one["author"], one["owner"]) for one in audit["acknowledgements"]] == [("x", "qa")]
    [file] = json.loads((folder / "golden.json").read_text("ascii"))["faq"]
    sha256 = hashlib.sha256((shop.root / "golden/faq.jsonl").read_bytes()).hexdigest()
    assert file == {"path": "golden/faq.jsonl", "sha256": sha256, "changed": "2026-01-01"}


def test_two_packs_of_a_run_have_equal_bytes(shop: Shop) -> None:
    shop.decide()
    one, other = shop.pack("one"), shop.pack("other")
    assert _names(one) == _names(other)
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in _names(one))


def test_every_byte_counts(shop: Shop) -> None:
    shop.decide()
    folder = shop.pack()
    for name in _names(folder):
        path = folder / name
        data = path.read_bytes()
        for position in {0, len(data) - 1, *range(0, len(data), max(1, len(data) // 40))} if data else ():
            path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
            problems = check_pack(folder).problems
            assert problems, f"{name} at {position}"
            named = any(problem.startswith(f"{name}: ") for problem in problems)
            assert named or name == MANIFEST, problems  # a digest in the manifest that was changed names its file
        path.write_bytes(data)
    assert check_pack(folder).problems == ()


def test_a_missing_an_extra_and_a_linked_file(shop: Shop, tmp_path: Path) -> None:
    shop.decide()
    folder = shop.pack()
    for name in _names(folder):
        data = (folder / name).read_bytes()
        (folder / name).unlink()
        assert check_pack(folder).problems == (f"{name}: missing",)
        (folder / name).write_bytes(data)
    (folder / "suites/9.json").write_text("{}", "ascii")
    assert check_pack(folder).problems == ("suites/9.json: not in manifest.json",)
    (folder / "suites/9.json").unlink()
    (tmp_path / "elsewhere").write_bytes((folder / "run.jsonl").read_bytes())
    (folder / "run.jsonl").unlink()
    (folder / "run.jsonl").symlink_to(tmp_path / "elsewhere")
    assert check_pack(folder).problems == ("run.jsonl: not a regular file", "run.jsonl: missing")
    assert check_pack(tmp_path / "none").problems == (f"{tmp_path / 'none'}: not a folder", "manifest.json: missing")


def _reseal(folder: Path) -> None:
    """Write a manifest that fits the files, as a forger would."""
    manifest = json.loads((folder / MANIFEST).read_text("ascii"))
    names = [name for name in _names(folder) if name != MANIFEST]
    manifest["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / MANIFEST).write_bytes(to_bytes(manifest))


def _edit(folder: Path, name: str, before: str, now: str) -> None:
    text = (folder / name).read_text("utf-8")
    assert before in text
    (folder / name).write_text(text.replace(before, now), "utf-8")


_FORGERIES: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "verdict": ("verdict.json", '"verdict": "fail"', '"verdict": "pass"', "verdict.json: "),
    "exit code": ("verdict.json", '"exit_code": 1', '"exit_code": 0', "verdict.json: exit_code is 0"),
    "rate": ("verdict.json", '"pass_rate": 0.25', '"pass_rate": 0.75', "verdict.json: suites.faq.pass_rate is 0.75"),
    "gate": ("project/evalgate.toml", "min = 0.5", "min = 0.1", "project: the run of run.jsonl has another"),
    "score": ("run.jsonl", '"value":0.0', '"value":1.0', "the verdict cannot be derived: "),
    "page": ("readiness.md", "hold", "go", "readiness.md: it does not follow"),
    "web page": ("readiness.html", "hold", "go", "readiness.html: it does not follow"),
    "who": ("audit.json", '"author": "x"', '"author": "y"', "readiness.md: it does not follow"),
    "baseline": ("audit.json", "20260101T000000Z-base", "20260101T000000Z-good", "audit.json: its baselines"),
    "requirement": ("project/evalgate.toml", '["R-*"]', '["R-z"]', "readiness.md: it does not follow"),
    "commit": (MANIFEST, '"commit": "', '"commit": "0', "manifest.json: its run or its commit"),
}


@pytest.mark.parametrize("kind", _FORGERIES)
def test_a_forgery_with_fitting_digests_does_not_follow_from_the_run(shop: Shop, kind: str) -> None:
    shop.decide(missed="abcdef")
    folder = shop.pack()
    assert check_pack(folder).problems == ()
    name, before, now, problem = _FORGERIES[kind]
    _edit(folder, name, before, now)
    _reseal(folder)
    problems = check_pack(folder).problems
    assert any(one.startswith(problem) for one in problems), problems


def test_swapped_runs(shop: Shop) -> None:
    shop.decide(missed="abcdef")
    shop.decide(run_id="20260103T000000Z-bbbb")
    folder = shop.pack()
    shutil.copy(shop.root / f".evalgate/runs/{_RUN}/run.jsonl", folder / "run.jsonl")
    _reseal(folder)
    assert any(f"not to run {_RUN}" in one for one in check_pack(folder).problems)


def test_files_of_another_commit(shop: Shop) -> None:
    shop.decide()
    folder = shop.pack()
    _edit(shop.root, "evalgate.toml", "min = 0.5", "min = 0.4")
    shop.commit("loosen")
    assert check_pack(folder, repository=shop.root).problems == ()
    shop.decide(run_id="20260104T000000Z-cccc")
    _edit(shop.root, "evalgate.toml", '["R-*"]', '["R-a"]')
    folder = shop.pack("other")
    assert check_pack(folder).problems == ()
    [problem] = check_pack(folder, repository=shop.root).problems
    assert problem.startswith("evalgate.toml: it is not that of commit ")
    assert check_pack(folder, sha256="0" * 64).problems[-1].endswith("this is another pack")


def test_a_pack_that_cannot_be_made(shop: Shop) -> None:
    shop.decide()
    folder = shop.pack()
    with pytest.raises(SettingsError, match="is not an empty folder"):
        shop.pack()
    path = shop.root / f".evalgate/runs/{_RUN}/verdict.json"
    verdict = kept.read(path)
    pooled = replace(verdict.suites["faq"], reruns=Reruns(2, 2))
    kept.write(replace(verdict, suites={"faq": pooled}), path)
    with pytest.raises(SettingsError, match="decided together with earlier attempts"):
        shop.pack("pooled")
    _edit(shop.root, "evalgate.toml", "min = 0.5", "min = 0.4")
    with pytest.raises(SettingsError, match="has another configuration"):
        shop.pack("another")
    assert folder.exists()


def test_a_missed_requirement_holds_a_run_that_passes(shop: Shop) -> None:
    _edit(shop.root, "evalgate.toml", '["R-*"]', '["R-z"]')
    shop.commit("require")
    shop.decide()
    folder = shop.pack()
    text = (folder / "readiness.md").read_text("utf-8")
    assert text.startswith("# Release brief: hold\n")
    assert "1 requirement not met. PASS: 2 of 2 gates" in text
    assert "- hold: suite faq covers requirement R-z: no case has R-z" in text.replace("\\", "")
    page = (folder / "readiness.html").read_text("utf-8")
    assert "<h1>Release readiness: hold</h1>" in page
    assert "<script" not in page
    assert check_pack(folder).decision == "hold"


def _calibration(created: str) -> Calibration:
    return Calibration("tone", "f", {}, "l.jsonl", "s", created, 40, 38, 40, 38)


_TONE: Final = JudgeVerdict("tone", "f", True, None, 8, 0, 1.0)  # noqa: FBT003 - calibrated
_WEAKER: Final = GateChange("gate changed", "suites.faq.gates[0].min", "0.9", "0.5", "weaker")
_RULES: Final[list[tuple[dict[str, Any], dict[str, Any], str, str]]] = [
    ({"kind": "suite", "suite": "faq"}, {}, "go", "it passed"),
    ({"kind": "suite", "suite": "faq"}, {"verdict": "fail"}, "hold", "faq: FAIL"),
    ({"kind": "suite", "suite": "faq"}, {"verdict": "inconclusive"}, "go with guardrails", "faq: "),
    ({"kind": "suite", "suite": "faq"}, {"mode": "advisory"}, "go with guardrails", "advisory"),
    ({"kind": "suite", "suite": "sql"}, {}, "hold", "it did not run"),
    ({"kind": "tier", "tier": "default"}, {}, "go", "of tier default"),
    ({"kind": "tier", "tier": "deep"}, {}, "hold", "of tier default"),
    ({"kind": "calibrated", "judge": "tone"}, {"judges": (_TONE,)}, "go", "2025-12-23 was 10 days old"),
    ({"kind": "calibrated", "judge": "tone", "max_age_days": 9}, {"judges": (_TONE,)}, "hold", "10 days old"),
    ({"kind": "calibrated", "judge": "tone"}, {}, "hold", "no suite of the run asked it"),
    ({"kind": "calibrated", "judge": "tone"}, {"judges": (replace(_TONE, why_not="drift"),)}, "hold", "drift"),
    ({"kind": "calibrated", "judge": "tone"}, {"judges": (replace(_TONE, calibrated=False),)}, "hold", "not calib"),
    ({"kind": "fresh", "suite": "faq"}, {}, "go", "last changed on 2025-12-01, 32 days before the run"),
    ({"kind": "fresh", "suite": "faq", "max_age_days": 31}, {}, "hold", "32 days before the run"),
    ({"kind": "fresh", "suite": "sql"}, {}, "hold", "not committed, so of unknown age: new.jsonl"),
    ({"kind": "gate"}, {}, "go", "no weakening"),
    ({"kind": "gate"}, {"changes": (_WEAKER,)}, "hold", "without acknowledgement: suites.faq.gates[0].min"),
    ({"kind": "gate"}, {"changes": (replace(_WEAKER, acknowledged="x"),)}, "go with guardrails", "acknowledged: "),
    ({"kind": "gate"}, {"changes": None}, "hold", "could not be compared"),
    ({"kind": "covered", "suite": "faq", "values": ["R-a", "R-b"]}, {}, "go", "2 cases passed"),
    ({"kind": "covered", "suite": "faq", "values": ["R-*"]}, {}, "go with guardrails", "not every case passed of R-*"),
    ({"kind": "covered", "suite": "faq", "values": "R-h"}, {}, "hold", "no case passed of R-h"),
    ({"kind": "covered", "suite": "faq", "values": ["R-z"]}, {}, "hold", "no case has R-z"),
    ({"kind": "covered", "suite": "sql", "values": ["R-a"]}, {}, "hold", "no case has R-a"),
]
"""Requirement, what differs in the verdict, decision and a part of the reason."""


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    """The suites and judges that requirements name."""
    suite = {"golden": "g.jsonl", "tiers": {"deep": {}}}
    judges = {"tone": {"model": "m", "criteria": "c"}}
    return {"suites": {"faq": suite, "sql": suite}, "judges": judges, "models": {"m": {"model": "m"}}}


@pytest.mark.parametrize(("requirement", "changed", "decision", "reason"), _RULES)
def test_requirements(
    shop: Shop, known: dict[str, Any], requirement: dict[str, Any], changed: dict[str, Any], decision: str, reason: str
) -> None:
    shop.decide(missed="h")
    settings = Settings.model_validate({**known, "release": {"requires": [requirement]}})
    decided = _changed(read_decided(shop.project.decided(None)), changed)
    goldens = {"faq": (GoldenFile("g.jsonl", "s", "2025-12-01"),), "sql": (GoldenFile("new.jsonl", "s", ""),)}
    [found] = requirement_results(settings, decided, goldens, {"tone": _calibration("2025-12-23T00:00:00Z")})
    assert found.decision == decision
    assert reason in found.reason


def _changed(decided: DecidedRun, fields: dict[str, Any]) -> DecidedRun:
    of_suite = {name: value for name, value in fields.items() if name != "changes"}
    suite = replace(decided.verdict.suites["faq"], **{"verdict": "pass", **of_suite})
    verdict = replace(decided.verdict, suites={"faq": suite})
    if "changes" in fields:
        verdict = replace(verdict, changed_in_gate=fields["changes"])
    return replace(decided, verdict=verdict)


@pytest.mark.parametrize(
    ("requirement", "problem"),
    [
        ('{ kind = "suite", suite = "faqs" }', 'no suite is named "faqs"; did you mean "faq"?'),
        ('{ kind = "calibrated", judge = "tone" }', 'no judge is named "tone"'),
        ('{ kind = "tier", tier = "deep" }', "release.requires[0].tier: "),
        ('{ kind = "covered", suite = "faq", values = [] }', "release.requires[0]"),
    ],
)
def test_a_requirement_of_what_is_not_configured(shop: Shop, requirement: str, problem: str) -> None:
    text = _CONFIG[_CONFIG.index("[suites") :]
    (shop.root / "evalgate.toml").write_text(f"[release]\nrequires = [{requirement}]\n{text}", "utf-8")
    with pytest.raises(SettingsError) as error:
        config.load(shop.root)
    assert problem in str(error.value)
