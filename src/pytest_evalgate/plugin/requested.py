"""What was asked for: the options, read once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.plugin.options import VALUES, attribute, variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says, and the environment where the command line is silent."""

    gate: bool
    fail_cases: bool
    target: str | None
    baseline: str | None
    trials: str | None


def read_options(config: pytest.Config, environ: Mapping[str, str] = os.environ) -> Options:
    """Read the options of a session."""
    values = {attribute(name): config.getoption(name) or environ.get(variable(name)) for name in VALUES}
    return Options(gate=config.getoption("--eval-gate"), fail_cases=config.getoption("--eval-fail-cases"), **values)
