"""Waits that end by their bound instead of by their wake-up: each is reported to the logger ``pytest_evalgate.waits``.

docs/contributing-map.md lists all waits. In a healthy run none expires, also on a machine that is busy.
"""

from __future__ import annotations

import logging
from typing import Final

_LOG: Final = logging.getLogger("pytest_evalgate.waits")


def report_expired(wait: str, bound_s: float) -> None:
    """Log that ``wait`` was ended by its bound."""
    _LOG.info("%s took longer than %g s", wait, bound_s)
