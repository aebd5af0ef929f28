"""Prompt templates: files that the configuration names, rendered with the values of a case by Jinja.

Templates are as trusted as the configuration, which may name Python functions. Values of a case are data and are never
parsed as templates; Jinja's sandbox (https://jinja.palletsprojects.com/en/stable/sandbox/) is a second defence.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, Undefined, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.targets.request import text_of, variables_of
from pytest_evalgate.text import foreign, jsonl

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.cases import Case, Json

MOST_CHARACTERS: Final = 1 << 20
"""Largest number of characters of a rendered prompt."""

_MOST_BYTES: Final = 256 << 10


def load_prompt(path: Path, *, name: str) -> Prompt:
    """Load the template at ``path``, which messages call ``name``.

    Raises:
        SettingsError: The file cannot be read, or is not a template.
    """
    return parse_prompt(_read(path, name), name=name)


def _read(path: Path, name: str) -> str:
    try:
        if not path.is_file():  # reading a named pipe could block for ever
            raise SettingsError(f"{name}: there is no such file; create it, or name another template")
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if (message := foreign.name_foreign(raw, free_text=True)) is not None:  # it would be sent as the prompt
            raise SettingsError(f"{name}: {message}")
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{name}: not UTF-8: byte at offset {error.start} of the file; save as UTF-8") from None
    if len(raw) > _MOST_BYTES:
        raise SettingsError(f"{name}: larger than {_MOST_BYTES:,} bytes; move its data into the cases")
    return text


def load_messages(path: Path, *, name: str) -> ChatPrompt:
    """Load the list of messages at ``path``, a JSON file whose texts are templates.

    Raises:
        SettingsError: The file cannot be read, is not a list of messages, or has a malformed template.
    """
    text = _read(path, name)
    try:
        messages = jsonl.loads(text)
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from None
    if not isinstance(messages, list) or not messages or not all(_is_message(message) for message in messages):
        raise SettingsError(
            f'{name}: not a list of messages: write [{{"role": "user", "content": "{{{{ input }}}}"}}], or a template '
            "in a file with another ending, such as .md"
        )
    return ChatPrompt(name, _compiled(messages, name))


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str)


def _compiled(value: Any, name: str) -> Any:
    """Return ``value`` with a template in place of each text that has braces."""
    if isinstance(value, str):
        return parse_prompt(value, name=name) if "{" in value else value
    if isinstance(value, dict):
        return {key: _compiled(member, name) for key, member in value.items()}
    return [_compiled(member, name) for member in value] if isinstance(value, list) else value


def parse_prompt(text: str, *, name: str) -> Prompt:
    """Compile the text of a template; raise SettingsError with file and line if it is malformed."""
    environment = _PromptEnvironment()
    try:
        code = environment.compile(text, name, name)
    except TemplateSyntaxError as error:
        raise SettingsError(f"{name}:{error.lineno}: {error.message}") from None
    except (MemoryError, RecursionError, SyntaxError) as error:  # limits of Python on the code that Jinja generates
        raise SettingsError(f"{name}: nested too deeply: {error or type(error).__name__}; use fewer levels") from None
    return Prompt(name, Template.from_code(environment, code, environment.make_globals(None)))


@dataclass(frozen=True, slots=True)
class Prompt:
    """A compiled template; ``name`` is its file in messages."""

    name: str
    template: Template

    def render(self, case: Case) -> str:
        """Render the template for ``case``.

        Raises:
            SettingsError: A name is not defined, or rendering failed; the message names template, line and case.
        """
        variables = variables_of(case)
        try:
            return _capped(self.template.generate(variables))
        except Exception as error:  # noqa: BLE001 - reported with template and line
            known = f"; defined are {', '.join(variables)}" if isinstance(error, UndefinedError) else ""
            reason = jsonl.escape_text(f"{error}{known}", 400)
            raise SettingsError(
                f"{self.name}{_line(error, self.name)}: {reason}; in case {jsonl.quote_text(case.id)} ({case.place})"
            ) from None

    def messages(self, case: Case) -> list[dict[str, Json]]:
        """Return the message of the user."""
        return [{"role": "user", "content": self.render(case)}]


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """A list of messages whose texts are templates; ``name`` is its file in messages."""

    name: str
    content: Any

    def messages(self, case: Case) -> list[dict[str, Json]]:
        """Render all texts for ``case``; raise SettingsError as `Prompt.render` does."""
        rendered: list[dict[str, Json]] = _rendered(self.content, case)
        return rendered


def _rendered(content: Any, case: Case) -> Any:
    if isinstance(content, Prompt):
        return content.render(case)
    if isinstance(content, dict):
        return {key: _rendered(member, case) for key, member in content.items()}
    return [_rendered(member, case) for member in content] if isinstance(content, list) else content


def _capped(pieces: Iterable[str]) -> str:
    """Join the pieces while they are rendered, so that an endless loop stops at the limit."""
    text, characters = [], 0
    for piece in pieces:
        characters += len(piece)
        if characters > MOST_CHARACTERS:
            raise ValueError(f"the rendered prompt is longer than {MOST_CHARACTERS:,} characters")
        text.append(piece)
    return "".join(text)


def _line(error: Exception, name: str) -> str:
    """Return ":line" of ``error`` in the template; Jinja adds a frame for each template line to the traceback."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    return f":{lines[-1]}" if lines else ""


class _PromptEnvironment(ImmutableSandboxedEnvironment):
    """Jinja environment for text that a model reads: values are written as JSON, not as HTML or Python's repr."""

    def __init__(self) -> None:
        """Create the environment without a loader, so that a template cannot include other files."""
        super().__init__(
            autoescape=False,  # prompts are not HTML
            undefined=StrictUndefined,
            finalize=lambda value: value if isinstance(value, Undefined) else text_of(value),
        )
        self.filters["tojson"] = _json_text  # Jinja's own filter escapes <, >, & and ' for HTML

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Prefer a key of a case to a method of its dict: ``person.items`` may be data."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


def _json_text(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
