"""What a rule compares: the text of an output, the values that are wanted, and when two JSON values are the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from pytest_evalgate.data import Case, Json, Output
from pytest_evalgate.errors import ScorerError
from pytest_evalgate.jsonl import canonical, quoted, visible

if TYPE_CHECKING:
    from collections.abc import Iterable

Text = Annotated[str, Field(min_length=1)]
"""A text that is looked for: an empty one would be found in every output."""

Texts = Annotated[Sequence[Text], Field(min_length=1)]
Values = Annotated[Sequence[Json], Field(min_length=1)]

_NAMED: Final = 3  # how many values a reason names; the rest is counted


def text_of(output: Output) -> str:
    """Return the output as text: itself where it is one, else its JSON with sorted keys."""
    if isinstance(output.value, str):
        return output.value
    # canonical() escapes all but ASCII, and a rule that looks for "é" has to find it
    return json.dumps(json.loads(canonical(output.value)), ensure_ascii=False, separators=(",", ":"))


def any_wanted(case: Case, given: Json = None) -> tuple[Json, ...]:
    """Return the values of which one has to match: ``given``, else ``expected_any``, else ``expected``.

    Raises:
        ScorerError: there is none.

    """
    if given is not None:
        return (given,)
    if case.expected_any:
        return case.expected_any
    if case.expected is None:
        raise ScorerError('nothing to compare with: add "expected" to the case, or "value" to the scorer')
    return (case.expected,)


def all_wanted(case: Case, given: Sequence[Json] | None = None) -> tuple[Json, ...]:
    """Return the list of values: ``given``, else ``expected_any``, else ``expected``, which may be a list.

    Raises:
        ScorerError: there is none.

    """
    if given is not None:
        return tuple(given)
    if not case.expected_any and isinstance(case.expected, list | tuple):
        if not case.expected:
            raise ScorerError('nothing to compare with: "expected" is an empty list; fill it')
        return tuple(case.expected)
    return any_wanted(case)


def as_texts(values: Iterable[Json]) -> tuple[str, ...]:
    """Return each value as text.

    Raises:
        ScorerError: one of them is empty.

    """
    texts = tuple(value if isinstance(value, str) else text_of(Output(value)) for value in values)
    if "" in texts:
        raise ScorerError('an empty text is wanted, and every output has it: fill "expected"')
    return texts


def same(one: Json, other: Json) -> bool:
    """Compare two JSON values: 1 is 1.0, True is not 1, the order of keys does not matter."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def shown(value: Json) -> str:
    """Show a value in a reason: as JSON, cut at 80 characters, with nothing in it that a terminal would obey."""
    return quoted(value) if isinstance(value, str) else visible(canonical(value))


def listed(values: Sequence[Json]) -> str:
    """Show the first three of ``values`` and count the others."""
    more = f" and {len(values) - _NAMED} more" if len(values) > _NAMED else ""
    return ", ".join(map(shown, values[:_NAMED])) + more
