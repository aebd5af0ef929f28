"""Files and functions that one recorded case with one rule runs through, and modules that each kind of session loads.

A profile hook counts calls. Files are counted twice: those of which a function runs, and those of which anything runs
after the start, which adds bodies of classes, comprehensions at module level and compiled templates. Modules are
counted at the end of the process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import processes
from tests.support.server import ScriptedServer

COUNT = """
import json, sys, threading
called = set()
def profile(frame, event, _):
    code = frame.f_code
    if event == "call" and "/pytest_evalgate/" in code.co_filename and not code.co_name.startswith("<module"):
        # CO_OPTIMIZED is set for functions, not for bodies of classes
        is_function = bool(code.co_flags & 1) and code.co_filename.endswith(".py") and code.co_name[0] != "<"
        called.add((code.co_filename, code.co_qualname, is_function))
if sys.argv[1] == "profile":
    threading.setprofile(profile)
    sys.setprofile(profile)
try:
    if sys.argv[2] == "pytest":
        import pytest
        code = pytest.main(sys.argv[3:])
    else:
        from pytest_evalgate.cli import main
        code = main(sys.argv[3:])
except SystemExit as exit:
    code = exit.code
sys.setprofile(None)
functions = {(file, name) for file, name, is_function in called if is_function}
ours = [name for name in sys.modules if name.partition(".")[0] == "pytest_evalgate"]
counts = [len({file for file, _ in functions}), len(functions), len({file for file, _, _ in called}), len(ours)]
print("\\nCOUNTED " + json.dumps([int(code or 0), *counts]))
"""
QUIET = ("pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_evalgate.plugin")


def main() -> int:
    with tempfile.TemporaryDirectory() as name, ScriptedServer() as server:
        recorded, http = Path(name, "recorded"), Path(name, "http")
        _write_project(recorded, '{ recorded = "outputs.jsonl" }')
        model = f'[models.m]\nmodel = "m"\nclient = "http"\nbase_url = "{server.base_url}"\napi_key_env = ""\n'
        _write_project(http, '{ model = "m" }', model)
        _, files, functions, everything, _ = _run(recorded, "profile", *QUIET, "--eval-gate")
        print(f"one recorded case, one rule: {functions} functions of ours run, in {files} files ({everything} with")
        print("  bodies of classes and templates)")
        for kind, folder, command in (
            ("plain pytest", recorded, (*QUIET, "test_plain.py")),
            ("--eval-gate, recorded", recorded, (*QUIET, "--eval-gate")),
            ("--eval-gate, over HTTP", http, (*QUIET, "--eval-gate")),
            ("pytest-evalgate --help", recorded, ("cli", "--help")),
        ):
            print(f"modules of ours loaded, {kind}: {_run(folder, 'count', *command)[-1]}")
    return 0


def _write_project(folder: Path, target: str, model: str = "") -> None:
    folder.mkdir()
    (folder / "golden.jsonl").write_text('{"id": "a", "input": "ok", "expected": "ok"}\n', encoding="utf-8")
    (folder / "outputs.jsonl").write_text('{"id": "a", "output": "ok"}\n', encoding="utf-8")
    (folder / "test_plain.py").write_text("def test_plain(): pass\n", encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (folder / "evalgate.toml").write_text(
        f'{model}[suites.faq]\ngolden = "golden.jsonl"\ntarget = {target}\nscorers = ["exact"]\n'
        'gates = [{ kind = "pass-rate", min = 0.1, bound = "point" }]\n',
        encoding="utf-8",
    )


def _run(folder: Path, mode: str, *command: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", COUNT, mode, *command],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        env=processes.environment(folder),
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("COUNTED ")), None)
    assert line is not None, done.stdout + done.stderr
    counted: list[int] = json.loads(line.removeprefix("COUNTED "))
    assert counted[0] == 0, done.stdout + done.stderr
    return counted


if __name__ == "__main__":
    sys.exit(main())
