"""The rule ``xml-valid``. The parser is expat of the standard library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final
from xml.parsers import expat

from pydantic import Field

from pytest_evalgate.scorers.fences import without_fence
from pytest_evalgate.scorers.text import Texts, format_list, text_of

if TYPE_CHECKING:
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Graded, Output

_MOST_CHARACTERS: Final = 1_000_000
"""Longest text that is parsed, which takes 20 ms."""

Paths = Annotated[Texts, Field(max_length=1_000)]


class _RefusedError(Exception):
    """A document that is well-formed and not accepted."""


def xml_valid(
    case: Case,  # noqa: ARG001 - every rule takes the case
    output: Output,
    /,
    *,
    elements: Paths | None = None,
) -> Graded:
    """Pass if the output is a well-formed XML document, also in a code fence.

    ``elements`` are the dotted paths of elements that it has to contain, from the root: ``"order.item"``. A document
    that declares entities, or uses one that is not predefined, is missed: entities can expand to any size and read
    files. The score is unknown (None) if the output is longer than 1,000,000 characters.
    """
    text = without_fence(text_of(output)).strip()
    if len(text) > _MOST_CHARACTERS:
        return None, f"the output has {len(text):,} characters, more than the {_MOST_CHARACTERS:,} that are parsed"
    missing = dict.fromkeys(tuple(path.split(".")) for path in elements or ())
    try:
        _parse(text, missing)
    except expat.ExpatError as error:
        message = expat.ErrorString(error.code)
        return 0.0, f"is not XML: line {error.lineno}, column {error.offset + 1}: {message}"
    except _RefusedError as error:
        return 0.0, str(error)
    if missing:
        return 0.0, f"lacks {format_list(['.'.join(path) for path in missing])}"
    return 1.0, "is XML"


def _parse(text: str, missing: dict[tuple[str, ...], None]) -> None:
    """Parse a document, and remove the paths of its elements from ``missing``."""
    deepest = max(map(len, missing), default=0)
    path: list[str] = []

    def start(name: str, _attributes: object) -> None:
        path.append(name)
        if len(path) <= deepest:
            missing.pop(tuple(path), None)

    def end(_name: str) -> None:
        path.pop()

    def refuse(name: str, *_others: object) -> None:
        raise _RefusedError(f'the entity "{name}" is not accepted: entities can expand to any size and read files')

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.EntityDeclHandler = refuse
    parser.SkippedEntityHandler = refuse
    parser.ExternalEntityRefHandler = lambda *_: 0
    parser.Parse(text, True)  # noqa: FBT003 - the last part of the document; the function takes no keywords
