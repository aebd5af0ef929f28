"""Rules that compare an output's text or its length, and the access of all rules to expected values."""

from __future__ import annotations

import json
import operator
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from pydantic import AfterValidator, Field, ValidationInfo

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.records.cases import Case, Json
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers.compare import collapsed, comparable, difference, folded, json_equal, text_is_value
from pytest_evalgate.text.jsonl import canonical, escape_text, quote_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_evalgate.records.results import Graded

Text = Annotated[str, Field(min_length=1)]
"""A text to look for. The empty text is refused, because every output contains it."""

Texts = Annotated[Sequence[Text], Field(min_length=1)]
Values = Annotated[list[Json], Field(min_length=1)]
"""A list of JSON values. A sequence would be read from a text as well, letter by letter."""

_MAX_NAMED: Final = 3  # values that a reason names; the rest are counted


def exact(
    case: Case,
    output: Output,
    /,
    *,
    value: Json = None,
    strip: bool = True,
    ignore_case: bool = False,
    collapse_space: bool = False,
) -> Graded:
    """Pass if the output equals ``value``, or else the value that the case expects (any of ``expected_any``).

    Texts are compared without surrounding white space if ``strip`` is True, without regard to case if ``ignore_case``
    is, and with one space for all sequences of white space if ``collapse_space`` is. A text equals a value that is not
    text if it is the JSON of that value. All else is compared as JSON values: 1 equals 1.0, and true does not equal 1.
    """
    form = _Form(ignore_case, collapse_space, strip)
    return _equal(output, any_expected(case, value), form)


def one_of(
    case: Case,
    output: Output,
    /,
    *,
    values: Values | None = None,
    strip: bool = True,
    ignore_case: bool = False,
    collapse_space: bool = False,
) -> Graded:
    """Pass if the output equals one of ``values``, or of the case's expected values; compares as `exact` does."""
    form = _Form(ignore_case, collapse_space, strip)
    return _equal(output, all_expected(case, values), form)


class _Form(NamedTuple):
    """The form in which a rule compares texts."""

    ignore_case: bool
    collapse_space: bool
    strip: bool = False

    def of(self, text: str) -> str:
        """Return ``text`` in this form."""
        text = folded(text) if self.ignore_case else comparable(text)
        if self.collapse_space:
            return collapsed(text)
        return text.strip() if self.strip else text


def _equal(output: Output, wanted: Sequence[Json], form: _Form) -> Graded:
    if any(_is_same(output.value, one, form) for one in wanted):
        return 1.0, f"is {format_value(output.value)}"
    return 0.0, mismatch(wanted, output.value)


def _is_same(one: Json, other: Json, form: _Form) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return form.of(one) == form.of(other)
    if isinstance(one, str):
        return text_is_value(one, other, ignore_case=form.ignore_case)
    if isinstance(other, str):
        return text_is_value(other, one, ignore_case=form.ignore_case)
    return json_equal(one, other)


def contains(
    case: Case,
    output: Output,
    /,
    *,
    value: Text | None = None,
    ignore_case: bool = False,
    collapse_space: bool = False,
) -> Graded:
    """Pass if the output contains ``value``, or else the text that the case expects (any of ``expected_any``).

    Texts are compared without regard to case if ``ignore_case`` is True, and with one space for all sequences of
    white space if ``collapse_space`` is.
    """
    return _related(output, wanted_text(case, value=value), _HAS, _Form(ignore_case, collapse_space))


def contains_any(
    case: Case,
    output: Output,
    /,
    *,
    values: Texts | None = None,
    ignore_case: bool = False,
    collapse_space: bool = False,
) -> Graded:
    """Pass if the output contains at least one of ``values``, or of the case's expected values."""
    return _related(output, wanted_texts(case, values=values), _HAS, _Form(ignore_case, collapse_space))


def contains_all(
    case: Case,
    output: Output,
    /,
    *,
    values: Texts | None = None,
    ignore_case: bool = False,
    collapse_space: bool = False,
) -> Graded:
    """Pass if the output contains each of ``values``, or of the case's expected values."""
    return _related(output, wanted_texts(case, values=values), _HAS, _Form(ignore_case, collapse_space), need=all)


def starts_with(
    case: Case,
    output: Output,
    /,
    *,
    value: Text | None = None,
    ignore_case: bool = False,
    collapse_space: bool = False,
) -> Graded:
    """Pass if the output starts with ``value``, or else with the text that the case expects."""
    return _related(output, wanted_text(case, value=value), _STARTS, _Form(ignore_case, collapse_space))


def ends_with(
    case: Case,
    output: Output,
    /,
    *,
    value: Text | None = None,
    ignore_case: bool = False,
    collapse_space: bool = False,
) -> Graded:
    """Pass if the output ends with ``value``, or else with the text that the case expects."""
    return _related(output, wanted_text(case, value=value), _ENDS, _Form(ignore_case, collapse_space))


class _Relation(NamedTuple):
    """A relation between the output and a text, and the words for it in a reason."""

    holds: Callable[[str, str], bool]
    yes: str
    no: str


_HAS: Final = _Relation(operator.contains, "has", "lacks")
_STARTS: Final = _Relation(str.startswith, "starts with", "does not start with")
_ENDS: Final = _Relation(str.endswith, "ends with", "does not end with")


def _related(
    output: Output,
    wanted: Sequence[str],
    relation: _Relation,
    form: _Form,
    *,
    need: Callable[[Sequence[bool]], bool] = any,
) -> Graded:
    text = form.of(text_of(output))
    # a text with only white space or invisible characters is searched for unchanged
    results = [relation.holds(text, form.of(one) or one) for one in wanted]
    passed = need(results)
    deciding = [one for one, holds in zip(wanted, results, strict=True) if holds == passed]
    reason = f"{relation.yes if passed else relation.no} {format_list(deciding)}"
    found = "" if passed else difference(deciding[0], text_of(output), inside=True)
    return float(passed), f"{reason}: {found}" if found else reason


def _check_bounds(most: int | None, info: ValidationInfo) -> int | None:
    least = info.data.get("min")
    if most is None and not least:
        raise ValueError('there is no bound: give "min", "max" or both')
    if most is not None and least is not None and most < least:
        raise ValueError(f"max = {most} is below min = {least}")
    return most


Minimum = Annotated[int, Field(ge=0)]
Maximum = Annotated[Minimum | None, Field(validate_default=True), AfterValidator(_check_bounds)]


def length(
    case: Case,  # noqa: ARG001 - every rule takes the case
    output: Output,
    /,
    *,
    min: Minimum | None = None,  # noqa: A002 - the name that users write
    max: Maximum = None,  # noqa: A002 - the name that users write
) -> Graded:
    """Pass if the output has at least ``min`` and at most ``max`` characters (of its NFC form)."""
    return _bounded(len(unicodedata.normalize("NFC", text_of(output))), min, max, "characters")


def word_count(
    case: Case,  # noqa: ARG001 - every rule takes the case
    output: Output,
    /,
    *,
    min: Minimum | None = None,  # noqa: A002 - the name that users write
    max: Maximum = None,  # noqa: A002 - the name that users write
) -> Graded:
    """Pass if the output has at least ``min`` and at most ``max`` words, which are separated by white space."""
    return _bounded(len(text_of(output).split()), min, max, "words")


def _bounded(count: int, least: int | None, most: int | None, unit: str) -> Graded:
    if least is not None and count < least:
        return 0.0, f"{count:,} {unit}, fewer than {least:,}"
    if most is not None and count > most:
        return 0.0, f"{count:,} {unit}, more than {most:,}"
    return 1.0, f"{count:,} {unit}"


def text_of(output: Output) -> str:
    """Return the output if it is text, else its JSON with sorted keys."""
    if isinstance(output.value, str):
        return output.value
    # canonical() escapes non-ASCII characters, and a rule that looks for "é" has to find it
    return json.dumps(json.loads(canonical(output.value)), ensure_ascii=False, separators=(",", ":"))


def any_expected(case: Case, given: Json = None) -> tuple[Json, ...]:
    """Return the values of which one has to match: ``given``, else ``expected_any``, else ``expected``.

    Raises:
        ScorerError: There is no such value.
    """
    if given is not None:
        return (given,)
    if case.expected_any:
        return case.expected_any
    if case.expected is None:
        raise ScorerError('nothing to compare with: add "expected" to the case, or "value" to the scorer')
    return (case.expected,)


def all_expected(case: Case, given: Sequence[Json] | None = None) -> tuple[Json, ...]:
    """Return the list of values: ``given``, else ``expected_any``, else ``expected``, which may be a list.

    Raises:
        ScorerError: There is no value.
    """
    if given is not None:
        return tuple(given)
    if not case.expected_any and isinstance(case.expected, list | tuple):
        if not case.expected:
            raise ScorerError('nothing to compare with: "expected" is an empty list; add the expected values')
        return tuple(case.expected)
    return any_expected(case)


def wanted_text(case: Case, *, value: str | None = None) -> tuple[str, ...]:
    """Return the texts of which one is looked for.

    Raises:
        ScorerError: There is none, or one is empty or no text.
    """
    return as_texts(any_expected(case, value))


def wanted_texts(case: Case, *, values: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the texts that are looked for, of which ``expected`` may be a list; raise as `wanted_text` does."""
    return as_texts(all_expected(case, values))


def as_texts(values: Iterable[Json]) -> tuple[str, ...]:
    """Return each value as text: a number, true and false as JSON writes them.

    Raises:
        ScorerError: A value is empty, which every output contains, or an object or a list, which no text contains.
    """
    texts = tuple(map(as_text, values))
    if "" in texts:
        raise ScorerError('the expected text is empty, and every output contains that: set "expected"')
    return texts


def as_text(value: Json) -> str:
    """Return one value as text; raise ScorerError if it is an object or a list."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        raise ScorerError(
            f"the expected value {format_value(value)} is a list, which is not text: use contains-any or contains-all"
            ', or write the texts of which one has to match as "expected_any"'
        )
    if isinstance(value, Mapping):
        raise ScorerError(
            f"the expected value {format_value(value)} is an object, which is not text: write the text itself, or use "
            "json-fields"
        )
    return text_of(Output(value))


def references(case: Case, *, value: str | None = None) -> tuple[str, ...]:
    """Return ``value``, or else all expected values of the case, as texts; raise ScorerError if there is none."""
    return tuple(map(as_text, all_expected(case, None if value is None else (value,))))


def best_reference(measure: Callable[[str, str], float], output: str, wanted: tuple[str, ...]) -> tuple[float, str]:
    """Return the largest ``measure(output, reference)``, and the first reference that has it."""
    return max(((measure(output, one), one) for one in wanted), key=lambda pair: pair[0])


def mismatch(wanted: Sequence[Json], got: Json) -> str:
    """Return the reason of a miss, with the first three of the wanted values and a character that looks the same."""
    reason = f"wanted {' or '.join(map(format_value, wanted[:_MAX_NAMED]))}, got {format_value(got)}"
    texts = [one for one in wanted[:_MAX_NAMED] if isinstance(one, str)] if isinstance(got, str) else []
    found = next(filter(None, (difference(one, got) for one in texts)), "")
    return f"{reason}: {found}" if found else reason


def format_value(value: Json) -> str:
    """Format a value for a reason: JSON, truncated at 80 characters, control characters escaped."""
    return quote_text(value) if isinstance(value, str) else escape_text(canonical(value))


def format_list(values: Sequence[Json]) -> str:
    """Format the first three of ``values`` and count the others."""
    more = f" and {len(values) - _MAX_NAMED} more" if len(values) > _MAX_NAMED else ""
    return ", ".join(map(format_value, values[:_MAX_NAMED])) + more
