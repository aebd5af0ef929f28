"""Applications under test: recorded outputs and Python callables."""

from pytest_evalgate.targets.python import PythonTarget, as_output, wrap
from pytest_evalgate.targets.recorded import RecordedTarget, RowTarget, load

__all__ = ["PythonTarget", "RecordedTarget", "RowTarget", "as_output", "load", "wrap"]
