"""Configuration: ``[tool.evalgate]`` in pyproject.toml, or the same keys in evalgate.toml, as frozen records."""

from pytest_evalgate.settings.fields import Table
from pytest_evalgate.settings.gates import (
    BudgetGate,
    Gate,
    MeanScoreGate,
    MustPassGate,
    NoRegressionGate,
    PassRateGate,
    SliceGate,
)
from pytest_evalgate.settings.judges import Judge
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
from pytest_evalgate.settings.report import Report, ReportFormat
from pytest_evalgate.settings.secrets import key_variables
from pytest_evalgate.settings.suites import Acknowledgement, Settings, Suite
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
from pytest_evalgate.settings.tiers import (
    DEFAULT_TIER,
    Tier,
    always_planned,
    chosen_tier,
    for_tier,
    place_of,
    sample_of,
)

__all__ = [
    "CONFIG_FILE",
    "DEFAULT_TIER",
    "PYPROJECT_FILE",
    "Acknowledgement",
    "BudgetGate",
    "CommandTarget",
    "Gate",
    "HookTarget",
    "HttpRequest",
    "HttpTarget",
    "Judge",
    "MeanScoreGate",
    "Model",
    "ModelTarget",
    "MustPassGate",
    "NoRegressionGate",
    "PassRateGate",
    "Price",
    "PythonTarget",
    "RecordedTarget",
    "Report",
    "ReportFormat",
    "Settings",
    "SliceGate",
    "Suite",
    "Table",
    "Target",
    "Tier",
    "always_planned",
    "chosen_tier",
    "find_root",
    "for_tier",
    "is_configured",
    "json_schema",
    "key_variables",
    "load",
    "parse_target",
    "place_of",
    "sample_of",
]
