"""A PostgreSQL server of this machine's own package, in a temporary folder, on a socket."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
"""Folders of the programs, as Debian installs them (apt-get install postgresql); the newest is last."""


def _run(*command: str | Path) -> None:
    """Run a program of PostgreSQL, which refuses to run as root."""
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    # its output is not awaited: the server, which pg_ctl leaves behind, would keep a pipe open
    subprocess.run([*user, *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd="/")


@contextmanager
def postgres_running() -> Iterator[str]:
    """Start a server; yield its address with ``{}`` for the name of a database."""
    folder = Path(tempfile.mkdtemp(prefix="evalgate-pg."))  # short: it contains a socket
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    settings = f"-k {folder} -c listen_addresses='' -c fsync=off -c full_page_writes=off"
    try:
        _run(BINARIES[-1] / "initdb", "-D", data, "-A", "trust", "-U", "evalgate", "--no-sync")
        _run(BINARIES[-1] / "pg_ctl", "-D", data, "-o", settings, "-l", folder / "log", "-w", "start")
        try:
            yield f"postgresql://evalgate@/{{}}?host={folder}"
        finally:
            _run(BINARIES[-1] / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
