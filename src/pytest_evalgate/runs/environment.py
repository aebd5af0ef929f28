"""Environment of a run: variables and distributions on which the outputs of an application depend."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_OWN: Final = "EVALGATE_"
_INSTALLED: Final = (".dist-info", ".egg-info", ".egg-link", ".pth")


def environment_sha256(environ: Mapping[str, str], declared: Iterable[str], path: Iterable[str] | None = None) -> str:
    """Return a digest of the declared variables, of all ``EVALGATE_*`` ones, and of the installed distributions.

    Args:
        environ: The environment.
        declared: Names of the variables that decide outputs (``target.env``). A missing one differs from an empty one.
        path: Folders with distributions; by default those of ``sys.path``.
    """
    own = (name for name in environ if name.startswith(_OWN))
    variables = {name: environ.get(name) for name in sorted({*declared, *own})}
    installed = sorted(_installed(sys.path if path is None else path))
    return jsonl.digest([variables, sys.version, installed])


def _installed(folders: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Yield name and time of the metadata of each distribution; an update replaces both (1 ms for 200)."""
    for folder in dict.fromkeys(folders):
        try:
            with os.scandir(folder or ".") as entries:
                for entry in entries:
                    if entry.name.endswith(_INSTALLED):
                        yield os.path.join(folder, entry.name), entry.stat().st_mtime_ns  # noqa: PTH118 - no Path each
        except OSError:  # nothing can be imported from an unreadable path
            continue
