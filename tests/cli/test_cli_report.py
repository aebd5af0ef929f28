"""The verb report: the release brief, and opening the page in a browser."""

from __future__ import annotations

import json
import webbrowser
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.app.project import Project as OpenProject
from pytest_evalgate.app.release import brief_of
from pytest_evalgate.app.view import DecidedRun, build_view
from pytest_evalgate.config import Suite
from pytest_evalgate.gates import SuiteRules, decide
from pytest_evalgate.records.attempts import TakenOver
from pytest_evalgate.records.verdicts import Calls, GateChange, HistoryRow, JudgeVerdict, SliceResult
from pytest_evalgate.reports.brief import render_brief, render_brief_text
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs.kept import RunFolder
from pytest_evalgate.runs.run_file import RunInfo, path_of
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Project

    from pytest_evalgate.records.verdicts import Baseline, Verdict
    from pytest_evalgate.reports.brief import Brief

_RUN = "20260102T000000Z-bbbb"
_HISTORY = [
    HistoryRow(f"r{day}", f"2026-01-0{day}T00:00:00Z", None, "faq", 40, 1, 0.9, None, "g", "s", None, "pass")
    for day in (1, 2)
]


@pytest.fixture
def project(project_of: Callable[[str], Project]) -> Project:
    found = project_of("report")
    found.configure('[suites.faq]\ngolden = "g.jsonl"\nbaseline = "baselines/faq.json"\n')
    return found


def _decided(project: Project, words: str, **gate: Any) -> tuple[DecidedRun, RunFolder]:
    """Store and decide a run of suite "faq", with the baseline of the project."""
    run = project.store(list(words), run_id=_RUN)
    baseline = baselines.find(None, suite="faq", file=project.root / "baselines/faq.json", root=project.root)
    gates = Suite.model_validate({"golden": "g", "gates": [{"kind": "no-regression", **gate}]}).gates
    verdict = decide(run, {"faq": SuiteRules(gates, baseline, record_without_baseline=True)}, warn_inconclusive=True)
    kept = RunFolder(path_of(project.root / ".evalgate", run.id).parent)
    compared: dict[str, tuple[Baseline, bytes]] = {} if baseline is None else {"faq": (baseline, b"")}
    kept.keep(verdict, compared, _HISTORY, Redactor())
    return DecidedRun(run, RunInfo(), verdict, {"faq": baseline}), kept


def _brief(decided: DecidedRun, verdict: Verdict | None = None) -> Brief:
    decided = replace(decided, verdict=verdict or decided.verdict)
    view = build_view(decided.verdict, decided.run, decided.baselines, run_file="r", verdict_file="v")
    return brief_of(view, decided, OpenProject.find())


def test_the_brief_names_who_accepted_the_baseline(project: Project, git: Callable[..., None]) -> None:
    project.baseline("baselines/faq.json", "P" * 40)
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "promote")):
        git(*arguments)
    _decided(project, "P" * 40)
    code, out, err = project.call("--format", "brief")
    assert (code, err) == (0, "")
    text = (project.root / ".evalgate/brief.md").read_text("utf-8")
    assert text.startswith("# Release brief: go\n")
    assert out.startswith("RELEASE BRIEF: go\n")
    for shown in (text, out):
        assert "Every gate passed, and every gate could have failed. PASS: 1 of 1 gate (exit 0)" in shown
        assert "last 2 runs: 90.0%, 90.0%" in shown
        assert "run 20260101T000000Z-base of commit 8c1f2d0, promoted 2026-01-01, by x on 20" in " ".join(
            shown.split()
        )
        assert "3 files could not be compared with commit 8c1f2d0aaaaa" in " ".join(shown.split())
    assert project.json("--format", "brief") == {"run_id": _RUN, "decision": "go", "files": [".evalgate/brief.md"]}


def test_an_uncommitted_baseline_has_no_author(project: Project) -> None:
    project.baseline("baselines/faq.json", "P" * 40)
    decided, _ = _decided(project, "P" * 40)
    [baseline] = _brief(decided).runs[0].baselines
    assert (baseline.author, baseline.reason, baseline.source) == ("", "first", "file:baselines/faq.json")
    assert "promoted 2026-01-01, not committed: first" in render_brief(_brief(decided))


def test_a_failed_run_is_on_hold_whatever_its_risks(project: Project) -> None:
    project.baseline("baselines/faq.json", "P" * 40)
    decided, _ = _decided(project, "m" * 10 + "P" * 30)
    brief = _brief(decided)
    assert brief.decision == "hold"
    text = render_brief(brief)
    assert "The gates do not allow this release. FAIL: faq -25.0 pp: 10 worse, 0 better" in text
    assert "10 cases got worse, 0 got better. A drop this large would happen by luck in" in text


def test_a_first_run_has_guardrails(project: Project) -> None:
    decided, _ = _decided(project, "P" * 40)
    brief = _brief(decided)
    assert brief.decision == "go with guardrails"
    assert [risk.text for risk in brief.runs[0].risks] == ["no baseline: nothing shows whether it got worse"]
    assert "`faq`: none" in render_brief(brief)


def _judge(**fields: Any) -> JudgeVerdict:
    known = {"name": "tone", "fingerprint": "f", "calibrated": True, "why_not": None, "scored": 40, "unreadable": 0}
    return JudgeVerdict(**{**known, "pass_rate": 0.9, **fields})


def _weaker(reason: str | None) -> GateChange:
    return GateChange("gate changed", "suites.faq.gates[0].alpha", "0.05", "0.01", "weaker", reason)


_GUARDED = "go with guardrails"
_RISKS: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    ({}, {"changed_in_gate": (_weaker("known (qa)"),)}, "the gate: gate changed at suites.faq.gates", _GUARDED),
    ({}, {"base_problem": "no such branch"}, "the run: WHAT CHANGED IN THE GATE IS UNKNOWN: no such branch", "hold"),
    ({}, {"suites_not_run": ("sql",)}, "the run: suites that did not run: sql", _GUARDED),
    ({}, {"calls": Calls(planned=9, sent=9, unknown_price=9)}, "the cost: 9 calls of unknown price", "go"),
    ({}, {"calls": Calls(planned=9, sent=9, local=9)}, "the cost: 9 calls of your function (cost unknown)", "go"),
    ({}, {"resumed": TakenOver("r0", 3)}, "the run: 3 answers come from the interrupted run r0", _GUARDED),
    ({}, {"exit_code": 1}, "", "hold"),
    ({}, {"verdict": "not_evaluated"}, "", "hold"),
    ({"mode": "advisory"}, {}, "faq: advisory: its gates cannot stop a release", "go"),
    ({"mode": "advisory", "verdict": "fail"}, {}, "release, and the suite did not pass: FAIL", _GUARDED),
    ({"judges": (_judge(calibrated=False),)}, {}, "faq: judge tone is not calibrated", _GUARDED),
    ({"judges": (_judge(why_not="too old"),)}, {}, "faq: judge tone does not count: too old", _GUARDED),
    ({"judges": (_judge(age_days=80),)}, {}, "its calibration is 80 of at most 90 days old", _GUARDED),
    ({"judges": (_judge(age_days=20, unreadable=2),)}, {}, "judge tone: 2 verdicts could not be read", "go"),
    ({"notes": ("a sample",)}, {}, "faq: a sample", "go"),
]  # fmt: skip


@pytest.mark.parametrize(("of_suite", "of_run", "text", "decision"), _RISKS)
def test_risks(project: Project, of_suite: dict[str, Any], of_run: dict[str, Any], text: str, decision: str) -> None:
    project.baseline("baselines/faq.json", "P" * 40)
    project.configure(
        '[suites.faq]\ngolden = "g.jsonl"\nbaseline = "baselines/faq.json"\n'
        '[models.m]\nmodel = "m"\nbase_url = "https://api.example.org/v1"\n'
        '[judges.tone]\nmodel = "m"\ncriteria = "polite"\nmax_age_days = 90\n'
    )
    decided, _ = _decided(project, "P" * 40)
    suite = replace(decided.verdict.suites["faq"], **of_suite)
    brief = _brief(decided, replace(decided.verdict, suites={"faq": suite}, **of_run))
    assert brief.decision == decision
    assert text in "\n".join(line.text for line in render_brief_text(brief, 400))


def test_what_the_gates_could_not_see(project: Project) -> None:
    project.baseline("baselines/faq.json", "PPP")
    decided, _ = _decided(project, "PPP")
    brief = _brief(decided)
    assert brief.decision == "go with guardrails"
    assert [risk.text.partition(";")[0] for risk in brief.runs[0].risks] == [
        "no-regression is blind: no drop could have failed it"
    ]
    found = decided.verdict.suites["faq"]
    assert found.delta is not None
    piece = SliceResult("lang", "de", 3, 0, 0.0, (0.0, 0.7), replace(found.delta, finding="regressed"))
    suite = replace(found, slices=(piece,), accounting=replace(found.accounting, errored=1, passed=2))
    texts = [risk.text for risk in _brief(decided, replace(decided.verdict, suites={"faq": suite})).runs[0].risks]
    assert "slice lang=de dropped, and no gate decides it" in texts
    assert "1 of 3 cases have no answer" in texts


def test_texts_of_others_do_nothing_in_a_brief(project: Project) -> None:
    project.baseline("baselines/faq.json", "P" * 40)
    decided, _ = _decided(project, "P" * 40)
    evil = "\x1b[31m\n::error::x <img src=x> @me #1"
    suite = replace(decided.verdict.suites["faq"], notes=(evil,) * 20)
    brief = _brief(decided, replace(decided.verdict, suites={"faq": suite}))
    assert all(
        line.text.isprintable() and not line.text.lstrip().startswith("::") for line in render_brief_text(brief, 80)
    )
    text = render_brief(brief)
    assert "<img" not in text
    assert "9 more are in the verdict" in text


@pytest.mark.parametrize("has_browser", [True, False])
def test_the_page_is_opened_in_a_browser(
    project: Project, monkeypatch: pytest.MonkeyPatch, *, has_browser: bool
) -> None:
    _decided(project, "P" * 10)
    opened: list[str] = []

    def open_page(address: str) -> bool:
        opened.append(address)
        return has_browser

    monkeypatch.setattr(webbrowser, "open", open_page)
    code, out, err = project.call("--open", "--format", "csv")
    page = project.root / ".evalgate" / "report.html"
    assert (code, opened) == (0, [page.as_uri()])
    assert page.exists()
    assert out.splitlines() == [".evalgate/cases.csv", ".evalgate/report.html"]
    said = f"pytest-evalgate: no browser found, open this page in one: {page.as_uri()}\n"
    assert err == ("" if has_browser else said)
    monkeypatch.setenv("CI", "true")
    assert project.call("--open")[2] == said
    assert len(opened) == 1


def test_the_terminal_report_is_not_mixed_with_json(project: Project) -> None:
    _decided(project, "P" * 10)
    code, out, _ = project.call("--format", "terminal", "--json")
    assert (code, json.loads(out)) == (0, {"run_id": _RUN, "files": []})
