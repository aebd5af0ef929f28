"""Forked programs: streams, folder, environment and exit codes are those of a program that was started."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.support import forked

if TYPE_CHECKING:
    from pathlib import Path

_GOLDEN = '{"id": "a", "input": "a", "expected": "yes", "output": "%s"}\n'
_ALONE = ("-q", "-p", "no:cacheprovider")


@pytest.mark.parametrize(
    ("at_the_end", "code"),
    [("pass", 0), ("os._exit(7)", 7), ("os.kill(os.getpid(), 9)", -9), ("raise SystemExit(3)", 3)],
)
def test_a_program_ends_as_it_wants(tmp_path: Path, at_the_end: str, code: int) -> None:
    (tmp_path / "conftest.py").write_text(f"import os\ndef pytest_unconfigure():\n    {at_the_end}\n", "utf-8")
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n", "utf-8")
    assert forked.run(["pytest", *_ALONE], tmp_path, os.environ)[0] == code


def test_a_shell_finds_the_programs(tmp_path: Path) -> None:
    (tmp_path / "golden.jsonl").write_text(_GOLDEN % "no", "utf-8")
    (tmp_path / "conftest.py").write_text("import os\nprint(os.environ['OF_THE_SHELL'])\n", "utf-8")
    path = f"{forked.programs()}{os.pathsep}{os.environ['PATH']}"
    script = "OF_THE_SHELL=here pytest -s --eval-gate golden.jsonl; pytest-evalgate no-such-verb 2>&1"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("here\n")
    assert "no-such-verb" in done.stdout
    assert done.returncode == 2


def test_the_plugins_are_imported_with_their_asserts_rewritten(tmp_path: Path) -> None:
    (tmp_path / "golden.jsonl").write_text(_GOLDEN % "yes", "utf-8")
    code, printed = forked.run(["pytest", *_ALONE, "--eval-gate", "golden.jsonl"], tmp_path, os.environ)
    assert code == 0
    assert "PytestAssertRewriteWarning" not in printed
