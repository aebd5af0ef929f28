"""Scorers that need no model: the built-in rules, the registry of their names, and the grading of one output."""

from __future__ import annotations

from pytest_evalgate.scorers.build import (
    Context,
    build,
    build_all,
    case_scorers,
    check_asserts,
    schema_files,
    scorers_of,
)
from pytest_evalgate.scorers.registry import RULES, registry
from pytest_evalgate.scorers.scorer import BuiltScorer, grade, passes

__all__ = [
    "RULES",
    "BuiltScorer",
    "Context",
    "build",
    "build_all",
    "case_scorers",
    "check_asserts",
    "grade",
    "passes",
    "registry",
    "schema_files",
    "scorers_of",
]
