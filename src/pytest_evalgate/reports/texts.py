"""What a report may show of a case: JSON values as text, cut, shortened or left out as the configuration says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_evalgate.data import Json
    from pytest_evalgate.settings import Report

LONGEST: Final = 20_000
"""Characters of one field; the whole of it stands in the run file."""

_EXCERPT: Final = 200
_LEFT_OUT: Final = "(left out)"


@dataclass(frozen=True, slots=True)
class Texts:
    """How values become texts: see ``settings.Report`` for the two keys."""

    content: str = "full"
    redact: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def by(cls, settings: Report) -> Texts:
        """Make texts as configured."""
        return cls(settings.content, tuple(tuple(path.split(".")) for path in settings.redact))

    def of(self, field: str, value: Json) -> str:
        """Return the text of a value; ``field`` is ``input``, ``expected`` or ``output``."""
        if value is None:
            return ""
        for path in self.redact:
            if path[0] == field:
                value = _without(value, path[1:])
        return self.plain(_text(value))

    def reason(self, text: str) -> str:
        """Return why a case was missed; nothing where fields are taken out: it may repeat them in its own words."""
        return self.plain(text) if not self.redact or not text else _LEFT_OUT

    def plain(self, text: str) -> str:
        """Return a text as far as it may be shown."""
        if self.content == "full" and len(text) <= LONGEST:  # nearly every text, of which there are many
            return text
        if self.content == "none":
            return _LEFT_OUT if text else ""
        return cut(text, _EXCERPT if self.content == "excerpt" else LONGEST)


SHOWN: Final = Texts()
"""Everything is shown."""


def cut(text: str, longest: int) -> str:
    """Return ``text``, or its beginning and how long the whole is."""
    return text if len(text) <= longest else f"{text[:longest]} ... ({len(text):,} characters)"


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(one, dict) and "role" in one for one in value):
        return "\n".join(f"{one['role']}: {_text(one.get('content'))}" for one in value)
    return json.dumps(value, ensure_ascii=False, indent=1)


def _without(value: Json, path: tuple[str, ...]) -> Json:
    """Return ``value`` with what stands at ``path`` replaced by three stars; members of lists are all looked at."""
    if isinstance(value, list):
        return [_without(one, path) for one in value]
    if not isinstance(value, dict) or path[0] not in value:
        return value
    inner = "***" if len(path) == 1 else _without(value[path[0]], path[1:])
    return {**value, path[0]: inner}
