"""The verb evidence: what it prints, its exit codes, and options that do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "pytest-evalgate evidence --out release"),
        (("verify",), "pytest-evalgate evidence verify release"),
        (("verify", "release", "--out", "x"), "pytest-evalgate evidence verify release"),
        (("20260101T000000Z-aaaa", "release"), "pytest-evalgate evidence --out release"),
    ],
)
def test_options_that_do_not_fit(folder: Path, evalgate: Command, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = evalgate("evidence", *arguments)
    assert (code, out) == (4, "")
    assert message in err
    assert not list(folder.iterdir())


def test_a_folder_that_is_no_pack(folder: Path, evalgate: Command) -> None:
    (folder / "release").mkdir()
    assert evalgate("evidence", "verify", "release") == (
        1,
        "problem: manifest.json: missing\nnot verified: 1 problem\n",
        "",
    )
    code, out, _ = evalgate("evidence", "verify", "release", "--json")
    assert code == 1
    assert '"verified": false' in out
