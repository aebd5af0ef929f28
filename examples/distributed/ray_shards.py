"""Shards as Ray tasks, then the merge: ``python ray_shards.py s3://evals/runs/1/ 4``. Exits with the verdict's code.

Ray sets no variable with the number of a task, so each task gets its shard in its environment. Every node needs the
checkout at the same path: a shared file system, or the working_dir of the runtime environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import ray

STORED = 12  # only the merge decides


@ray.remote(num_cpus=1)
def run_shard(index: int, shards: int, folder: str, project: str) -> tuple[int, str]:
    """Run one shard, and return its exit code and the end of its output."""
    with tempfile.TemporaryDirectory() as state:
        own = {"EVALGATE_SHARD": f"{index}/{shards}", "EVALGATE_SHARDS_TO": folder, "EVALGATE_DIR": state}
        command = [sys.executable, "-m", "pytest", "--eval-gate"]
        done = subprocess.run(
            command, cwd=project, env={**os.environ, **own}, capture_output=True, text=True, check=False
        )
    return done.returncode, done.stdout[-2000:] + done.stderr[-2000:]


def main(folder: str, shards: int) -> int:
    """Run all shards, and merge them if each is stored."""
    project = str(Path.cwd())
    found = ray.get([run_shard.remote(index, shards, folder, project) for index in range(1, shards + 1)])
    for index, (code, output) in enumerate(found, start=1):
        if code != STORED:
            print(f"shard {index} of {shards}: exit code {code}\n{output}", file=sys.stderr)
            return code or 1
    return subprocess.run(
        ["pytest-evalgate", "merge", folder, "--expect-shards", str(shards), "--gate"], check=False
    ).returncode


if __name__ == "__main__":
    ray.init()
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
