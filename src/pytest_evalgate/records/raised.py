"""Traceback of an exception of the application under test, and the last place of it in the user's own code."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import CodeExit
from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable
    from traceback import FrameSummary, TracebackException

_HEAD: Final = 1_200
_TAIL: Final = 2_800
"""Characters of a long traceback that are kept: a run in which every case fails stores one per case."""

_FRAMES: Final = 50
"""Last frames that are read: reading all 1,000 of an endless recursion takes 10 ms a case."""

_CHAINED: Final = 8
"""Exceptions in a chain whose own frames of this package are left out."""


@dataclass(frozen=True, slots=True)
class Raised:
    """Where an exception was raised.

    ``place`` is the last frame in the user's own code, ``bot.py:12 in answer``; "" if there is none. ``traceback`` has
    at most about 4,000 characters.
    """

    place: str
    traceback: str = ""


def raised_by(error: BaseException) -> Raised | None:
    """Describe where an exception was raised; None if that is unknown. Raises nothing."""
    import traceback  # noqa: PLC0415 - only for exceptions

    if isinstance(error, CodeExit):
        error = error.error
    try:
        found = traceback.TracebackException.from_exception(error, limit=-_FRAMES, compact=True)
        _drop_own_frames(found)
        frames = list(found.stack)
        return Raised(_place(frames), _bounded("".join(found.format()))) if frames else None
    except Exception:  # noqa: BLE001 - the exception is the user's, and may raise anything while it is formatted
        return None


def _drop_own_frames(found: TracebackException | None) -> None:
    """Drop the first frames of each exception of a chain: those before the first frame of the user's code.

    These are frames of this package, of asyncio, and of pytest. Without a frame of the user, installed packages stay.
    """
    for _ in range(_CHAINED):
        if found is None:
            return
        others = [(at, frame.filename) for at, frame in enumerate(found.stack) if not _is_machinery(frame.filename)]
        users = (at for at, file in others if not _is_installed(file))
        first = next(users, others[0][0] if others else 0)
        del found.stack[:first]
        found = found.__cause__ or found.__context__


def _place(frames: Iterable[FrameSummary]) -> str:
    """Return the last frame outside of installed packages, or else outside of the standard library."""
    ordered = [frame for frame in reversed([*frames]) if not frame.filename.startswith("<")]
    users = (frame for frame in ordered if not _is_machinery(frame.filename) and not _is_installed(frame.filename))
    installed = (frame for frame in ordered if not _is_machinery(frame.filename))
    frame = next(users, None) or next(installed, None)
    return "" if frame is None else f"{_relative(frame.filename)}:{frame.lineno} in {frame.name}"


def _is_machinery(file: str) -> bool:
    """Return whether a file belongs to this package or to the standard library, and not to an installed package."""
    own, standard, _ = _folders()
    return file.startswith(own) or (file.startswith(standard) and not _is_installed(file))


def _is_installed(file: str) -> bool:
    return file.startswith(_folders()[2])


@cache
def _folders() -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the folders of this package, of the standard library, and of installed packages."""
    import sysconfig  # noqa: PLC0415 - only for exceptions

    paths = sysconfig.get_paths()
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - text, as in frames
    standard = tuple(f"{paths[name]}{os.sep}" for name in ("stdlib", "platstdlib"))
    installed = tuple(f"{path}{os.sep}" for path in {paths["purelib"], paths["platlib"], *_site_folders()})
    return (f"{package}{os.sep}",), standard, installed


def _site_folders() -> Iterable[str]:
    return (path for path in sys.path if path.rstrip(os.sep).endswith(("site-packages", "dist-packages")))


def _relative(file: str) -> str:
    """Return a path relative to the working folder if it is below it."""
    here = os.getcwd() + os.sep  # noqa: PTH109 - text, as in frames
    return file.removeprefix(here).replace(os.sep, "/")


def _bounded(text: str) -> str:
    text = text.rstrip("\n")
    left = len(text) - _HEAD - _TAIL
    return text if left <= 0 else f"{text[:_HEAD]}\n... ({left:,} characters left out)\n{text[-_TAIL:]}"
