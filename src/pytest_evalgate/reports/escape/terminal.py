"""The terminal, and the log of a job: a runner takes ``::name::`` at the start of a line and ``##[name]`` anywhere."""

from __future__ import annotations

import re
from typing import Final

from pytest_evalgate.reports.escape.visible import folded

_COMMAND: Final = re.compile(r"^(\s*)::")


def one_line(text: str) -> str:
    """Return ``text`` as one line that neither a terminal nor a GitHub runner can act on."""
    line = folded(text).replace("##[", "##\\[")
    return _COMMAND.sub(r"\1\\::", line)
