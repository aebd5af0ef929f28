"""``pytest-evalgate view``: pages and an HTTP API over the stored results, served, or pages written as files."""

from __future__ import annotations

import os
import secrets
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.project import Project
from pytest_evalgate.cli.page_opening import open_address
from pytest_evalgate.cli.printing import print_result
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse

TOKEN_VARIABLE: Final = "EVALGATE_VIEW_TOKEN"  # noqa: S105 - the name of a variable
DEFAULT_PORT: Final = 8420
_SHORTEST_TOKEN: Final = 16
_MOST_PORT: Final = 65_535


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("--port", type=int, default=DEFAULT_PORT, metavar="N", help=f"port; 0 is a free one ({DEFAULT_PORT})")
    option("--host", default="127.0.0.1", metavar="ADDRESS", help="address to bind (127.0.0.1)")
    option(
        "--token",
        action="store_true",
        help=f"ask for a token: that of ${TOKEN_VARIABLE}, else a random one; other hosts than loopback need it",
    )
    option("--no-open", action="store_true", help="do not open a browser")
    option("--static", type=Path, metavar="DIR", help="write the pages as files into this folder, and serve nothing")


def _run(args: argparse.Namespace) -> int:
    if args.static is not None:
        return _write(args)
    try:
        from pytest_evalgate.server import access as access_rules  # noqa: PLC0415 - the extra view
        from pytest_evalgate.server import serving  # noqa: PLC0415 - the same
    except ImportError as error:
        raise SettingsError(f"the page needs {error.name}: pip install 'pytest-evalgate[view]'") from None
    if not 0 <= args.port <= _MOST_PORT:
        raise SettingsError(f"--port {args.port}: give a number from 0 to {_MOST_PORT}")
    if not args.token and args.host.lower() not in access_rules.LOOPBACK:
        raise SettingsError(
            f"--host {args.host}: others could read the results: add --token, or leave it out to serve this machine"
        )
    project = Project.find()
    serving.prepare(project)
    token = _token() if args.token else None
    listening = serving.bound_socket(args.host, args.port)
    access = access_rules.Access(args.host, listening.getsockname()[1], token)
    server = serving.make_server(project, access, lambda line: print(line, file=sys.stderr))
    with listening, serving.ended_by_signals(server):
        value = {"url": access.url, "port": access.port}
        print_result(args, value, [access.url, "  read-only; Ctrl-C ends it"])
        sys.stdout.flush()
        if not args.no_open:
            # a browser of the terminal would keep the server from its work
            threading.Thread(target=open_address, args=(access.url,), name="evalgate-browser", daemon=True).start()
        serving.serve(server, listening)
    return 0


def _write(args: argparse.Namespace) -> int:
    from pytest_evalgate.server.static_pages import write_pages  # noqa: PLC0415 - scipy
    from pytest_evalgate.server.view_sources import ViewSources  # noqa: PLC0415 - the same

    with ViewSources.opened(Project.find()) as sources:
        written = write_pages(sources, args.static)
    index, size = written[0].as_posix(), sum(path.stat().st_size for path in written)
    lines = [f"wrote {count(len(written), 'file')}, {size / 1e6:.1f} MB: open {index}"]
    print_result(args, {"index": index, "files": len(written), "bytes": size}, lines)
    return 0


def _token() -> str:
    given = os.environ.get(TOKEN_VARIABLE, "").strip()
    if given and len(given) < _SHORTEST_TOKEN:
        raise SettingsError(
            f"{TOKEN_VARIABLE}: shorter than {_SHORTEST_TOKEN} characters: unset it for a random token"
        )
    return given or secrets.token_urlsafe(32)


VERB: Final = Verb(
    "Serve the stored results as pages and as an HTTP API, on this machine only; or write the pages as files.",
    "pytest-evalgate view --port 0 --no-open",
    _run,
    _add_arguments,
    json="print the address, or the file to open, as JSON",
)
