"""Recorded cases in shards, each a process with the variables of a Kubernetes Indexed Job, over S3 of moto's server.

Prints CPU, wall and memory of the shards and of the merge. With --whole, also runs all cases in one process and
compares the verdicts. The shards share one checkout, and each has a state folder of its own, as in a pod.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import processes
from benchmarks.recorded_cases import write_project
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from benchmarks.processes import Used

MERGE_S, MERGE_MB = 60, 1000
TIMEOUT_S = 3 * 3600.0
BUCKET = "evals"
VOLATILE = ("run_id", "duration_s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--at-once", type=int, default=2, help="shards that run at the same time")
    parser.add_argument("--whole", action="store_true", help="compare with a run of all cases in one process")
    args = parser.parse_args()
    print(f"{args.cases:,} recorded cases in {args.shards} shards, {args.at_once} at a time; {processes.machine()}")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_project(root, args.cases)
        config = root / "evalgate.toml"
        config.write_text('store = "off"\nreport = { formats = ["markdown"] }\n' + config.read_text("utf-8"), "utf-8")
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            merged = distributed(root, args.shards, args.at_once, storage(f"http://{host}:{port}"))
        finally:
            server.stop()
        if not args.whole:
            return 0
        used = run_pytest(root, "whole", {}, code=0)
        print(f"  whole     {figures(used)}")
        same = merged == verdict(root / "whole")
        print(f"  the verdict of the merge {'equals' if same else 'DIFFERS FROM'} that of the whole run")
        return 0 if same else 1


def storage(address: str) -> dict[str, str]:
    """Return the variables of S3 at this address, with a bucket."""
    import boto3  # type: ignore[import-untyped]  # noqa: PLC0415 - moto brings it

    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name=keys["AWS_DEFAULT_REGION"],
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket=BUCKET)
    return {**keys, "AWS_ENDPOINT_URL": address}


def distributed(root: Path, shards: int, at_once: int, variables: dict[str, str]) -> Any:
    url = f"s3://{BUCKET}/runs/1/"
    job = {**variables, "EVALGATE_SHARD": "auto", "EVALGATE_SHARDS": str(shards), "EVALGATE_SHARDS_TO": url}

    def run_shard(index: int) -> Used:
        used = run_pytest(root, f"shard-{index}", {**job, "JOB_COMPLETION_INDEX": str(index)}, code=12)
        print(f"  shard {index + 1:>2}  {figures(used)}", flush=True)
        return used

    started = time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        found = list(pool.map(run_shard, range(shards)))
    cpu, peak = statistics.median(one.cpu_s for one in found), max(one.peak_mb for one in found)
    print(
        f"  all shards: {time.monotonic() - started:.0f} s wall; {cpu:.1f} s CPU each (median), {peak:.0f} MB at most"
    )
    command = "import sys; from pytest_evalgate.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["merge", url, "--expect-shards", str(shards), "--gate"]
    used = processes.run(
        [sys.executable, "-c", command, *arguments],
        root,
        timeout_s=TIMEOUT_S,
        variables={**variables, "EVALGATE_DIR": str(root / "merged")},
    )
    print(f"  merge     {figures(used)} (hold {MERGE_S} s, {MERGE_MB:,} MB)")
    return verdict(root / "merged")


def run_pytest(root: Path, state: str, variables: dict[str, str], *, code: int) -> Used:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_evalgate", "--eval-gate"]
    own = {**variables, "EVALGATE_DIR": str(root / state)}
    return processes.run(command, root, code=code, timeout_s=TIMEOUT_S, variables=own)


def verdict(state: Path) -> Any:
    """Return verdict.json without the fields that differ between runs."""
    value = json.loads((state / "verdict.json").read_text("utf-8"))
    return {name: item for name, item in value.items() if name not in VOLATILE}


def figures(used: Used) -> str:
    beside = f"{used.others:.1f} cores busy beside it"
    return f"{used.cpu_s:6.1f} s CPU, {used.wall_s:6.1f} s wall ({beside}), {used.peak_mb:,.0f} MB"


if __name__ == "__main__":
    sys.exit(main())
