"""The scorers that a case brings itself, in its ``asserts``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import GoldenSetError, LineProblem
from pytest_evalgate.scorers.build import Context, assemble, uniquely_named
from pytest_evalgate.scorers.params import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_evalgate.data import Case
    from pytest_evalgate.scorers.scorer import WeighedScorer

_CODE: Final = ("python", "javascript", "ruby", "webhook")
_OTHER_WORDS: Final = {"equals": "exact", "iequals": "iexact", "is-json": "json-valid"}
_OTHER_FIELDS: Final = {"metric": "name"}
_VALUE_IS: Final = {"regex": "pattern", "contains-any": "values", "contains-all": "values", "one-of": "values"}


def case_scorers(case: Case, *, context: Context, taken: Iterable[str] = ()) -> tuple[WeighedScorer, ...]:
    """Build the scorers of ``case.asserts``; their names differ from each other and from those in ``taken``.

    Raises:
        GoldenSetError: as `check_asserts` says, which is to be asked before anything runs.

    """
    built = list(_built(case, context))
    if problems := [one for one in built if isinstance(one, LineProblem)]:
        raise GoldenSetError(problems)
    return uniquely_named((one for one in built if not isinstance(one, LineProblem)), taken)


def check_asserts(cases: Iterable[Case], *, context: Context) -> list[LineProblem]:
    """Return what is wrong with the asserts of ``cases``: the place of the case, ``asserts[0]``, and why."""
    return [one for case in cases for one in _built(case, context) if isinstance(one, LineProblem)]


def _built(case: Case, context: Context) -> Iterator[WeighedScorer | LineProblem]:
    for index, entry in enumerate(case.asserts):
        try:
            yield assemble(_spec(entry), context)
        except SpecError as error:
            yield LineProblem(case.place.file, case.place.line, f"asserts[{index}]", str(error))


def _spec(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read an assert: ours with ``kind``, or one with ``type``, ``value`` and ``metric`` as promptfoo writes it."""
    kind = entry.get("kind", entry.get("type"))
    if "python" in entry or kind in _CODE:
        raise SpecError(
            "a golden set is data and names no code: move it to the scorers of the suite, as { python = ... }"
        )
    if "judge" in entry:
        raise SpecError("a golden set is data and asks no model: move it to the scorers of the suite")
    if "type" not in entry:
        return entry
    if "kind" in entry:
        raise SpecError('"kind" and "type" mean the same: keep one of them')
    return _translated(str(kind), {key: value for key, value in entry.items() if key != "type"})


def _translated(kind: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    negation = "not-" if kind.startswith("not-") else ""
    plain = kind.removeprefix("not-")
    words = _OTHER_FIELDS | ({"value": _VALUE_IS[base]} if (base := plain.removeprefix("i")) in _VALUE_IS else {})
    return {"kind": negation + _OTHER_WORDS.get(plain, plain)} | {words.get(key, key): v for key, v in fields.items()}
