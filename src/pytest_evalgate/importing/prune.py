"""Checks of rows of other tools that have no equivalent: left out of the row, each with its reason.

A golden set that is loaded directly refuses them, because a case must not pass since a check was dropped. An import
lists them instead, so that the rest can be used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.golden.dialects import asserts, evaluators
from pytest_evalgate.golden.dialects.translate import TranslationError
from pytest_evalgate.importing.imported import LeftOut
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_evalgate.records.cases import Json


def pruned(row: dict[str, Any], place: str) -> tuple[dict[str, Any], list[LeftOut]]:
    """Return a row without the checks that cannot be translated, and these."""
    left_out: list[LeftOut] = []
    for name, read in _READERS.items():
        if isinstance(entries := row.get(name), list):
            kept = [entry for entry in entries if _is_kept(row, name, entry, read, place, left_out)]
            row = {**row, name: kept} if kept else {key: value for key, value in row.items() if key != name}
    return row, left_out


_READERS: Final[dict[str, Callable[[list[Json], dict[str, Any]], object]]] = {
    "assert": asserts.promptfoo_scorers,
    "evaluators": evaluators.evaluator_scorers,
}


def _is_kept(
    row: dict[str, Any],
    name: str,
    entry: Json,
    read: Callable[[list[Json], dict[str, Any]], object],
    place: str,
    left_out: list[LeftOut],
) -> bool:
    try:
        read([entry], row)
    except TranslationError as error:
        left_out.append(LeftOut(place, f"{name}: {_shown(entry)}", str(error)))
        return False
    return True


def _shown(entry: Json) -> str:
    kind = entry.get("type") if isinstance(entry, dict) else None
    return jsonl.escape_text(kind, 60) if isinstance(kind, str) else jsonl.escape_text(jsonl.canonical(entry), 60)
