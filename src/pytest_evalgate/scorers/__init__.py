"""Scorers that need no model: rules, the registry that names them, and what a case's scores add up to."""

from __future__ import annotations

from pytest_evalgate.scorers.build import Context, build, build_all, case_scorers, check_asserts
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
]
