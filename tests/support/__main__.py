"""``python -m tests.support``: the fault server in its own process, for benchmarks. Run it in the repository root.

It prints its base URL on the first line, echoes every message, and ends when its standard input is closed.
``GET /_stats`` returns its counts as JSON, ``POST /_reset`` sets them to zero.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING

from tests.support.behaviours import Behaviour
from tests.support.server import Limits, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until standard input is closed."""
    options = _parser().parse_args(arguments)
    limits = Limits(options.capacity, options.requests_per_second, options.burst)
    raise_open_file_limit()
    with ScriptedServer(limits, keeps_requests=False) as server:
        server.script(Behaviour.echo(latency_s=options.latency))
        print(server.base_url, flush=True)  # noqa: T201 - a command line tool prints
        sys.stdin.read()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.support", description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds before each response")
    parser.add_argument("--capacity", type=int, metavar="N", help="reject more than N requests in flight with 429")
    parser.add_argument("--requests-per-second", type=float, metavar="R", help="reject faster requests with 429")
    parser.add_argument("--burst", type=int, default=1, metavar="B", help="requests accepted at once after a pause")
    return parser


def raise_open_file_limit() -> None:
    """Raise the limit of open files to the maximum: the usual 1,024 are too few for the benchmarks' connections."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has neither the module nor the limit
        import resource  # noqa: PLC0415 - the same

        _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))


if __name__ == "__main__":
    main()
