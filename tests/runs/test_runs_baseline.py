from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import BaselineError
from pytest_evalgate.records.calls import CallRecord
from pytest_evalgate.records.results import Run, SuiteRun, Trial
from pytest_evalgate.records.verdicts import Baseline, BaselineCase, OtherModel, Provenance
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import git, run_file
from pytest_evalgate.runs.git_tree import show
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


_NOW = "2026-01-02T00:00:00Z"


def _promote(run: Run, reason: str = "new prompt") -> Baseline:
    return baselines.promote(run, run.suites[0], reason=reason, now=_NOW)


def _find(root: Path, spec: str | None = None, suite: str = "faq") -> Baseline | None:
    return baselines.find(spec, suite=suite, file=root / "b.json", root=root)


def test_a_promoted_run_has_one_value_for_each_trial(run: Run) -> None:
    baseline = _promote(run)
    assert baseline.cases == {"c1": BaselineCase("f1", (1.0, 1.0)), "c2": BaselineCase("f2", (0.0, 1.0))}
    assert (baseline.suite, baseline.trials) == ("faq", 2)
    assert baseline.provenance == Provenance(run.id, run.created, _NOW, "8c1f2d0", "new prompt", "g" * 64, "s" * 64)


def _with(run: Run, **fields: Any) -> Run:
    [suite] = run.suites
    return replace(run, suites=(SuiteRun(suite.plan, (replace(suite.results[0], **fields), *suite.results[1:])),))


def _stopped(run: Run) -> Run:
    return replace(run, suites=tuple(replace(suite, stopped="certainty") for suite in run.suites))


@pytest.mark.parametrize(
    ("change", "reason", "told"),
    [
        (lambda run: run, " ", 'a baseline needs a reason: --reason "..."'),
        (
            lambda run: replace(run, problems=("a worker died",)),
            "x",
            "is invalid and cannot be promoted: a worker died",
        ),
        (
            lambda run: _with(run, outcome="not_run", trials=()),
            "x",
            "is not complete: 1 of 3 cases of suite faq were not run; run the whole suite again, then promote",
        ),
        (
            lambda run: _stopped(_with(run, outcome="not_run", trials=())),
            "x",
            "stopped early: run the remaining cases with: pytest --eval-gate --eval-stop never, then promote",
        ),
        (lambda run: _with(run, outcome="errored"), "x", "is not complete: 1 of 3 cases of suite faq have no output"),
        (
            lambda run: replace(run, suites=(SuiteRun(run.suites[0].plan, run.suites[0].results[2:]),)),
            "x",
            "has no case of suite faq with an output",
        ),
    ],
)
def test_an_incomplete_run_is_not_promoted(run: Run, change: Callable[[Run], Run], reason: str, told: str) -> None:
    with pytest.raises(BaselineError) as caught:
        _promote(change(run), reason)
    assert told in str(caught.value)


def test_a_baseline_is_read_as_it_was_written(run: Run, tmp_path: Path) -> None:
    baseline = _promote(run)
    baselines.write(baseline, tmp_path / "b.json")
    assert _find(tmp_path) == replace(baseline, source="file:b.json")
    assert _find(tmp_path, "b.json") == _find(tmp_path)


def test_a_baseline_has_the_models_that_replied_in_place_of_others(run: Run, tmp_path: Path) -> None:
    call = CallRecord("target", "m", 1, served="m-mini")
    baseline = _promote(_with(run, trials=(Trial(0, 1.0, calls=(call,)), Trial(1, 1.0))))
    assert baseline.other_models == (OtherModel("target", "m", "m-mini", 1),)
    baselines.write(baseline, tmp_path / "b.json")
    assert _find(tmp_path) == replace(baseline, source="file:b.json")


def test_a_review_shows_one_line_a_case(run: Run, tmp_path: Path) -> None:
    baselines.write(_promote(run), tmp_path / "b.json")
    lines = (tmp_path / "b.json").read_text("ascii").splitlines()
    assert '  "c1": {"fingerprint":"f1","values":[1,1]},' in lines
    assert '  "c2": {"fingerprint":"f2","values":[0,1]}' in lines
    baselines.write(_promote(_with(run, trials=(Trial(0, 0.0), Trial(1, 1.0)))), tmp_path / "c.json")
    changed = set(lines) ^ set((tmp_path / "c.json").read_text("ascii").splitlines())
    assert (
        sorted(line.split(":")[0].strip() for line in changed)
        == ['"c1"'] * 2 + ['"cases_sha256"'] * 2 + ['"sha256"'] * 2
    )


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=5),
        st.lists(st.floats(0, 1), min_size=1, max_size=3).map(tuple),
        min_size=1,
        max_size=4,
    )
)
def test_any_ids_and_values_survive(
    tmp_path_factory: pytest.TempPathFactory, cases: dict[str, tuple[float, ...]]
) -> None:
    held = {name: BaselineCase("f", values) for name, values in cases.items()}
    baseline = Baseline("faq", "file:b.json", Provenance("r", _NOW, _NOW, None, "why", "g", "s"), 3, held)
    root = tmp_path_factory.mktemp("baseline")
    baselines.write(baseline, root / "b.json")
    assert _find(root) == baseline


def test_weights_and_more_trials_of_a_case_survive(run: Run, tmp_path: Path) -> None:
    [suite] = run.suites
    heavy = replace(suite.results[0].case, weight=2.5, trials=len(suite.results[0].trials))
    results = (replace(suite.results[0], case=heavy), *suite.results[1:])
    plan = replace(suite.plan, trials=1, cases=tuple(result.case for result in results))
    promoted = _promote(replace(run, suites=(replace(suite, plan=plan, results=results),)))
    assert promoted.trials == heavy.trials
    baselines.write(promoted, tmp_path / "b.json")
    found = baselines.find("b.json", suite="faq", file=tmp_path / "b.json", root=tmp_path)
    assert found is not None
    assert found.cases[heavy.id].weight == 2.5
    assert (tmp_path / "b.json").read_text().count('"weight"') == 1


def test_a_missing_baseline_is_none_unless_it_is_configured(tmp_path: Path) -> None:
    assert _find(tmp_path) is None
    with pytest.raises(BaselineError, match=r"file:b\.json: cannot be read: No such file"):
        _find(tmp_path, "b.json")


@pytest.mark.parametrize("spec", ["../b.json", "/etc/passwd"])
def test_a_baseline_outside_of_the_root_is_refused(tmp_path: Path, spec: str) -> None:
    with pytest.raises(BaselineError, match="outside of"):
        _find(tmp_path, spec)
    with pytest.raises(BaselineError, match="outside of"):
        baselines.file_of(spec, suite="faq", root=tmp_path, state=tmp_path / ".evalgate")


def _digested(cases: Any) -> dict[str, Any]:
    return {"cases": cases, "cases_sha256": jsonl.digest(cases)}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"schema": 2}, "schema 2 is newer than 1: upgrade pytest-evalgate"),
        ({"schema": "2"}, "not a baseline of pytest-evalgate"),
        ({"kind": "evalgate-run"}, "not a baseline of pytest-evalgate"),
        ({"suite": "other"}, "is the baseline of suite 'other', not of 'faq'"),
        ({"cases": {}}, "the content does not match its digest: it was edited or cut; promote a run again"),
        ({"cases_sha256": "0"}, "the content does not match its digest"),
        ({"provenance": {}}, "provenance.run_id: this key is missing"),
        ({"trials": None, "provenance": None}, "provenance: must be an object"),
        (_digested(["c1"]), "cases: must be an object"),
        (_digested({"c1": 1}), "cases.c1: must be an object"),
        (_digested({"c1": {"values": [1]}}), "cases.c1.fingerprint: this key is missing"),
        (_digested({"c1": {"fingerprint": "f", "values": []}}), "values must be in [0, 1], got []"),
        (_digested({"c1": {"fingerprint": "f", "values": [2]}}), "values must be in [0, 1], got [2.0]"),
    ],
)
def test_a_malformed_baseline_is_refused(run: Run, tmp_path: Path, fields: dict[str, Any], told: str) -> None:
    path = tmp_path / "b.json"
    baselines.write(_promote(run), path)
    stored = json.loads(path.read_text("ascii"))
    del stored["sha256"]  # as files of earlier versions, so that each field is met by its own check
    path.write_text(json.dumps({**stored, **fields}))
    with pytest.raises(BaselineError) as caught:
        _find(tmp_path)
    assert str(caught.value).startswith("file:b.json: ")
    assert told in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"null"])
def test_a_file_without_a_json_object_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "b.json").write_bytes(text)
    with pytest.raises(BaselineError, match=r"^file:b\.json: "):
        _find(tmp_path)


def test_the_file_of_a_baseline(tmp_path: Path) -> None:
    state = tmp_path / ".evalgate"

    def kept(configured: str | None) -> Path:
        return baselines.file_of(configured, suite="faq", root=tmp_path, state=state)

    assert kept(None) == kept("git:main") == state / "baselines" / "faq.json"
    assert kept("baselines/faq.json") == tmp_path.resolve() / "baselines" / "faq.json"


@pytest.fixture
def repository(run: Run, tmp_path: Path) -> Path:
    """A git repository with a project in a folder of it, whose baseline changed after the tag."""
    project = tmp_path / "project"
    baselines.write(_promote(run, "tagged"), project / "b.json")

    def call(*arguments: str) -> None:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    call("init", "-q")
    call("add", ".")
    call("commit", "-qm", "one")
    call("tag", "v1")
    baselines.write(_promote(run, "later"), project / "b.json")
    return project


def test_a_baseline_of_another_commit(repository: Path) -> None:
    tagged, now = _find(repository, "git:v1"), _find(repository)
    assert tagged is not None
    assert now is not None
    assert (tagged.provenance.reason, tagged.source) == ("tagged", "git:v1")
    assert now.provenance.reason == "later"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("git:nowhere", "git:nowhere: cannot read b.json: no such branch, tag or commit here; fetch it: "),
        ("git:", "git:: cannot read b.json: no such branch, tag or commit here"),
        ("git:--output=stolen", "git:--output=stolen: cannot read b.json: no such branch, tag or commit here"),
        ("git:-h", "git:-h: cannot read b.json: no such branch, tag or commit here"),
    ],
)
def test_a_ref_that_cannot_be_read(repository: Path, spec: str, told: str) -> None:
    with pytest.raises(BaselineError) as caught:
        _find(repository, spec)
    assert str(caught.value).startswith(told)
    assert not (repository / "stolen").exists()


def test_a_file_that_the_ref_does_not_hold(repository: Path) -> None:
    with pytest.raises(BaselineError, match=r"git:v1: cannot read new\.json: that commit does not contain it"):
        baselines.find("git:v1", suite="faq", file=repository / "new.json", root=repository)


def test_the_commit_that_is_checked_out(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = subprocess.run(["git", "rev-parse", "v1"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert git.commit(repository) == said.stdout.strip()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("GITHUB_SHA", "abc")
    assert git.commit(repository) == "abc"
    monkeypatch.delenv("GITHUB_SHA")
    assert git.commit(repository) is None
    with pytest.raises(BaselineError, match="git is not installed"):
        show(repository, "v1", "b.json")


def test_a_sample_is_refused_as_a_baseline_and_all_cases_are_not(run: Run) -> None:
    [suite] = run.suites
    sampled = replace(suite.plan, drawn_from=1319)
    with pytest.raises(BaselineError, match=r"tier smoke, which runs 3 of 1,319 cases of suite faq: run the default"):
        baselines.reject_sample(run, sampled, "smoke")
    baselines.reject_sample(run, suite.plan, "smoke")


_LINES = b'{"id":"c1","output":"text"}\n{"id":"c2","output":"text"}\n'


@pytest.fixture
def promoted(run: Run, tmp_path: Path) -> Baseline:
    """The baseline of a stored run, written to ``b.json``."""
    run_file.write(run, run_file.path_of(tmp_path / "state", run.id))
    found = baselines.promote(run, run.suites[0], reason="first", now="2026-01-01T00:01:00Z")
    baselines.write(found, tmp_path / "b.json")
    return replace(found, source="file:b.json")


def _found(baseline: Baseline, root: Path) -> bytes:
    return baselines.find_outputs(baseline, file=root / "b.json", root=root, state=root / "state")


def test_the_first_output_of_every_case_is_stored_in_the_order_of_ids(
    promoted: Baseline, run: Run, tmp_path: Path
) -> None:
    kept = baselines.outputs_of(promoted, run_file.path_of(tmp_path / "state", run.id))
    assert kept == _LINES
    baselines.write_outputs(kept, tmp_path / "b.json")
    assert (tmp_path / "b.outputs.jsonl").read_bytes() == _LINES
    assert baselines.read_outputs(tmp_path / "b.json") == {"c1": "text", "c2": "text"}


def test_they_are_found_beside_the_baseline(promoted: Baseline, tmp_path: Path) -> None:
    (tmp_path / "b.outputs.jsonl").write_bytes(b'{"id":"c1","output":1}\n')
    assert _found(promoted, tmp_path) == b'{"id":"c1","output":1}\n'


def test_they_are_found_at_the_commit_of_the_baseline(promoted: Baseline, tmp_path: Path) -> None:
    (tmp_path / "b.outputs.jsonl").write_bytes(b'{"id":"c1","output":"committed"}\n')
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "x"), ("tag", "then")):
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "b.outputs.jsonl").write_bytes(b"")
    assert b"committed" in _found(replace(promoted, source="git:then"), tmp_path)


def test_without_a_file_they_are_those_of_the_run(promoted: Baseline, tmp_path: Path) -> None:
    assert _found(promoted, tmp_path) == _LINES
    assert _found(replace(promoted, source="git:nowhere"), tmp_path) == _LINES


def test_else_there_are_none(promoted: Baseline, run: Run, tmp_path: Path) -> None:
    run_file.path_of(tmp_path / "state", run.id).unlink()
    assert _found(promoted, tmp_path) == b""


def test_without_outputs_none_are_stored(tmp_path: Path) -> None:
    (tmp_path / "b.outputs.jsonl").write_bytes(_LINES)
    baselines.write_outputs(b"", tmp_path / "b.json")
    assert not (tmp_path / "b.outputs.jsonl").exists()


@pytest.mark.parametrize("data", [b"{", b"[]\n", b'{"id":"a"}\n', b"\xff\n", b"1\n"])
def test_an_unreadable_file_has_no_outputs(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "b.outputs.jsonl").write_bytes(data)
    assert baselines.read_outputs(tmp_path / "b.json") == {}
