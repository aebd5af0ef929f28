"""Fingerprints: whether a case, or a whole golden set, is still the one that was measured before."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from pytest_evalgate import jsonl
from pytest_evalgate.data import Case

if TYPE_CHECKING:
    from collections.abc import Iterable

_IDENTITY = ("input", "messages", "vars", "expected")
_ASKED_AND_WANTED = (
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
_DEFAULTS = {field.name: getattr(Case(""), field.name) for field in fields(Case)}
_WHOLE_ROW = tuple(_DEFAULTS.keys() - {"place", "fingerprint"})


def fingerprint(case: Case) -> str:
    """SHA-256, in hexadecimal, of what is asked and what is wanted; tags, metadata and the line are not part of it.

    A field that has its default is left out, so that a field added to `Case` later changes no fingerprint.
    """
    return jsonl.digest(_given(case, _ASKED_AND_WANTED))


def content_id(case: Case) -> str:
    """Name a case after its content: a line number would change with every row that is put in above it."""
    return jsonl.digest(_given(case, _IDENTITY))[:12]


def set_digest(cases: Iterable[Case]) -> str:
    """SHA-256, in hexadecimal, of all fields of all cases, whatever their order and their lines."""
    return jsonl.digest(sorted([case.id, jsonl.digest(_given(case, _WHOLE_ROW))] for case in cases))


def _given(case: Case, names: Iterable[str]) -> dict[str, Any]:
    values = ((name, getattr(case, name), _DEFAULTS[name]) for name in names)
    return {name: value for name, value, default in values if value is not default and value != default}
