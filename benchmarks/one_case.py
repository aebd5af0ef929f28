"""Files and functions that one recorded case with one rule runs through, and modules that each kind of session loads.

The profile hook counts calls only: code that an import runs at module level does not count. Modules are counted at the
end of the process.
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
        called.add((code.co_filename, code.co_qualname))
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
ours = [name for name in sys.modules if name.partition(".")[0] == "pytest_evalgate"]
print("\\nCOUNTED " + json.dumps([int(code or 0), len({file for file, _ in called}), len(called), len(ours)]))
"""
QUIET = ("pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_evalgate.plugin")


def main() -> int:
    with tempfile.TemporaryDirectory() as name, ScriptedServer() as server:
        folder = Path(name)
        _write_project(folder, server.base_url)
        _, files, functions, _ = _run(folder, "profile", *QUIET, "--eval-gate", "recorded.jsonl")
        print(f"one recorded case, one rule: {files} files, {functions} functions of ours run")
        for kind, command in {
            "plain pytest": (*QUIET, "test_plain.py"),
            "--eval-gate, recorded": (*QUIET, "--eval-gate", "recorded.jsonl"),
            "--eval-gate, over HTTP": (*QUIET, "--eval-gate", "http.jsonl"),
            "pytest-evalgate --help": ("cli", "--help"),
        }.items():
            print(f"modules of ours loaded, {kind}: {_run(folder, 'count', *command)[3]}")
    return 0


def _write_project(folder: Path, base_url: str) -> None:
    case = {"id": "a", "input": "ok", "expected": "ok"}
    for golden in ("recorded.jsonl", "http.jsonl"):
        (folder / golden).write_text(json.dumps(case) + "\n", encoding="utf-8")
    (folder / "outputs.jsonl").write_text('{"id": "a", "output": "ok"}\n', encoding="utf-8")
    (folder / "test_plain.py").write_text("def test_plain(): pass\n", encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    gates = 'gates = [{ kind = "pass-rate", min = 0.1, bound = "point" }]\nscorers = ["exact"]\n'
    (folder / "evalgate.toml").write_text(
        f'[models.m]\nmodel = "m"\nclient = "http"\nbase_url = "{base_url}"\napi_key_env = ""\n'
        f'[suites.recorded]\ngolden = "recorded.jsonl"\ntarget = {{ recorded = "outputs.jsonl" }}\n{gates}'
        f'[suites.http]\ngolden = "http.jsonl"\ntarget = {{ model = "m" }}\n{gates}',
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
