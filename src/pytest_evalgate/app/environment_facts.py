"""Environment in which a release pack is written: Python, and the installed distributions with their digests.

The digest of a distribution is that of its files and their hashes in its RECORD, without what differs from machine to
machine: scripts, bytecode, and the notes of the installer.
"""

from __future__ import annotations

import csv
import hashlib
import platform
import re
from importlib.metadata import distributions
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_OF_INSTALLER: Final = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"})
_SEPARATORS: Final = re.compile(r"[-_.]+")


def environment() -> dict[str, Any]:
    """Return Python, and name, version and digest of each distribution; the digest is None without a RECORD."""
    found: dict[str, dict[str, str | None]] = {}
    for one in distributions():
        known = one.metadata  # parsed anew each time
        name = _SEPARATORS.sub("-", known["Name"] or "").lower()
        if name and name not in found:  # the first on the path is the one that is imported
            found[name] = {"name": name, "version": known["Version"], "sha256": _digest(one)}
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "distributions": [one for _, one in sorted(found.items())],
    }


def _digest(distribution: Distribution) -> str | None:
    text = distribution.read_text("RECORD")
    if text is None:
        return None
    rows = sorted(
        f"{row[0]},{row[1]}"
        for row in csv.reader(text.splitlines())
        if len(row) > 1 and row[1] and not row[0].startswith("..") and row[0].rpartition("/")[2] not in _OF_INSTALLER
    )
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
