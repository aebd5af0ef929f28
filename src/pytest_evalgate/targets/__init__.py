"""Applications under test: recorded outputs, callables, models, HTTP, programs, and what a hook brings."""

from __future__ import annotations

from pytest_evalgate.targets.build import HookedTarget, TargetContext, build_target, close_target
from pytest_evalgate.targets.http import HttpTarget
from pytest_evalgate.targets.model import ModelTarget
from pytest_evalgate.targets.outputs import TargetFailure, as_output
from pytest_evalgate.targets.python import PythonTarget, wrap_function
from pytest_evalgate.targets.recorded import RecordedTarget, RowTarget, load

__all__ = [
    "HookedTarget",
    "HttpTarget",
    "ModelTarget",
    "PythonTarget",
    "RecordedTarget",
    "RowTarget",
    "TargetContext",
    "TargetFailure",
    "as_output",
    "build_target",
    "close_target",
    "load",
    "wrap_function",
]
