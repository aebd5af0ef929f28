"""Release packs: what is in them, equal bytes, several runs, pooled attempts, and requirements of each kind."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from tests.support.release_shop import CONFIG, RUN, clean_environment, list_few_distributions, make_shop, names_in

from pytest_evalgate import config
from pytest_evalgate.app.pack_check import check_pack
from pytest_evalgate.app.release_facts import GoldenFile, ReleaseRun, requirement_results
from pytest_evalgate.app.release_pack import MANIFEST, build_pack
from pytest_evalgate.app.view import read_decided
from pytest_evalgate.config import Settings
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.verdicts import Calibration, GateChange, JudgeVerdict

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.release_shop import Shop

    from pytest_evalgate.app.view import DecidedRun

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="the pack names commits")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    clean_environment(monkeypatch)
    list_few_distributions(monkeypatch)
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    return make_shop(tmp_path / "shop")


def test_a_pack_holds_the_evidence_and_is_verified(shop: Shop) -> None:
    shop.decide()
    folder = shop.pack()
    assert names_in(folder) == [
        "audit.json",
        "coverage.json",
        "environment.json",
        "golden.json",
        "manifest.json",
        "model-card.md",
        "models.json",
        "project/evalgate.toml",
        "project/golden/faq.card.toml",
        "readiness.html",
        "readiness.md",
        f"runs/{RUN}/run.jsonl",
        f"runs/{RUN}/suites/0.json",
        f"runs/{RUN}/verdict.json",
        "sources.json",
    ]
    found = check_pack(folder, repository=shop.root)
    assert found.problems == ()
    digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    assert (found.sha256, check_pack(folder, sha256=digest).problems) == (digest, ())


def test_what_the_files_of_a_pack_say(shop: Shop) -> None:
    shop.decide()
    read = {
        name: json.loads(data) for name, data in build_pack(shop.project, []).files.items() if name.endswith(".json")
    }
    audit, [file] = read["audit.json"], read["golden.json"]["faq"]
    assert [(one["author"], one["committed"], one["reason"]) for one in audit["baselines"][RUN]] == [
        ("x", "2026-01-01", "first")
    ]
    assert [(one["author"], one["owner"]) for one in audit["acknowledgements"]] == [("x", "qa")]
    sha256 = hashlib.sha256((shop.root / "golden/faq.jsonl").read_bytes()).hexdigest()
    assert file == {"path": "golden/faq.jsonl", "sha256": sha256, "changed": "2026-01-01"}
    assert [(one["role"], one["path"], one["sha256"] == one["committed"]) for one in read["sources.json"]] == [
        ("baseline", "baselines/faq.json", True),
        ("configuration", "evalgate.toml", True),
        ("data card", "golden/faq.card.toml", True),
        ("golden set", "golden/faq.jsonl", True),
    ]
    assert read["coverage.json"][RUN]["faq"]["requirement"]["wanted"] == {"R-*": list("abcdefgh")}
    [installed] = read["environment.json"]["distributions"]
    assert installed["name"] == "pytest-evalgate"
    assert read["models.json"]["runs"][RUN]["facts"]["faq: target"] == "bot"


def test_the_model_card_quotes_the_data_card_and_the_results(shop: Shop) -> None:
    shop.decide(missed="ab")
    card = build_pack(shop.project, []).files["model-card.md"].decode()
    assert "| `20260102T000000Z-aaaa` | `faq` | 8 | 75.0% (40.9-92.9) | PASS |" in card
    assert "| `faq` | lang=de | 2 | 0.0% (0.0-65.8) |" in card
    for text in (
        "source: tickets of 2025",
        "known gaps: no voice",
        "written for 8 cases of another version of the set",
        "lang=en",
        "SHA-256 of the",
    ):
        assert text in card


def test_texts_are_in_the_pack_if_asked_for(shop: Shop) -> None:
    shop.decide()
    folder = shop.pack("release", texts=True)
    assert (folder / "project/golden/faq.jsonl").read_bytes() == (shop.root / "golden/faq.jsonl").read_bytes()
    assert check_pack(folder, repository=shop.root).problems == ()


def test_two_runs_of_a_release(shop: Shop) -> None:
    shop.decide(missed="abcdef")
    shop.decide(run_id="20260103T000000Z-bbbb")
    folder = shop.pack("release", "20260103T000000Z-bbbb", RUN)
    other = shop.pack("other", RUN, "20260103T000000Z-bbbb", RUN)
    assert all((folder / name).read_bytes() == (other / name).read_bytes() for name in names_in(folder))
    found = check_pack(folder, repository=shop.root)
    assert (found.problems, found.decision) == ((), "hold")
    text = (folder / "readiness.md").read_text("utf-8")
    assert f"- not met: suite faq passes: faq: FAIL (run {RUN})\n" in text
    assert "- go with guardrails: suite faq covers requirement R-\\*: not every case passed" in text
    assert f"## Gates of run {RUN}" in text
    assert "## Gates of run 20260103T000000Z-bbbb" in text


def test_runs_of_two_commits_are_not_one_release(shop: Shop) -> None:
    shop.decide()
    shop.write("new.txt", "x")
    shop.commit("new")
    shop.decide(run_id="20260103T000000Z-bbbb")
    with pytest.raises(SettingsError, match="a release has one commit"):
        shop.pack("release", RUN, "20260103T000000Z-bbbb")


def test_attempts_that_were_pooled_are_in_the_pack(shop: Shop) -> None:
    shop.write("evalgate.toml", f'on_rerun = "pool"\n{CONFIG}')
    shop.commit("pool")
    shop.decide(missed="abcde", run_id="20260102T000000Z-0001", attempts=True)
    shop.decide(missed="abc", attempts=True)
    folder = shop.pack()
    assert {name for name in names_in(folder) if name.startswith("runs/20260102T000000Z-0001")} == {
        "runs/20260102T000000Z-0001/run.jsonl"
    }
    verdict = json.loads((folder / f"runs/{RUN}/verdict.json").read_text("ascii"))["suites"]["faq"]
    assert verdict["reruns"] == {"attempt": 2, "pooled": 2, "gone": []}
    assert check_pack(folder).problems == ()
    shutil.rmtree(shop.root / ".evalgate/runs/20260102T000000Z-0001")
    with pytest.raises(SettingsError, match="run 20260102T000000Z-0001, whose file is gone"):
        shop.pack("gone")
    (shop.root / ".evalgate/history.jsonl").unlink()
    with pytest.raises(SettingsError, match="the history lists 0"):
        shop.pack("none")


def test_attempts_that_were_only_counted(shop: Shop) -> None:
    shop.decide(missed="abcde", run_id="20260102T000000Z-0001", attempts=True)
    shop.decide(missed="abc", attempts=True)
    folder = shop.pack()
    assert f"runs/{RUN}/attempts.jsonl" in names_in(folder)
    assert check_pack(folder).problems == ()


def test_files_of_another_commit(shop: Shop) -> None:
    shop.decide()
    folder = shop.pack()
    shop.edit("evalgate.toml", "min = 0.5", "min = 0.4")
    shop.commit("loosen")
    assert check_pack(folder, repository=shop.root).problems == ()
    shop.decide(run_id="20260104T000000Z-cccc")
    shop.edit("evalgate.toml", 'values = ["R-*"]', 'values = ["R-a"]')
    folder = shop.pack("other")
    assert check_pack(folder).problems == ()
    [problem] = check_pack(folder, repository=shop.root).problems
    assert problem.startswith("evalgate.toml: it is not that of commit ")
    assert check_pack(folder, sha256="0" * 64).problems[-1].endswith("this is another pack")


def test_a_file_that_is_not_that_of_the_commit_is_a_risk(shop: Shop) -> None:
    shop.edit("evalgate.toml", 'values = ["R-*"]', 'values = ["R-a"]')
    shop.decide()
    shop.write("golden/faq.jsonl", '{"id": "a", "input": "other"}\n')
    pack = build_pack(shop.project, [])
    commit = (json.loads(pack.manifest)["commit"])[:12]
    assert pack.brief.decision == "go with guardrails"
    edited, replaced = (risk.text for risk in pack.brief.risks)
    assert edited == f"configuration evalgate.toml differs from that of commit {commit}"
    assert replaced.startswith("golden set golden/faq.jsonl was removed or replaced after the run, so it is not ")


def test_a_wanted_value_without_a_case_is_a_risk(shop: Shop) -> None:
    shop.edit("evalgate.toml", 'requirement = ["R-*"]', 'requirement = ["R-a", "R-z"]')
    shop.commit("want")
    shop.decide()
    brief = build_pack(shop.project, []).brief
    assert "no case has requirement R-z, which its coverage wants" in [risk.text for risk in brief.runs[0].risks]
    assert brief.decision == "go with guardrails"


def test_a_baseline_that_was_replaced_after_the_run(shop: Shop) -> None:
    shop.decide()
    shop.edit("baselines/faq.json", "20260101T000000Z-base", "20260101T000000Z-next")
    pack = build_pack(shop.project, [])
    [risk] = pack.brief.risks
    assert risk.text.startswith("baseline baselines/faq.json was removed or replaced after the run")


def test_changes_of_the_gate_since_the_last_release(shop: Shop) -> None:
    shop.call("tag", "v1.0")
    shop.edit("evalgate.toml", "min = 0.5", "min = 0.4")
    shop.commit("loosen")
    shop.decide()
    shop.call("tag", "v1.1")  # that of this release
    folder = shop.pack()
    text = (folder / "readiness.md").read_text("utf-8").replace("\\", "")
    assert "## Changes of the gate since v1.0" in text
    assert "- weaker: gate changed at suites.faq.gates[0].min: 0.5 -&gt; 0.4" in text
    assert "- the gate since v1.0: gate changed at suites.faq.gates[0].min" in text
    since = json.loads((folder / "audit.json").read_text("ascii"))["since"]
    assert [(one["where"], one["effect"]) for one in since["changes"]] == [("suites.faq.gates[0].min", "weaker")]
    assert check_pack(folder, repository=shop.root).problems == ()
    assert build_pack(shop.project, [], since="none").brief.since is not None


def test_promotions_of_the_store_are_in_the_pack(shop: Shop) -> None:
    from pytest_evalgate.app.promotions import Replaced, store_promotions  # noqa: PLC0415 - the store
    from pytest_evalgate.runs import baseline as baselines  # noqa: PLC0415 - for this test alone
    from pytest_evalgate.text.redaction import Redactor  # noqa: PLC0415 - for this test alone

    shop.decide()
    path = shop.root / "baselines/faq.json"
    baseline = baselines.find(None, suite="faq", file=path, root=shop.root)
    assert baseline is not None
    assert store_promotions(shop.project, [(baseline, path, Replaced(None, None))], Redactor()) is None
    [row] = json.loads(build_pack(shop.project, []).files["audit.json"])["promotions"]
    assert (row["suite"], row["run_id"], row["reason"]) == ("faq", "20260101T000000Z-base", "first")


def test_a_pack_that_cannot_be_made(shop: Shop) -> None:
    shop.decide()
    folder = shop.pack()
    with pytest.raises(SettingsError, match="is not an empty folder"):
        shop.pack()
    shop.edit("evalgate.toml", "min = 0.5", "min = 0.4")
    with pytest.raises(SettingsError, match="has another configuration"):
        shop.pack("another")
    assert folder.exists()


def test_a_missed_requirement_holds_a_run_that_passes(shop: Shop) -> None:
    shop.edit("evalgate.toml", 'values = ["R-*"]', 'values = ["R-z"]')
    shop.commit("require")
    shop.decide()
    folder = shop.pack()
    text = (folder / "readiness.md").read_text("utf-8").replace("\\", "")
    assert text.startswith("# Release brief: hold\n\n- not met: suite faq covers requirement R-z: no case has R-z\n\n")
    assert "1 requirement not met. PASS: 2 of 2 gates" in text
    assert "- hold: suite faq covers requirement R-z: no case has R-z" in text
    page = (folder / "readiness.html").read_text("utf-8")
    assert '<h1>Release readiness: <strong class="hold">hold</strong></h1>' in page
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
    [found] = requirement_results(
        settings, [ReleaseRun(decided, {"tone": _calibration("2025-12-23T00:00:00Z")})], goldens
    )
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
    text = CONFIG[CONFIG.index("[suites") :]
    (shop.root / "evalgate.toml").write_text(f"[release]\nrequires = [{requirement}]\n{text}", "utf-8")
    with pytest.raises(SettingsError) as error:
        config.load(shop.root)
    assert problem in str(error.value)
