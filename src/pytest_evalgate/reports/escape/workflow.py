"""The commands that a GitHub runner reads from the log of a step."""

from __future__ import annotations

from pytest_evalgate.reports.escape.visible import visible

_IN_MESSAGES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTIES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def command(name: str, message: str, **properties: str | int) -> str:
    """Return a command as a line, for example ``::error file=golden.jsonl,line=3::missed``."""
    given = ",".join(f"{key}={_shown(str(value)).translate(_IN_PROPERTIES)}" for key, value in properties.items())
    return f"::{name}{' ' if given else ''}{given}::{_shown(message).translate(_IN_MESSAGES)}"


def _shown(text: str) -> str:
    return visible(text, kept="\r\n").replace("##[", "##\\[")
