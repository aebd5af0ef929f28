"""CPU time of the run's log, as a share of a session of 1,000 recorded cases: at most 1 %."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

CASES = 1_000
MOST = 0.01
SESSION = """
import json, sys, time
import pytest
from pytest_evalgate.runs.run_log import RunLog
spent = 0.0
def timed(function):
    def call(*args):
        global spent
        start = time.process_time()
        try:
            return function(*args)
        finally:
            spent += time.process_time() - start
    return call
for name in ("add_case", "add_stage", "close"):
    setattr(RunLog, name, timed(getattr(RunLog, name)))
code = pytest.main(["-q", "--eval-gate", "-p", "no:cacheprovider"])
print("\\nMEASURED " + json.dumps([int(code), spent, time.process_time()]))
"""


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ids = [f"case-{number}" for number in range(CASES)]
        rows = [json.dumps({"id": case, "input": case, "expected": "yes"}) for case in ids]
        (folder / "golden.jsonl").write_text("\n".join(rows), "utf-8")
        (folder / "outputs.jsonl").write_text("\n".join(json.dumps({"id": i, "output": "yes"}) for i in ids), "utf-8")
        (folder / "pytest.ini").write_text("[pytest]\n", "utf-8")
        (folder / "evalgate.toml").write_text(
            '[suites.s]\ngolden = "golden.jsonl"\ntarget = { recorded = "outputs.jsonl" }\n'
            'gates = [{ kind = "pass-rate", min = 0.5 }]\n',
            "utf-8",
        )
        done = subprocess.run([sys.executable, "-c", SESSION], cwd=folder, capture_output=True, text=True, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("MEASURED ")), None)
    assert line is not None, done.stdout + done.stderr
    code, spent, whole = json.loads(line.removeprefix("MEASURED "))
    assert code == 0, done.stdout
    print(f"{CASES:,} recorded cases: log {1000 * spent:.1f} ms of {1000 * whole:.0f} ms CPU, {spent / whole:.2%}")
    return 0 if spent / whole <= MOST else 1


if __name__ == "__main__":
    raise SystemExit(main())
