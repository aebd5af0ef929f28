"""Tiers: the same suites at another depth, such as ``smoke`` for pull requests and ``release`` before a release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.settings.fields import Table
from pytest_evalgate.settings.gates import Gate, MustPassGate

if TYPE_CHECKING:
    from pytest_evalgate.settings.suites import Settings, Suite

DEFAULT_TIER: Final = "default"
"""The tier that always is: suites that do not define it run as they stand."""

TierName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Trials = Annotated[int, Field(strict=True, ge=1, le=1000)]


class Tier(Table):
    """What a suite does otherwise in one tier; what is left out is as in the suite.

    ``sample`` is the number of cases that the tier plans, drawn from the golden sets; None plans them all.
    """

    sample: int | None = Field(default=None, strict=True, ge=1)
    trials: Trials | None = None
    gates: tuple[Gate, ...] | None = None

    @property
    def instead(self) -> dict[str, Any]:
        """What it says in place of the suite's own keys."""
        said = {"trials": self.trials, "gates": self.gates}
        return {key: value for key, value in said.items() if value is not None}


def chosen_tier(settings: Settings, asked: str | None) -> str:
    """Return the tier that runs: the one that was asked for, else the default one.

    Raises:
        SettingsError: no suite defines the one that was asked for.

    """
    if asked and asked not in known_tiers(settings):
        raise SettingsError(f"--eval-tier {asked}: {unknown_tier(settings, asked)}")
    return asked or settings.default_tier


def known_tiers(settings: Settings) -> tuple[str, ...]:
    """Name the tiers that some suite defines, and the one that always is."""
    defined = {name for suite in settings.suites.values() for name in suite.tiers}
    return tuple(sorted({*defined, DEFAULT_TIER}))


def unknown_tier(settings: Settings, name: str) -> str:
    """Say that nobody defines a tier, and which there are."""
    known = ", ".join(known_tiers(settings))
    return f'no suite defines the tier "{name}"; there is: {known}. Define it in [suites.NAME.tiers.{name}]'


def for_tier(settings: Settings, tier: str) -> Settings:
    """Return the settings as one tier has them: its trials and gates stand in the suites, and it is the default tier.

    A suite that does not define the tier stays as it stands. Doing it twice changes nothing more.
    """
    suites = {name: tiered(suite, tier) for name, suite in settings.suites.items()}
    return settings.model_copy(update={"default_tier": tier, "suites": suites})


def tiered(suite: Suite, tier: str) -> Suite:
    """Return one suite as a tier has it; of its tiers it keeps that one alone."""
    if not suite.tiers:
        return suite
    chosen = suite.tiers.get(tier)
    if chosen is None:
        return suite.model_copy(update={"tiers": {}})
    return suite.model_copy(update={**chosen.instead, "tiers": {tier: chosen}})


def sample_of(suite: Suite) -> int | None:
    """Return how many cases a suite that `for_tier` made plans; None where it plans them all."""
    return next((tier.sample for tier in suite.tiers.values()), None)


def always_planned(suite: Suite) -> frozenset[str]:
    """Return the tags of the cases that every sample of a suite holds: those that have to pass."""
    return frozenset(tag for gate in suite.gates or () if isinstance(gate, MustPassGate) for tag in gate.tags)


def place_of(suite: Suite, key: str) -> str:
    """Return where a key of a suite that `for_tier` made is written: in the suite, or in its tier."""
    written = (name for name, tier in suite.tiers.items() if getattr(tier, key) is not None)
    return next((f"tiers.{name}.{key}" for name in written), key)
