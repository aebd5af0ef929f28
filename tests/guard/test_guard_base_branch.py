"""What a session and `verify` take from the base: calibrations, keys, and the place of its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.guard.scene import Scene, make_scene

from pytest_evalgate import config
from pytest_evalgate.guard.base_branch import BaseBranch
from pytest_evalgate.guard.base_checkout import BaseCheckout
from pytest_evalgate.judges.build import calibration_of, drift_of

if TYPE_CHECKING:
    from pathlib import Path

_ACKNOWLEDGED = "[[acknowledged]]\nchange = 'judges.j.calibration'\nreason = 'new labels'\nowner = 'qa'\n\n"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return make_scene(tmp_path / "repository")


def _branch(scene: Scene, *, alone: bool = False) -> BaseBranch:
    tree = BaseCheckout.at("main", root=scene.root)
    return BaseBranch(tree, scene.root, config.load(scene.root), scene.state, alone=alone)


def _edit(scene: Scene, before: str, now: str) -> None:
    text = scene.text("evalgate.toml")
    assert before in text
    scene.write("evalgate.toml", text.replace(before, now, 1))


@pytest.mark.parametrize(
    ("acknowledged", "alone", "judge_fail"), [(False, False, 180), (True, False, 199), (True, True, 180)]
)
def test_the_calibration_of_the_base_is_used_until_its_change_is_acknowledged(
    scene: Scene, *, acknowledged: bool, alone: bool, judge_fail: int
) -> None:
    scene.calibrate(judge_fail=199)
    if acknowledged:
        _edit(scene, "[models.candidate]", f"{_ACKNOWLEDGED}[models.candidate]")
    base = _branch(scene, alone=alone)
    judge = base.head.judges["j"]
    found = calibration_of(judge, root=base.judge_files("j"))
    assert found is not None
    assert found.judge_fail == judge_fail
    [change] = base.changes
    assert (change.what, change.where, change.effect) == ("calibration changed", "judges.j.calibration", "weaker")
    assert (change.acknowledged is not None) is acknowledged


def test_a_drift_record_of_the_base_counts_if_the_branch_removed_it(scene: Scene) -> None:
    (scene.root / "judges/j.drift.json").unlink()
    base = _branch(scene)
    assert drift_of(base.head.judges["j"], root=base.judge_files("j")) is not None
    assert [change.what for change in base.changes] == ["drift record changed"]


def test_a_judge_that_the_base_does_not_have_has_its_own_files(scene: Scene) -> None:
    assert _branch(scene).judge_files("another") == scene.root


@pytest.mark.parametrize(
    ("before", "now", "place"),
    [
        ("https://models.example.org/v1", "https://evil.example.org/v1", "models.candidate.base_url"),
        ("https://graders.example.org/v1", "https://evil.example.org/v1", "models.grader.base_url"),
        ("https://bot.example.org/ask", "https://evil.example.org/ask", "suites.api.target.http.url"),
        ('"CANDIDATE_KEY"', '"GRADER_KEY"', "models.candidate.api_key_env"),
    ],
)
def test_a_withheld_key_is_noted_at_the_change_and_in_a_sentence(
    scene: Scene, before: str, now: str, place: str
) -> None:
    _edit(scene, before, now)
    base = _branch(scene)
    noted = [change for change in base.changes if change.now.endswith(" (its key is withheld)")]
    assert [change.where for change in noted] == [place]
    [note] = base.key_notes
    assert "because the base branch does not send it there" in note


def test_a_first_configuration_sends_its_keys(scene: Scene) -> None:
    scene.git("checkout", "-q", "--orphan", "first")
    scene.git("rm", "-rqf", "--cached", ".")
    scene.git("commit", "-qm", "nothing", "--allow-empty")
    scene.git("branch", "-f", "main", "first")
    base = _branch(scene)
    assert (base.keys, base.key_notes, base.moved_from) == (None, (), ())


def test_a_second_project_beside_the_first_has_not_moved_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    second = scene.top / "second"
    second.mkdir()
    (second / "evalgate.toml").write_text('[suites.s]\ngolden = "g.jsonl"\n')
    monkeypatch.chdir(second)
    tree = BaseCheckout.at("main", root=second)
    base = BaseBranch(tree, second, config.load(second), second / ".evalgate")
    assert base.moved_from == ()
    monkeypatch.chdir(scene.root)
    assert _branch(scene).moved_from == ()


def test_targets_and_endpoints_come_before_what_else_changed(scene: Scene) -> None:
    _edit(scene, "max_error_rate = 0.0", "max_error_rate = 0.5")
    _edit(scene, "https://models.example.org/v1", "https://evil.example.org/v1")
    _edit(scene, 'target = { python = "app:answer" }', 'target = { python = "cheat:answer" }')
    weaker = [change.what for change in _branch(scene).changes if change.effect == "weaker"]
    assert weaker == ["target replaced", "endpoint moved", "setting changed"]


@pytest.mark.parametrize("marker", ['"golden/code.jsonl"', 'suite="code"', '"../golden/code.jsonl"'])
def test_a_marked_test_that_replaces_a_target_is_weaker(scene: Scene, marker: str) -> None:
    scene.write("checks/ask.py", f"import pytest\n@pytest.mark.golden_set({marker})\ndef test_it(case): ...\n")
    replaced = [change for change in _branch(scene).changes if change.what == "target replaced"]
    assert [(one.where, one.now, one.effect) for one in replaced] == [
        ("suites.code.target", "marked test in checks/ask.py", "weaker")
    ]


def test_a_marked_test_that_the_base_has_is_no_change(scene: Scene) -> None:
    text = "import pytest\n@pytest.mark.golden_set('golden/code.jsonl')\ndef test_it(case): ...\n"
    scene.git("checkout", "-q", "main")
    scene.write("checks/ask.py", text)
    scene.git("add", "-A")
    scene.git("commit", "-qm", "a marked test")
    scene.git("checkout", "-qb", "later")
    scene.write("checks/ask.py", f"# edited\n{text}")
    assert [change for change in _branch(scene).changes if change.what == "target replaced"] == []
