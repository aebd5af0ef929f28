"""``python -m pytest_evalgate.testing``: the scripted server as a process of its own, for benchmarks.

Prints its base URL on the first line, echoes what it is asked, and ends when its input does. ``GET /_stats`` returns
its counts as JSON, ``POST /_reset`` sets them to zero.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING

from pytest_evalgate.testing.behaviours import Behaviour
from pytest_evalgate.testing.limits import Limits
from pytest_evalgate.testing.server import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until the input ends."""
    chosen = _parser().parse_args(arguments)
    limits = Limits(chosen.capacity, chosen.requests_per_second, chosen.burst)
    allow_many_connections()
    with ScriptedServer(limits, keeps_requests=False) as server:
        server.script(Behaviour.echo(latency_s=chosen.latency))
        print(server.base_url, flush=True)  # noqa: T201 - a command line tool prints
        sys.stdin.read()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pytest_evalgate.testing", description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds until each answer")
    parser.add_argument("--capacity", type=int, metavar="N", help="refuse more than N requests in flight with 429")
    parser.add_argument("--requests-per-second", type=float, metavar="R", help="refuse faster requests with 429")
    parser.add_argument(
        "--burst", type=int, default=1, metavar="B", help="requests that may come at once after a pause"
    )
    return parser


def allow_many_connections() -> None:
    """Ask the system for as many open files as it allows: the usual 1,024 are fewer than the connections."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # no such module on Windows, nor such a limit
        import resource  # noqa: PLC0415 - the same

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
