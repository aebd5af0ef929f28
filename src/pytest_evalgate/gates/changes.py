"""Two tables of the same kind, key by key: what differs, and what that does to the gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import jsonl
from pytest_evalgate.data import GateChange
from pytest_evalgate.gates.directions import LEFT_OUT, direction_of
from pytest_evalgate.settings import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTHING: Final = "none"
_LONGEST: Final = 200


def table_changes(where: str, what: str, before: Table, now: Table) -> Iterator[GateChange]:
    """Compare two tables of one type; ``where`` is the key of the table, "" for the whole configuration."""
    left_out = LEFT_OUT[type(now)]
    for key in type(now).model_fields:
        old, new = getattr(before, key), getattr(now, key)
        if old != new and key not in left_out:
            place = f"{where}.{key}" if where else key
            yield GateChange(what, place, shown(old), shown(new), direction_of(now, key)(old, new))


def shown(value: Any) -> str:
    """Write a value of the configuration, or of a case, on one line of bounded length."""
    if value is None:
        return NOTHING
    if isinstance(value, Table):
        value = value.model_dump(mode="json", exclude_defaults=True)
    return jsonl.visible(value if isinstance(value, str) else jsonl.canonical(value), _LONGEST)
