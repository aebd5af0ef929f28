"""Own time of a command by function, all its threads together: ``python -m benchmarks.profiled -m pytest ...``.

cProfile makes everything slower, small functions most: read shares, not seconds. Waiting is left out. Child processes
are not seen. From Python 3.12 on, cProfile counts every thread in one profile, and the shares of a run with an engine
are rougher.
"""

from __future__ import annotations

import contextlib
import cProfile
import pstats
import runpy
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import processes

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN: Final = 12
HEAD: Final = "== own time by function"
WAITING: Final = (
    "'acquire' of '_thread",
    "'poll' of 'select",
    "'control' of 'select",
    "select.select",
    "time.sleep",
    "posix.wait",
    "_queue.SimpleQueue",
    "_run_until_interrupted",  # our loop's thread: uvloop waits, and works, inside of it
)


def again(arguments: Sequence[str], folder: Path, *, code: int = 0, timeout_s: float = 600.0) -> str:
    """Run ``python`` with these arguments once more in ``folder``, profiled; return the table that it prints."""
    command = [sys.executable, "-m", "benchmarks.profiled", *arguments]
    used = processes.run(command, folder, code=code, timeout_s=timeout_s)
    return used.output.rpartition(HEAD + "\n")[2].rstrip()


def main() -> None:
    """Run what follows as ``python`` would: ``-m MODULE``, ``-c CODE`` or ``FILE``, and its arguments."""
    profiles: list[cProfile.Profile] = []

    def begin(*_: object) -> None:
        profile = cProfile.Profile()
        profiles.append(profile)
        with contextlib.suppress(ValueError):  # Python 3.12 and later: the first profile sees all threads
            profile.enable()

    threading.setprofile(begin)
    begin()
    try:
        _run(sys.argv[1:])
    finally:
        threading.setprofile(None)
        for profile in profiles:
            profile.disable()
        print(f"\n{HEAD}\n{_table(profiles)}", flush=True)


def _run(arguments: Sequence[str]) -> None:
    if arguments[0] == "-m":
        sys.argv = list(arguments[1:])
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.argv = ["-c", *arguments[2:]]
        exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - as python -c does
    else:
        sys.argv = list(arguments)
        runpy.run_path(arguments[0], run_name="__main__")


def _table(profiles: Sequence[cProfile.Profile]) -> str:
    own: dict[str, float] = {}
    calls: dict[str, int] = {}
    for profile in profiles:
        profile.create_stats()
        if not profile.stats:
            continue
        for (file, line, function), (_, count, own_s, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
            if any(word in function for word in WAITING):
                continue
            name = function.strip("<>") if file == "~" else f"{_short(file)}:{line} {function}"
            own[name] = own.get(name, 0.0) + own_s
            calls[name] = calls.get(name, 0) + count
    whole = sum(own.values()) or 1.0
    top = sorted(own, key=own.__getitem__, reverse=True)[:SHOWN]
    return "\n".join(f"    {own[name] / whole:6.1%} {own[name]:7.3f} s {calls[name]:>9,} x  {name}" for name in top)


def _short(file: str) -> str:
    """Return the path below the package's parent."""
    parts = Path(file).parts
    for parent in ("site-packages", "src"):
        if parent in parts:
            return "/".join(parts[len(parts) - parts[::-1].index(parent) :])
    return "/".join(parts[-2:])


if __name__ == "__main__":
    main()
