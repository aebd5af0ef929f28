"""No mutation of a pull request is unseen: each is listed or blocked, and ``verify`` agrees with no weakened one."""

from __future__ import annotations

import os
import random
import shutil
from typing import TYPE_CHECKING

import pytest
from tests.guard.mutations import Mutation, mutations
from tests.guard.scene import Scene, make_scene

from pytest_evalgate.cli import main
from pytest_evalgate.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_evalgate.records.verdicts import GateChange

_NUMBER = int(os.environ.get("EVALGATE_MUTATIONS", "40"))


def _chosen() -> list[Mutation]:
    """Return as many mutations as are asked for, spread over all of them."""
    every = mutations()
    step = max(1, len(every) / _NUMBER)
    return [every[int(index * step)] for index in range(min(_NUMBER, len(every)))]


@pytest.fixture(scope="module")
def prototype(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("prototype") / "repository"
    make_scene(top)
    return top


@pytest.fixture
def scene(prototype: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    for variable in ("CI", "EVALGATE_DIR", "EVALGATE_BASE_REF", "EVALGATE_TIER", "GITHUB_BASE_REF", "GITHUB_SHA"):
        monkeypatch.delenv(variable, raising=False)
    top = tmp_path / "repository"
    shutil.copytree(prototype, top, symlinks=True)
    return Scene(top)


def test_a_branch_that_changes_nothing_is_not_listed_and_agrees(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(scene.root)
    assert scene.changes() == ()
    scene.leave_run()
    assert main(["verify", "--base-ref", "refs/remotes/origin/main"]) == 0


@pytest.mark.parametrize("mutation", _chosen(), ids=lambda one: one.name)
def test_a_mutation_is_listed_or_blocked_and_not_verified(
    mutation: Mutation, scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mutation.apply(scene, random.Random(mutation.name))  # noqa: S311 - a choice of cases, not a secret
    scene.commit("the pull request")
    for name, value in scene.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(scene.root)
    try:
        changes = scene.changes()
        scene.leave_run()
    except UserError:
        assert main(["verify", "--base-ref", "refs/remotes/origin/main"]) != 0
        return
    if mutation.listed:
        _assert_listed(mutation, changes)
    code = main(["verify", "--base-ref", "refs/remotes/origin/main"])
    printed = capsys.readouterr()
    if mutation.weakens:
        assert code != 0, printed.out
    if not mutation.listed:
        assert "mismatch: " in printed.out or code == 4, printed


def _assert_listed(mutation: Mutation, changes: Sequence[GateChange]) -> None:
    found = [change for change in changes if mutation.listed in f"{change.what} {change.where}"]
    assert found, [f"{change.effect} {change.what} {change.where}" for change in changes]
    if mutation.acknowledged:
        assert all(change.acknowledged for change in changes if change.effect == "weaker")
