"""Configuration: ``[tool.evalgate]`` in pyproject.toml, or the same keys in evalgate.toml, as frozen records."""

from pytest_evalgate.settings.fields import Table
from pytest_evalgate.settings.gates import BudgetGate, Gate, MustPassGate, NoRegressionGate, PassRateGate
from pytest_evalgate.settings.load import (
    CONFIG_FILE,
    PYPROJECT_FILE,
    find_root,
    is_configured,
    json_schema,
    load,
    parse_target,
)
from pytest_evalgate.settings.models import Model, Price
from pytest_evalgate.settings.suites import Settings, Suite
from pytest_evalgate.settings.targets import (
    CommandTarget,
    HookTarget,
    HttpRequest,
    HttpTarget,
    ModelTarget,
    PythonTarget,
    RecordedTarget,
    Target,
)

__all__ = [
    "CONFIG_FILE",
    "PYPROJECT_FILE",
    "BudgetGate",
    "CommandTarget",
    "Gate",
    "HookTarget",
    "HttpRequest",
    "HttpTarget",
    "Model",
    "ModelTarget",
    "MustPassGate",
    "NoRegressionGate",
    "PassRateGate",
    "Price",
    "PythonTarget",
    "RecordedTarget",
    "Settings",
    "Suite",
    "Table",
    "Target",
    "find_root",
    "is_configured",
    "json_schema",
    "load",
    "parse_target",
]
