"""Fingerprints: whether a case, or a whole golden set, is still the one that was measured before."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from pytest_evalgate import jsonl
from pytest_evalgate.data import Case

if TYPE_CHECKING:
    from collections.abc import Iterable

_DEFAULTS = {field.name: getattr(Case(""), field.name) for field in fields(Case)}


class _Given:
    """Reads those of some fields of a case that differ from their default; every row of every set passes here."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)
        self._read = attrgetter(*self._names)
        self._defaults = tuple(_DEFAULTS[name] for name in self._names)

    def __call__(self, case: Case) -> dict[str, Any]:
        columns = zip(self._names, self._read(case), self._defaults, strict=True)
        return {name: value for name, value, default in columns if value is not default and value != default}


_identity = _Given(("input", "messages", "vars", "expected"))
_asked_and_wanted = _Given(
    (
        "input",
        "messages",
        "vars",
        "expected",
        "expected_any",
        "rubric",
        "context",
        "reference_context",
        "expected_tools",
        "asserts",
    )
)
_whole_row = _Given(name for name in _DEFAULTS if name not in {"place", "fingerprint"})


def fingerprint(case: Case) -> str:
    """SHA-256, in hexadecimal, of what is asked and what is wanted; tags, metadata and the line are not part of it.

    A field that has its default is left out, so that a field added to `Case` later changes no fingerprint.
    """
    return jsonl.digest(_asked_and_wanted(case))


def content_id(case: Case) -> str:
    """Name a case after its content: a line number would change with every row that is put in above it."""
    return jsonl.digest(_identity(case))[:12]


def set_digest(cases: Iterable[Case]) -> str:
    """SHA-256, in hexadecimal, of all fields of all cases, whatever their order and their lines."""
    return jsonl.digest(sorted([case.id, jsonl.digest(_whole_row(case))] for case in cases))
