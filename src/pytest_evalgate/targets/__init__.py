"""Targets, the applications under test: recorded outputs, callables, models, HTTP, programs, and those of a hook."""

from __future__ import annotations

from pytest_evalgate.targets.build import HookTargetRunner, TargetContext, build_target, close_target
from pytest_evalgate.targets.outputs import TargetFailure, as_output
from pytest_evalgate.targets.recorded import RecordedTargetRunner, Recording, RowTargetRunner, load

__all__ = [
    "HookTargetRunner",
    "RecordedTargetRunner",
    "Recording",
    "RowTargetRunner",
    "TargetContext",
    "TargetFailure",
    "as_output",
    "build_target",
    "close_target",
    "load",
]
