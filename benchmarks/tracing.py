"""CPU time of a session with telemetry, beside the same session without: 1,000 cases with a call and a judge's each.

The calls go to a scripted server over loopback HTTP. With telemetry, spans and metrics go to a collector in this
process, which decodes nothing while it is measured. The bound is 3 % at 1,000 cases, for the share of a session that
telemetry takes: importing, exporting, and for each call its times and ids. It is measured within one process, so
that other work on the machine slows both sides alike. The difference of whole processes, off and on in turn and the
least of each, is printed beside it; on a busy machine it varies by several percent.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from benchmarks import processes, projects

BOUND = 0.03
BOUND_SIZE = 1_000
PATHS = ("/v1/traces", "/v1/metrics")
SESSION = """
import asyncio, json, sys, time
import pytest
import pytest_evalgate.engine.clients.connections, pytest_evalgate.plugin.session  # every session with calls has them
from pytest_evalgate.engine.traced import CallTracer
from pytest_evalgate.records.calls import Call, CallRecord, Reply
from pytest_evalgate.records.traces import RunTrace
from pytest_evalgate.runs import codec
spent = {"import": 0.0, "export": 0.0, "calls": 0.0}
start = time.process_time()
import pytest_evalgate.app.tracing as tracing
spent["import"] = time.process_time() - start
exported = tracing.export_decided
def timed(*args, **more):
    start = time.process_time()
    try:
        return exported(*args, **more)
    finally:
        spent["export"] += time.process_time() - start
tracing.export_decided = timed
code = pytest.main(["-q", "--eval-gate", "-p", "no:cacheprovider", "-p", "pytest_evalgate", "golden.jsonl"])
whole = time.process_time()
class Client:
    async def send(self, call):
        return Reply("x")
call, client = Call("chat", "e", "m", {}, label="s::case"), Client()
async def send(number, tracer):
    for _ in range(number):
        reply = await (client.send(call) if tracer is None else tracer.send(client, call))
        codec._encode_call(CallRecord("target", "m", 1, timing=reply.timing))
for tracer, sign in ((None, -1), (CallTracer(RunTrace.begin({})), 1)):
    start = time.process_time()
    asyncio.run(send(int(sys.argv[1]), tracer))
    spent["calls"] += sign * (time.process_time() - start)
print("\\nMEASURED " + json.dumps([int(code), spent, whole]))
"""


class Sink(BaseHTTPRequestHandler):
    """Reads each request and accepts it."""

    taken: list[tuple[str, int]]

    def do_POST(self) -> None:
        size = int(self.headers["content-length"])
        self.rfile.read(size)
        type(self).taken.append((self.path, size))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=BOUND_SIZE)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", default="openai,http")
    parser.add_argument("--second", choices=("judge", "none"), default="judge")
    chosen = parser.parse_args()
    print(
        f"tracing: {chosen.cases:,} cases, least of {chosen.rounds} rounds, off and on in turn; {processes.machine()}"
    )
    Sink.taken = []
    with HTTPServer(("127.0.0.1", 0), Sink) as sink, processes.judging_server(0.0) as server:
        thread = threading.Thread(target=sink.serve_forever, args=(0.05,))
        thread.start()
        try:
            held = [
                _compare(client, server, f"http://127.0.0.1:{sink.server_address[1]}", chosen)
                for client in chosen.clients.split(",")
            ]
        finally:
            sink.shutdown()
            thread.join()
    return 0 if all(held) else 1


def _compare(client: str, server: processes.Server, collector: str, chosen: argparse.Namespace) -> bool:
    asked = projects.Asked(server.base_url, client, 32, 1, judged=chosen.second == "judge").toml()
    tables = {"off": asked, "on": f'{asked}[telemetry]\notlp = "{collector}"\n'}
    used: dict[str, list[processes.Used]] = {"off": [], "on": []}
    Sink.taken.clear()
    with tempfile.TemporaryDirectory() as name:
        for number in range(chosen.rounds):
            for side, toml in tables.items():
                folder = projects.write(Path(name, f"{side}{number}"), chosen.cases, toml)
                used[side].append(processes.gate(folder, projects.GOLDEN))
    assert {path for path, _ in Sink.taken} == set(PATHS), Sink.taken
    off, on = (processes.least(used[side]) for side in ("off", "on"))
    over = on.cpu_s / off.cpu_s - 1
    sent = sum(size for _, size in Sink.taken) / len(used["on"])
    with tempfile.TemporaryDirectory() as name:
        calls = chosen.cases * (2 if chosen.second == "judge" else 1)
        folders = [
            projects.write(Path(name, str(number)), chosen.cases, tables["on"]) for number in range(chosen.rounds)
        ]
        shares = [_share(folder, calls) for folder in folders]
    share, parts = sorted(shares)[len(shares) // 2]
    held = chosen.cases != BOUND_SIZE or share <= BOUND
    judged = "ok" if held else "MISSED"
    print(f"  {client:>6}: {share:.2%} of a session's CPU time (median; bound {BOUND:.0%}) {judged}: {parts}")
    print(
        f"          {sent / 1e6:.2f} MB sent; whole processes: off {off.cpu_s:.3f} s, on {on.cpu_s:.3f} s, {over:+.2%}"
    )
    return held


def _share(folder: Path, calls: int) -> tuple[float, str]:
    """Return the share of telemetry in a session, and its parts in milliseconds."""
    done = processes.run([sys.executable, "-c", SESSION, str(calls)], folder)
    line = next(line for line in done.output.splitlines() if line.startswith("MEASURED "))
    code, spent, whole = json.loads(line.removeprefix("MEASURED "))
    assert code == 0, done.output
    parts = ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in spent.items())
    return sum(spent.values()) / whole, f"{parts} of {1000 * whole:.0f} ms"


if __name__ == "__main__":
    sys.exit(main())
