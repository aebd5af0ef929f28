"""What ``pytest-evalgate init`` prints: what became of each file, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.cli.init.parts import Part
    from pytest_evalgate.cli.init.placing import Outcome, Placed
    from pytest_evalgate.data import Json

_NOTES: Final[Mapping[Outcome, str]] = {
    "kept": "it holds something else; --force replaces it",
    "by hand": "yours stays as it is; what follows goes into it",
}
_OUTCOME = 9


def render(placed: Sequence[Placed], parts: Sequence[Part]) -> Iterator[str]:
    """Render what became of the files, what goes into others by hand, and the next steps."""
    for one in placed:
        note = _NOTES.get(one.outcome)
        yield f"{one.outcome:<{_OUTCOME}}  {one.template.path}" + (f": {note}" if note else "")
    for one in placed:
        if one.outcome == "by hand":
            yield from ("", one.template.data.decode().rstrip("\n"))
    yield from ("", "next:")
    for part in parts:
        width = max(len(command) for command, _ in part.steps)
        yield from (f"  {command:<{width}}  # {about}" for command, about in part.steps)


def encode(placed: Sequence[Placed], parts: Sequence[Part]) -> Json:
    """Return the same as JSON; ``text`` is what goes into a file by hand, else null."""
    return {
        "files": [
            {
                "path": one.template.path,
                "outcome": one.outcome,
                "text": one.template.data.decode() if one.outcome == "by hand" else None,
            }
            for one in placed
        ],
        "next": [{"command": command, "about": about} for part in parts for command, about in part.steps],
    }
