"""Environment of a run: which changes are other work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.runs.journal import environment_sha256

if TYPE_CHECKING:
    from pathlib import Path

_ENVIRON = {"MODEL": "old", "EVALGATE_TIER": "smoke", "TERM": "xterm"}


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        ({"MODEL": "new"}, True),
        ({"MODEL": ""}, True),
        ({"EVALGATE_TIER": "all"}, True),
        ({"EVALGATE_NEW": ""}, True),
        ({"TERM": "dumb"}, False),
        ({"OTHER": "x"}, False),
    ],
)
def test_declared_and_own_variables_count(tmp_path: Path, changed: dict[str, str], *, differs: bool) -> None:
    before = environment_sha256(_ENVIRON, ["MODEL"], [str(tmp_path)])
    assert (environment_sha256({**_ENVIRON, **changed}, ["MODEL"], [str(tmp_path)]) != before) is differs


def test_a_missing_variable_is_not_an_empty_one(tmp_path: Path) -> None:
    found = {environment_sha256(environ, ["MODEL"], [str(tmp_path)]) for environ in ({}, {"MODEL": ""})}
    assert len(found) == 2


@pytest.mark.parametrize("name", ["a-1.0.dist-info", "b.egg-info", "c.egg-link", "__editable__.d.pth"])
def test_installed_distributions_count(tmp_path: Path, name: str) -> None:
    before = environment_sha256({}, [], [str(tmp_path)])
    (tmp_path / "module.py").write_text("")
    assert environment_sha256({}, [], [str(tmp_path)]) == before
    (tmp_path / name).mkdir()
    assert environment_sha256({}, [], [str(tmp_path), "/no/such/folder"]) != before
