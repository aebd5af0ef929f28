"""Templates of Nunjucks, translated to Jinja where both render the same text.

Both engines share most of their syntax. The operators and literals of JavaScript are rewritten; filters, tags and
methods without an equivalent are problems: a prompt must not change because a part of it was dropped.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from jinja2 import ChainableUndefined, TemplateError, Undefined, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.dialects import javascript
from pytest_evalgate.golden.dialects.translate import TranslationError
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_SEGMENT: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_QUOTED: Final = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", re.DOTALL)
_REWRITES: Final = (
    (re.compile(r"==="), "=="),
    (re.compile(r"!=="), "!="),
    (re.compile(r"\belseif\b"), "elif"),
    (re.compile(r"(?<![.\w])(?:null|undefined)\b"), "none"),
    (re.compile(r"\|\s*dump\b"), "| tojson"),
    (re.compile(r"((?<![.\w])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[[^\[\]]*\])*)\.length\b"), r"(\1 | length)"),
)
_RAW: Final = re.compile(r"\{%-?\s*(?:raw|verbatim)\b")
FILTERS: Final = frozenset(
    (
        *("abs", "capitalize", "center", "d", "default", "dictsort", "e", "escape", "first", "indent", "int", "join"),
        *("last", "length", "list", "lower", "reject", "replace", "reverse", "safe", "select", "sort", "string"),
        *("sum", "title", "tojson", "trim", "upper", "wordcount"),
    )
)
"""Filters that both engines have, with the same result."""

_CALLED: Final = frozenset({"range", "cycler", "joiner"})
_TAGS: Final = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
    nodes.Block: "block",
}
MOST_CHARACTERS: Final = 1 << 20


class NunjucksError(ValueError):
    """A template without an equivalent; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Translated:
    """A template of Jinja, and the names of the variables that it reads."""

    text: str
    names: frozenset[str]


def is_template(text: str) -> bool:
    """Return whether a text has parts that a template engine replaces."""
    return _SEGMENT.search(text) is not None


def translate(text: str, env: Mapping[str, Any]) -> Translated:
    """Translate a template; ``env`` contains the values of ``{{ env.NAME }}`` that the configuration sets.

    Raises:
        NunjucksError: It has no equivalent.
    """
    if not is_template(text):
        return Translated(text, frozenset())
    if _RAW.search(text):
        made = text.replace("verbatim", "raw")
    else:
        made = _SEGMENT.sub(lambda found: _rewritten(found[0], env), text)
    environment = _Environment()
    try:
        tree = environment.parse(made)
    except TemplateError as error:
        raise NunjucksError(f"not a template of Jinja: {error.message}") from None
    except RecursionError:
        raise NunjucksError("nested too deeply") from None
    if problem := next(_problems(tree), None):
        raise NunjucksError(problem)
    names = frozenset(meta.find_undeclared_variables(tree)) - _CALLED
    if "env" in names:
        raise NunjucksError("reads an environment variable: write the value, or make it a variable of the cases")
    return Translated(made, names)


_ENV: Final = re.compile(r"""(?<![.\w])env(?:\.([A-Za-z_]\w*)|\[\s*["']([A-Za-z_]\w*)["']\s*\])""")


def _rewritten(segment: str, env: Mapping[str, Any]) -> str:
    if segment.startswith("{#"):
        return segment

    def value_of(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        return json.dumps(str(env[name])) if name in env else found[0]

    segment = _ENV.sub(value_of, segment)
    parts = _QUOTED.split(segment)
    for index in range(0, len(parts), 2):
        for pattern, replacement in _REWRITES:
            parts[index] = pattern.sub(replacement, parts[index])
    return "".join(parts)


def _problems(tree: nodes.Template) -> Iterator[str]:
    for kind, tag in _TAGS.items():
        if next(iter(tree.find_all(kind)), None) is not None:
            yield f'has the tag "{tag}", which reads another template: write it out'
    for one in tree.find_all(nodes.Filter):
        if one.name not in FILTERS:
            yield f'has the filter "{one.name}", which has no equivalent'
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Getattr):
            yield f'calls the method "{call.node.attr}" of JavaScript'
        elif not (isinstance(call.node, nodes.Name) and call.node.name in {*_CALLED, *_macros(tree), "caller"}):
            yield "calls a function"


def _macros(tree: nodes.Template) -> Iterator[str]:
    return (macro.name for macro in tree.find_all(nodes.Macro))


def render(text: str, variables: Mapping[str, Any], env: Mapping[str, Any]) -> str:
    """Render a template with the variables of a test, as promptfoo does: an unknown variable is empty.

    Raises:
        NunjucksError: It has no equivalent, or cannot be rendered.
    """
    if not is_template(text):
        return text
    made = translate(text, env).text
    try:
        return _joined(_Environment().from_string(made).generate(dict(variables)))
    except NunjucksError:
        raise
    except Exception as error:  # the template is the user's  # noqa: BLE001
        raise NunjucksError(f"cannot be rendered: {jsonl.escape_text(str(error), 200)}") from None


def _joined(pieces: Iterable[str]) -> str:
    """Join the pieces while they are rendered, so that an endless loop stops at the limit."""
    text: list[str] = []
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > MOST_CHARACTERS:
            raise NunjucksError(f"the rendered text is longer than {MOST_CHARACTERS:,} characters")
        text.append(piece)
    return "".join(text)


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja environment that writes values as Nunjucks does in promptfoo: objects as JSON, numbers as JavaScript."""

    def __init__(self) -> None:
        super().__init__(
            autoescape=False,  # prompts are not HTML
            undefined=ChainableUndefined,
            finalize=_written,
            keep_trailing_newline=True,
        )
        self.filters["tojson"] = _json_text

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Prefer a key of an object to a method of its dict."""
        return obj[attribute] if isinstance(obj, dict) and attribute in obj else super().getattr(obj, attribute)


def _written(value: Any) -> Any:
    if isinstance(value, Undefined) or value is None:
        return ""
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return ",".join(_written(one) for one in value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return javascript.write(value)
    except TranslationError as error:
        raise NunjucksError(str(error)) from None


def _json_text(value: Any, indent: int | None = None) -> str:
    separators = (",", ": ") if indent else (",", ":")
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent or None, separators=separators)
