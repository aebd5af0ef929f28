"""Every value of a configuration, and what set it: the environment, a tier, a line of its file, or the default."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate import settings
from pytest_evalgate.cli.config.places import Places, flat

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_evalgate.data import Json
    from pytest_evalgate.settings import Settings

DEFAULT: Final = "default"

_OPTIONS: Final = {
    r"budget_usd": "EVALGATE_BUDGET_USD",
    r"suites\.[^.]+\.trials": "EVALGATE_TRIALS",
    r"suites\.[^.]+\.target\b.*": "EVALGATE_TARGET",
    r"suites\.[^.]+\.baseline": "EVALGATE_BASELINE",
    r"suites\.[^.]+\.stop": "EVALGATE_STOP",
}
"""Keys that an option of the command line, and so its variable, goes over."""

_OF_A_TIER: Final = re.compile(r"suites\.(?P<suite>.+)\.(?P<key>trials|sample|gates\b.*)")


@dataclass(frozen=True, slots=True)
class Value:
    """A key, what it comes to, and what set it."""

    key: str
    value: Json
    origin: str


@dataclass(frozen=True, slots=True)
class Explainer:
    """Explains the configuration of one project.

    Args:
        settings: As its file has it.
        places: Where the keys of that file stand.
        environ: What goes over it; the command line goes over both, and is not known here.
        tier: The tier that would run.

    """

    settings: Settings
    places: Places
    environ: Mapping[str, str]
    tier: str

    def values(self) -> Iterable[Value]:
        """Yield every value, in the order of the tables.

        Raises:
            SettingsError: there is no such tier.

        """
        chosen = settings.for_tier(self.settings, self.tier)
        for key, value in flat(chosen.model_dump(mode="json")):
            yield self._value(key, value)

    def _value(self, key: str, value: Json) -> Value:
        variable = next((name for pattern, name in _OPTIONS.items() if re.fullmatch(pattern, key)), None)
        written = self._written(key)
        if variable is None or not self.environ.get(variable):
            return Value(key, value, written)
        return Value(key, self.environ[variable], f"{variable} (over {written})")

    def _written(self, key: str) -> str:
        """Say where the value stands: in the tier that runs, in the suite, or nowhere."""
        found = _OF_A_TIER.fullmatch(key)
        if found is not None:
            of_tier = f"suites.{found['suite']}.tiers.{self.tier}.{found['key']}"
            if (place := self.places.of(of_tier)) is not None:
                return f"{place} (tier {self.tier})"
        return self.places.of(key) or DEFAULT
