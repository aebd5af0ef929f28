"""Fail the pull request when the model, the prompt or the retrieval got worse, not when it was just unlucky.

Public names are imported on first use, because every pytest session imports this package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_evalgate.errors import EvalgateError, MissingOutput
    from pytest_evalgate.protocols import Rule, Scorer, Target
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Output, Score

__all__ = ["Case", "EvalgateError", "MissingOutput", "Output", "Rule", "Score", "Scorer", "Target"]

_HOMES = {
    "records.cases": ("Case",),
    "records.results": ("Output", "Score"),
    "errors": ("EvalgateError", "MissingOutput"),
    "protocols": ("Rule", "Scorer", "Target"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
