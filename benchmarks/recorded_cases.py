"""Recorded outputs and rules only: CPU and memory of a gate over N cases, beside pytest's own floor.

The floor is the smallest plugin that makes one item of each line of the same file and does nothing with it. Each size
runs both in turn, in processes of their own, without other plugins.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import processes, projects

SIZES = {10_000: 130, 100_000: 700}
CASE_BOUND_MS = 0.25
ROUNDS = {10_000: 3, 100_000: 1}

MEASURE = """
import json, resource, sys, pytest
code = pytest.main(sys.argv[1:])
usage = resource.getrusage(resource.RUSAGE_SELF)
print("\\nMEASURED " + json.dumps([int(code), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
"""


def main() -> int:
    sizes = {int(text): SIZES.get(int(text), 0) for text in sys.argv[1:]} or SIZES
    print("recorded outputs, rules only: CPU a case over pytest's floor, and peak memory")
    for size, megabytes in sizes.items():
        with tempfile.TemporaryDirectory() as folder:
            write_project(Path(folder), size)
            pairs = [(_run(folder, "floor"), _run(folder, "gate")) for _ in range(ROUNDS.get(size, 1))]
        floor, gate = zip(*pairs, strict=True)
        floor_ms, gate_ms = (1000 * min(cpu for cpu, _ in runs) / size for runs in (floor, gate))
        peak = max(memory for _, memory in gate)
        print(
            f"  N = {size:>7,}  gate {gate_ms:.3f} ms a case, floor {floor_ms:.3f}, over {gate_ms - floor_ms:+.3f} "
            f"(bound {CASE_BOUND_MS})   peak {peak:.0f} MB (bound {megabytes}; floor {max(m for _, m in floor):.0f})"
        )
    return 0


def write_project(folder: Path, size: int) -> None:
    golden, outputs = folder / "golden.jsonl", folder / "outputs.jsonl"
    with golden.open("w", encoding="utf-8") as cases, outputs.open("w", encoding="utf-8") as answers:
        for index in range(size):
            text = f"The answer to question {index} is {index % 97}. " * 4
            case = {"id": f"case-{index:06}", "input": f"What is {index} modulo 97? " * 4, "expected": str(index % 97)}
            cases.write(json.dumps({**case, "tags": [f"group:{index % 20}"]}) + "\n")
            answers.write(json.dumps({"id": case["id"], "output": text if index % 10 else "no idea"}) + "\n")
    (folder / "evalgate.toml").write_text(
        '[suites.recorded]\ngolden = "golden.jsonl"\ntarget = { recorded = "outputs.jsonl" }\n'
        'scorers = ["contains"]\nslices = ["group"]\ngates = [{ kind = "pass-rate", min = 0.8 }]\n',
        encoding="utf-8",
    )
    (folder / "floor").mkdir()
    (folder / "floor" / "floor.py").write_text(projects.FLOOR, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")


def _run(folder: str, kind: str) -> tuple[float, float]:
    arguments = {"gate": ["-p", "pytest_evalgate", "--eval-gate"], "floor": ["-p", "floor"]}[kind]
    command = [sys.executable, "-c", MEASURE, "-q", "-p", "no:cacheprovider", *arguments, "golden.jsonl"]
    done = subprocess.run(
        command,
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        env=processes.environment(Path(folder, "floor")),
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("MEASURED ")), None)
    assert line is not None, done.stdout + done.stderr
    code, cpu, memory = json.loads(line.removeprefix("MEASURED "))
    assert code == 0, done.stdout[-2000:] + done.stderr
    return cpu, memory


if __name__ == "__main__":
    sys.exit(main())
