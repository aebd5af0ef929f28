"""The option ``--eval-stop``: by which rule suites stop early, instead of each suite's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from pydantic import ValidationError

from pytest_evalgate import settings
from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from pytest_evalgate.settings import Suite

StopChoice = Literal["certainty", "eprocess", "never"]


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


def stopping_by(rule: StopChoice | None, name: str, suite: Suite) -> Suite:
    """Return the settings of a suite that stops by ``rule``; by its own where that is None.

    Raises:
        SettingsError: the suite does not go with the rule.

    """
    if rule is None:
        return suite
    try:
        return settings.Suite.model_validate({**dict(suite), "stop": rule})
    except ValidationError as error:
        said = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise SettingsError(f"--eval-stop {rule}: suites.{name}: {said}") from None
