"""By which rules two sides are compared: those of the settings, against the older side, at the levels asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.cli.compare.match import Matches
    from pytest_evalgate.gates import SuiteRules
    from pytest_evalgate.judgement import Judgement


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for; None stands for what the settings say."""

    suite: str | None = None
    gate: bool = False
    alpha: float | None = None
    margin: float | None = None

    @property
    def levels(self) -> Mapping[str, Any]:
        """The levels that were asked for, by the key of a gate."""
        asked = {"alpha": self.alpha, "margin": self.margin}
        return {key: value for key, value in asked.items() if value is not None}


def rules_of(judgement: Judgement, matches: Matches, wish: Wish) -> dict[str, SuiteRules]:
    """Return how each suite of the newer side is judged; those that the older one does not hold have no baseline.

    Raises:
        SettingsError: a suite shall be judged by other levels than those of its own gates.

    """
    before = {found.name: found.older.baseline for found in matches.both}
    names = (*before, *(suite.plan.name for suite in matches.only_newer))
    rules = judgement.rules(names, lambda _: None)  # the suites' own baselines are not looked at
    return {name: _at_levels(name, replace(rules[name], baseline=before.get(name)), wish) for name in names}


def _at_levels(name: str, rules: SuiteRules, wish: Wish) -> SuiteRules:
    if not wish.levels:
        return rules
    if wish.gate and rules.gates:
        raise SettingsError(
            f"suites.{name}.gates: this suite has gates of its own, and --gate judges by them: leave out --alpha and "
            "--margin, or change the gates"
        )
    shown = rules.comparison.model_copy(update=wish.levels)
    others = [gate for gate in rules.effective if gate is not rules.comparison]
    return replace(rules, gates=(shown, *others))
