"""Browser of the user, if there is one."""

from __future__ import annotations

import os
import sys


def open_address(address: str) -> None:
    """Open an address in a browser, or print it if there is none, as in a CI job or over ssh."""
    import webbrowser  # noqa: PLC0415 - only when a page is opened

    try:
        is_open = os.environ.get("CI") != "true" and webbrowser.open(address)
    except (webbrowser.Error, OSError):
        is_open = False
    if not is_open:
        print(f"pytest-evalgate: no browser found, open this page in one: {address}", file=sys.stderr)
