"""The option ``--eval-stop``: by which rule suites stop early, instead of each suite's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from pytest_evalgate.settings import Suite

StopChoice = Literal["certainty", "never"]


def read_stop(text: str | None) -> StopChoice | None:
    """Read the option.

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


def stopping_by(rule: StopChoice | None, suite: Suite) -> Suite:
    """Return the settings of a suite that stops by ``rule``; by its own if that is None."""
    return suite if rule is None else suite.model_copy(update={"stop": rule})
