from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
STARTED = (sys.executable, "-m", "tests.support")


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[str]
    port: int

    def dial(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def get(self, path: str, method: str = "GET") -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - the same
            return json.loads(response.read())

    def status(self) -> int:
        with self.dial() as sock:
            sock.sendall(b"GET /x HTTP/1.1\r\nConnection: close\r\n\r\n")
            return int(b"".join(iter(lambda: sock.recv(4096), b"")).split(b" ")[1])


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[Running]:
    with subprocess.Popen(
        [*STARTED, *arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline()
        try:
            assert url.startswith("http://127.0.0.1:")
            assert url.endswith("/v1\n")
            yield Running(process, int(url.removesuffix("/v1\n").rpartition(":")[2]))
        finally:
            process.stdin.close()
            assert process.wait(timeout=60) == 0


def test_it_counts_serves_many_connections_and_ends_with_its_input() -> None:
    with started("--latency", "0.01") as running, contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(running.dial()) for _ in range(1000)]
        for sock in sockets:
            sock.sendall(b"GET /x HTTP/1.1\r\n\r\n")
        assert all(sock.recv(12) == b"HTTP/1.1 200" for sock in sockets)
        counts = running.get("/_stats")
        assert (counts["calls"], counts["refused"], counts["connections"]) == (1000, 0, 1001)
        assert counts["peak_in_flight"] >= 1
        zero = {"calls": 0, "refused": 0, "peak_in_flight": 0, "connections": 0, "first_at": None}
        assert running.get("/_reset", "POST") == zero


def test_more_than_the_capacity_is_refused() -> None:
    with started("--latency", "3600", "--capacity", "2") as running, contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(running.dial()).sendall(b"GET /x HTTP/1.1\r\n\r\n")
        while running.get("/_stats")["calls"] < 2:
            time.sleep(0.001)
        assert [running.status(), running.status()] == [429, 429]
        assert running.get("/_stats") | {"connections": 0, "first_at": None} == {
            "calls": 4,
            "refused": 2,
            "peak_in_flight": 2,
            "first_at": None,
            "connections": 0,
        }


def test_faster_calls_than_the_rate_are_refused() -> None:
    with started("--requests-per-second", "0.001", "--burst", "2") as running:
        assert [running.status() for _ in range(4)] == [200, 200, 429, 429]


def test_wrong_options_are_reported() -> None:
    done = subprocess.run([*STARTED, "--latency", "slow"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "invalid float value: 'slow'" in done.stderr
