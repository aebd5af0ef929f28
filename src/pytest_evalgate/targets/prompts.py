"""Prompt templates: read from files that the configuration names, filled with the values of a case.

Templates are Jinja in its sandbox. They are as trusted as the configuration, which may name Python functions; the
values that they are filled with are data, and are never read as templates.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, Undefined, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.targets.request import text_of, variables_of
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.results import Case

MOST_CHARACTERS: Final = 1 << 20
"""Characters of a rendered prompt."""

_MOST_BYTES: Final = 256 << 10


class _PromptEnvironment(ImmutableSandboxedEnvironment):
    """Jinja for text that a model reads: values are JSON, not HTML and not Python's repr."""

    def __init__(self) -> None:
        """Load no other templates: there is no loader."""
        super().__init__(
            autoescape=False,  # a prompt is not HTML
            undefined=StrictUndefined,
            finalize=lambda value: value if isinstance(value, Undefined) else text_of(value),
        )
        self.filters["tojson"] = _json_text  # Jinja's own escapes <, >, & and ' for HTML

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Look up a key of a case before a method of its dict: ``person.items`` may be data."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template that was read and checked; ``name`` is what messages call its file."""

    name: str
    template: Template

    def render(self, case: Case) -> str:
        """Return the text for ``case``; what its values hold is text, whatever it looks like.

        Raises:
            SettingsError: a name is not defined, or the text cannot be made; names template, line and case.

        """
        variables = variables_of(case)
        try:
            return _capped(self.template.generate(variables))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong inside is said with its place
            told = f"{error}; there are {', '.join(variables)}" if isinstance(error, UndefinedError) else str(error)
            where = f"in case {jsonl.quote_text(case.id)} ({case.place})"
            raise SettingsError(
                f"{self.name}{_line(error, self.name)}: {jsonl.escape_text(told, 400)}; {where}"
            ) from None


def load_prompt(path: Path, *, name: str) -> Prompt:
    """Read the template at ``path``; messages call it ``name``.

    Raises:
        SettingsError: it cannot be read, or is not a prompt template; names file and line.

    """
    return parse_prompt(_read(path, name), name=name)


def parse_prompt(text: str, *, name: str) -> Prompt:
    """Make a prompt of a template's text.

    Raises:
        SettingsError: it is not a prompt template; names file and line.

    """
    environment = _PromptEnvironment()
    try:
        code = environment.compile(text, name, name)
    except TemplateSyntaxError as error:
        raise SettingsError(f"{name}:{error.lineno}: {error.message}") from None
    except (
        MemoryError,
        RecursionError,
        SyntaxError,
    ) as error:  # Python's own limits, met by the code that Jinja writes
        raise SettingsError(f"{name}: nested too deeply: {error or type(error).__name__}; make it flatter") from None
    return Prompt(name, Template.from_code(environment, code, environment.make_globals(None)))


def _capped(pieces: Iterable[str]) -> str:
    """Join the pieces of a text as they are rendered, so that a loop ends when the text is too long."""
    text, characters = [], 0
    for piece in pieces:
        characters += len(piece)
        if characters > MOST_CHARACTERS:
            raise ValueError(f"its text is longer than {MOST_CHARACTERS:,} characters")
        text.append(piece)
    return "".join(text)


def _json_text(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)


def _read(path: Path, name: str) -> str:
    try:
        if not path.is_file():  # reading a named pipe would wait for ever
            raise SettingsError(f"{name}: there is no such file; write the template, or name another file")
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{name}: not UTF-8: byte at offset {error.start} of the file; save as UTF-8") from None
    if len(raw) > _MOST_BYTES:
        raise SettingsError(f"{name}: larger than {_MOST_BYTES:,} bytes; put the bulk into the cases")
    return text


def _line(error: Exception, name: str) -> str:
    """Return ":line" of the template where ``error`` arose; Jinja puts it into the traceback as a frame of its own."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    return f":{lines[-1]}" if lines else ""
