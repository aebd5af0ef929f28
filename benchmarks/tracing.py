"""CPU time of a session with telemetry, beside the same session without: 1,000 cases with a call and a judge's each.

The calls go to a scripted server over loopback HTTP. With telemetry, spans and metrics go to a collector in this
process, which decodes nothing while it is measured. Both sides run in turn; of the rounds the least of each is taken.
The bound is 3 % at 1,000 cases.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from benchmarks import processes, projects

BOUND = 0.03
BOUND_SIZE = 1_000
PATHS = ("/v1/traces", "/v1/metrics")


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
    sent = sum(size for _, size in Sink.taken) / chosen.rounds
    held = chosen.cases != BOUND_SIZE or over <= BOUND
    print(
        f"  {client:>6}: off {off.cpu_s:.3f} s CPU, on {on.cpu_s:.3f} s, {1000 * (on.cpu_s - off.cpu_s):+.0f} ms, "
        f"{over:+.2%} (bound {BOUND:.0%}) {'ok' if held else 'MISSED'}; {sent / 1e6:.2f} MB sent a run"
    )
    return held


if __name__ == "__main__":
    sys.exit(main())
