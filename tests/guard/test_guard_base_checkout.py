from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate import golden
from pytest_evalgate.config import Settings
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.guard.base_checkout import BaseCheckout
from pytest_evalgate.records.verdicts import Baseline, BaselineCase, Provenance
from pytest_evalgate.runs import baseline as baselines

if TYPE_CHECKING:
    from pathlib import Path


def _call(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


_CONFIG = """
[tool.evalgate.suites.faq]
golden = "golden/faq.jsonl"
gates = [{ kind = "pass-rate", min = %s }]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in a subfolder of its repository, with uncommitted changes of every file."""
    root = tmp_path / "repository" / "project"
    (root / "golden").mkdir(parents=True)
    (root / "pyproject.toml").write_text(_CONFIG % 0.9)
    (root / "golden" / "faq.jsonl").write_text('{"id": "a", "input": "hard"}\n')
    _promote(root, "at the base")
    _call(root, "init", "-q", "-b", "main", "..")
    _call(root, "add", ".")
    _call(root, "commit", "-qm", "base")
    _call(root, "checkout", "-qb", "topic")
    (root / "pyproject.toml").write_text(_CONFIG % 0.1)
    (root / "golden" / "faq.jsonl").write_text('{"id": "a", "input": "easy"}\n')
    _promote(root, "on the branch")
    return root


def _promote(root: Path, reason: str) -> None:
    moment = "2026-01-02T00:00:00Z"
    origin = Provenance(f"run {reason}", moment, moment, None, reason, "g" * 64, "s" * 64)
    promoted = Baseline("faq", "run", origin, 1, {"a": BaselineCase("f", (1.0,))})
    baselines.write(promoted, root / ".evalgate" / "baselines" / "faq.json")


def _tree(project: Path, ref: str = "main") -> BaseCheckout:
    return BaseCheckout.at(ref, root=project)


def _baseline(project: Path, configured: str | None = None) -> Baseline | None:
    return _tree(project).baseline("faq", configured=configured, state=project / ".evalgate")


def test_the_configuration_of_the_base_is_read(project: Path) -> None:
    [gate] = _tree(project).settings().suites["faq"].gates or ()
    assert gate.model_dump()["min"] == 0.9


def test_a_golden_set_of_the_base_is_loaded_under_its_name(project: Path) -> None:
    tree = _tree(project)
    [loaded] = golden.load([tree.extract("golden/faq.jsonl")], root=tree.folder)
    assert (loaded.path, loaded.cases[0].input, str(loaded.cases[0].place)) == (
        "golden/faq.jsonl",
        "hard",
        "golden/faq.jsonl:1",
    )


def test_the_baseline_of_the_base_is_read(project: Path) -> None:
    found = _baseline(project)
    assert found is not None
    assert (found.provenance.reason, found.source) == ("at the base", f"git:{_tree(project).commit}")


def test_a_baseline_at_the_configured_path_of_the_base(project: Path) -> None:
    assert _baseline(project, "elsewhere/faq.json") is None
    assert _baseline(project, ".evalgate/baselines/faq.json") == _baseline(project)


def test_a_baseline_at_a_commit_is_read_there(project: Path) -> None:
    found = _baseline(project, "git:main")
    assert found is not None
    assert found == replace(found, source="git:main")


def test_a_stale_copy_of_a_file_that_the_base_lacks_is_removed(project: Path) -> None:
    tree = _tree(project)
    stale = tree.folder / "golden" / "new.jsonl"
    stale.parent.mkdir(parents=True)
    stale.write_text("{}")
    assert not tree.extract("golden/new.jsonl").exists()


def test_a_base_without_a_configuration_has_the_defaults(project: Path) -> None:
    _call(project, "checkout", "-q", "-f", "--orphan", "first")
    _call(project, "rm", "-rqf", "--cached", ".")
    _call(project, "commit", "-qm", "nothing", "--allow-empty")
    assert _tree(project, "HEAD").settings() == Settings()


def test_a_configuration_that_cannot_be_used_names_the_base(project: Path) -> None:
    (project / "pyproject.toml").write_text(_CONFIG % 2)
    _call(project, "commit", "-qam", "broken")
    with pytest.raises(SettingsError, match=r"^at the merge base [0-9a-f]{12}: pyproject\.toml:4: suites\.faq\.gates"):
        _tree(project, "HEAD").settings()


@pytest.mark.parametrize("path", ["../secret.txt", "/etc/passwd", "golden/../../secret.txt"])
def test_files_outside_of_the_project_are_refused(project: Path, path: str) -> None:
    with pytest.raises(SettingsError, match=r"is outside of .*: move files that the gate reads into it"):
        _tree(project).extract(path)


def test_a_folder_is_not_a_file(project: Path) -> None:
    with pytest.raises(SettingsError, match=r"^at the merge base [0-9a-f]{12}: golden: git cannot read it"):
        _tree(project).extract("golden")


def test_an_unknown_ref_is_reported_with_its_option(project: Path) -> None:
    with pytest.raises(SettingsError, match=r"^--eval-base-ref origin/main: no such branch"):
        _tree(project, "origin/main")


@pytest.mark.parametrize("ref", ["origin/main", "refs/remotes/origin/main"])
def test_the_target_branch_of_a_pull_request_is_found_under_its_name(
    project: Path, monkeypatch: pytest.MonkeyPatch, ref: str
) -> None:
    _call(project, "tag", "origin/main", "topic")
    _call(project, "commit", "-qam", "topic")
    with pytest.raises(SettingsError, match="--eval-base-ref"):
        _tree(project, "refs/remotes/origin/main")
    _call(project, "checkout", "-q", "--detach", "main")
    _call(project, "merge", "-q", "--no-ff", "-m", "as GitHub does", "topic")
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    for variable in ("GITHUB_SHA", "GITHUB_EVENT_NAME"):
        monkeypatch.delenv(variable, raising=False)
    [gate] = _tree(project, ref).settings().suites["faq"].gates or ()
    assert gate.model_dump()["min"] == 0.9


@pytest.mark.parametrize(
    ("configured", "read"),
    [
        ("git:HEAD", "at the base"),
        ("git:@", "at the base"),
        ("git:main", "at the base"),
    ],
)
def test_head_in_the_baseline_of_the_base_is_the_base(project: Path, configured: str, read: str) -> None:
    _call(project, "add", "-f", "-A")
    _call(project, "commit", "-qm", "topic")
    found = _baseline(project, configured)
    assert found is not None
    assert found.provenance.reason == read


@pytest.mark.parametrize("link", ["pyproject.toml", "golden/faq.jsonl", "golden", ".evalgate/baselines/faq.json"])
def test_links_of_the_branch_are_not_followed(project: Path, link: str) -> None:
    path = project / link
    elsewhere = project / ".elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    tree = _tree(project)
    [gate] = tree.settings().suites["faq"].gates or ()
    assert gate.model_dump()["min"] == 0.9
    assert tree.read("golden/faq.jsonl") == b'{"id": "a", "input": "hard"}\n'
    baseline = _baseline(project)
    assert baseline is not None
    assert baseline.provenance.reason == "at the base"


def test_nothing_is_extracted_into_the_project(project: Path) -> None:
    tree = _tree(project)
    tree.settings()
    assert not tree.folder.is_relative_to(project)
    assert (tree.folder / "pyproject.toml").exists()
    tree.close()
    assert not tree.folder.exists()
