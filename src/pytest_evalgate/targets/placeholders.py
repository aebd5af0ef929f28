"""``{{ dotted.path }}`` in the strings of a request: values are put in, and nothing is ever evaluated."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from pytest_evalgate.targets.variables import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_evalgate.data import Json

_PLACEHOLDER: Final = re.compile(r"\{\{ *([\w-]+(?:\.[\w-]+)*) *\}\}")
_WHOLE: Final = re.compile(rf"\A{_PLACEHOLDER.pattern}\Z")
_DOTS: Final = frozenset({".", ".."})


class PathError(Exception):
    """A dotted path leads nowhere; the message says where it ends and what is there."""


def look_up(value: Json, path: str) -> Json:
    """Follow a dotted path; the parts are keys, and numbers are indexes of lists.

    Raises:
        PathError: it leads nowhere.

    """
    done: list[str] = []
    for part in path.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (IndexError, KeyError, TypeError, ValueError):
            raise PathError(f"there is no {path}: {'.'.join(done) or 'the whole'} {_described(value)}") from None
        done.append(part)
    return value


def fill(template: Json, variables: Mapping[str, Json]) -> Json:
    """Return ``template`` with values in the place of its placeholders, in strings at any depth.

    A string that is a placeholder and nothing else becomes the value, with its type; inside of a longer string,
    what is not text becomes JSON text. Keys stay as they are.

    Raises:
        PathError: a placeholder leads nowhere.

    """
    if isinstance(template, str):
        whole = _WHOLE.match(template)
        return look_up(variables, whole[1]) if whole else _filled(template, variables, text_of)
    if isinstance(template, dict):
        return {key: fill(member, variables) for key, member in template.items()}
    if isinstance(template, list | tuple):
        return [fill(member, variables) for member in template]
    return template


def fill_url(template: str, variables: Mapping[str, Json]) -> str:
    """Return the URL with values percent-encoded, so that each stays inside its part of path or query.

    Raises:
        PathError: a placeholder leads nowhere, or a value would make the path climb: ``.`` or ``..``.

    """
    url = _filled(template, variables, lambda value: quote(text_of(value), safe=""))
    path = url.partition("://")[2].partition("?")[0]
    if _DOTS.intersection(path.split("/")):
        raise PathError(f"{url} would lead to another path: a value in it is . or ..")
    return url


def faults(template: Json) -> Iterator[str]:
    """Yield what is written in double braces in ``template`` and is no dotted path."""
    for text in _strings(template):
        rest = _PLACEHOLDER.sub("", text)
        if "{{" in rest or "}}" in rest:
            yield text


def has_placeholder(template: Json) -> bool:
    """Tell whether the values of a case make any difference to ``template``."""
    return any(_PLACEHOLDER.search(text) for text in _strings(template))


def _filled(template: str, variables: Mapping[str, Json], write: Callable[[Json], str]) -> str:
    return _PLACEHOLDER.sub(lambda found: write(look_up(variables, found[1])), template)


def _strings(template: Json) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, dict | list | tuple):
        for member in template.values() if isinstance(template, dict) else template:
            yield from _strings(member)


def _described(value: Json) -> str:
    if isinstance(value, dict):
        return f"has {', '.join(map(str, value)) or 'no keys'}"
    if isinstance(value, list):
        return f"is a list of {len(value)}"
    kind = "text" if isinstance(value, str) else "null" if value is None else type(value).__name__
    return f"is {kind}"
