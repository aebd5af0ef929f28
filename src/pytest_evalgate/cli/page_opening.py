"""Opening of a page in the user's browser."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def open_page(path: Path) -> None:
    """Open a file in a browser; as `open_address`."""
    open_address(path.resolve().as_uri())


def open_address(address: str) -> None:
    """Open an address in a browser, or print it if there is none, as in a CI job or over ssh."""
    import webbrowser  # noqa: PLC0415 - only to open a page

    try:
        is_open = os.environ.get("CI") != "true" and webbrowser.open(address)
    except (webbrowser.Error, OSError):
        is_open = False
    if not is_open:
        print(f"pytest-evalgate: no browser found, open this page in one: {address}", file=sys.stderr)
