"""What was asked for: the options, read once."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.plugin.options import VALUES, attribute, variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says, and the environment where the command line is silent."""

    gate: bool
    fail_cases: bool = False
    estimate: bool = False
    offline: bool = False
    resume: bool = True
    target: str | None = None
    baseline: str | None = None
    trials: int | None = None
    budget_usd: float | None = None
    max_concurrency: int | None = None


def read_options(config: pytest.Config, environ: Mapping[str, str] = os.environ) -> Options:
    """Read the options of a session.

    Raises:
        SettingsError: a number is none.

    """
    values = {attribute(name): config.getoption(name) or environ.get(variable(name)) for name in VALUES}
    return Options(
        gate=config.getoption("--eval-gate"),
        fail_cases=config.getoption("--eval-fail-cases"),
        estimate=config.getoption("--eval-estimate"),
        offline=config.getoption("--eval-offline"),
        resume=not config.getoption("--no-eval-resume"),
        target=values["target"],
        baseline=values["baseline"],
        trials=_count("--eval-trials", values["trials"]),
        budget_usd=_amount("--eval-budget-usd", values["budget_usd"]),
        max_concurrency=_count("--eval-max-concurrency", values["max_concurrency"]),
    )


def _count(name: str, text: str | None) -> int | None:
    if not text:
        return None
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise SettingsError(f"{name} {text}: give a whole number from 1")
    return number


def _amount(name: str, text: str | None) -> float | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not (math.isfinite(number) and number >= 0):
        raise SettingsError(f"{name} {text}: give an amount in US dollars, such as 2.50")
    return number
