"""Options of a session: command line and environment, read once."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.plugin.options import VALUES, environment_variable, option_name
from pytest_evalgate.runs.shard import Shard

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

StopChoice = Literal["certainty", "never"]


def parse_stop_choice(text: str | None) -> StopChoice | None:
    """Return the rule that ``text`` names; None if it is empty.

    Raises:
        SettingsError: there is no such rule.
    """
    choices: tuple[StopChoice, ...] = get_args(StopChoice)
    for choice in choices:
        if text == choice:
            return choice
    if text:
        raise SettingsError(f"--eval-stop {text}: write one of {', '.join(choices)}")
    return None


@dataclass(frozen=True, slots=True)
class Options:
    """Values of the command line, else those of the environment."""

    gate: bool
    fail_cases: bool = False
    estimate: bool = False
    offline: bool = False
    resume: bool = True
    target: str | None = None
    baseline: str | None = None
    base_ref: str | None = None
    tier: str | None = None
    sample: int | None = None
    trials: int | None = None
    shard: Shard | None = None
    stop: StopChoice | None = None
    report: str | None = None
    budget_usd: float | None = None
    max_concurrency: int | None = None


def read_options(config: pytest.Config, environ: Mapping[str, str] = os.environ) -> Options:
    """Read the options of a session.

    Raises:
        SettingsError: a number, shard or rule is not valid.
    """
    values = {option_name(name): config.getoption(name) or environ.get(environment_variable(name)) for name in VALUES}
    return Options(
        gate=config.getoption("--eval-gate"),
        fail_cases=config.getoption("--eval-fail-cases"),
        estimate=config.getoption("--eval-estimate"),
        offline=config.getoption("--eval-offline"),
        resume=not config.getoption("--no-eval-resume"),
        target=values["target"],
        baseline=values["baseline"],
        base_ref=values["base_ref"],
        tier=values["tier"],
        sample=_count("--eval-sample", values["sample"]),
        trials=_count("--eval-trials", values["trials"]),
        shard=_shard(values["shard"]),
        report=values["report"],
        stop=parse_stop_choice(values["stop"]),
        budget_usd=_amount("--eval-budget-usd", values["budget_usd"]),
        max_concurrency=_count("--eval-max-concurrency", values["max_concurrency"]),
    )


def refs_in_addopts(config: pytest.Config) -> tuple[str, ...]:
    """Return the base refs in ``addopts`` of the branch's own configuration of pytest."""
    words = [str(word) for word in config.getini("addopts")]
    joined = (word.partition("=")[2] for word in words if word.startswith(f"{_BASE_REF}="))
    return (*joined, *(words[index + 1] for index, word in enumerate(words[:-1]) if word == _BASE_REF))


_BASE_REF = "--eval-base-ref"


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


def _shard(text: str | None) -> Shard | None:
    try:
        return Shard.parse(text) if text else None
    except ValueError as error:
        raise SettingsError(f"--eval-shard {text}: {error}") from None


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
