"""What a suite can see, and what a wanted drop would need: the numbers behind ``pytest-evalgate power``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.cli.power.damage import HITS, Damage, Level, cases_needed, power_of, smallest_drop
from pytest_evalgate.cli.power.discordance import Discordance, estimate
from pytest_evalgate.cli.power.evidence import cases_of, evidence_of
from pytest_evalgate.stats.families import fewest_losses
from pytest_evalgate.stats.needed import passes_needed
from pytest_evalgate.stats.numeric import upper_z
from pytest_evalgate.stats.planning import not_proven_sample_size
from pytest_evalgate.stats.power import mde_mean, variance_clusters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.cli.power.damage import Hits
    from pytest_evalgate.cli.power.evidence import Evidence
    from pytest_evalgate.cli.project import Project
    from pytest_evalgate.settings import PassRateGate

CLUSTER_ICC = 0.2
_ALPHA = 0.05
_COLUMNS = (1, 3, 5)
_FEWEST_CLUSTERS = 3
_FLOAT_NOISE = 1e-12


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for; ``drop`` and ``power`` are shares, None is what the suite itself says."""

    drop: float
    power: float
    alpha: float | None = None
    cases: int | None = None
    discordance: float | None = None
    trials: int | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """What so many trials of each case do, in both runs, by the cases that a drop hits; None where it cannot be."""

    trials: int
    smallest_drop_points: Mapping[Hits, float | None]
    cases_needed: Mapping[Hits, int | None]
    cases_not_proven: int


@dataclass(frozen=True, slots=True)
class PassesNeeded:
    """The passes that a pass-rate gate asks for; None where not even all cases would be enough."""

    minimum_percent: float
    passes: int | None


@dataclass(frozen=True, slots=True)
class Clusters:
    """Cases that belong together by ``key``, in ``number`` clusters; None where no stored run says how many.

    ``smallest_drop_points`` is that of cases that flip, if those of a cluster correlate by ``CLUSTER_ICC``; None where
    so few clusters show no drop at all.
    """

    key: str
    number: int | None
    smallest_drop_points: float | None


@dataclass(frozen=True, slots=True)
class PowerPlan:
    """The whole answer for one suite: percent and percentage points; ``alpha`` and ``discordance`` are shares."""

    suite: str | None
    cases: int
    cases_source: str
    trials: int
    alpha: float
    power_percent: float
    drop_points: float
    discordance: float
    discordance_source: str
    columns: tuple[Column, ...]
    found_percent: Mapping[Hits, float | None]
    margin_points: float
    fewest_losses: int
    pass_rate_gates: tuple[PassesNeeded, ...]
    clusters: Clusters | None


@dataclass(frozen=True, slots=True)
class _Question:
    cases: int
    trials: int
    drop: float
    margin: float
    level: Level
    flips: Discordance

    @property
    def damages(self) -> tuple[Damage, ...]:
        return tuple(Damage(hits, self.flips.share) for hits in HITS)


def plans_of(project: Project, name: str | None, wish: Wish) -> tuple[PowerPlan, ...]:
    """Plan for the suite that is named, else for every one that is known, else for so many cases of no suite.

    Raises:
        SettingsError: there is no such suite, or nobody says how many cases there are.
        UserError: the newest run, a baseline or a golden set cannot be read.

    """
    return tuple(_plan(project, evidence, wish) for evidence in evidence_of(project, name))


def _plan(project: Project, evidence: Evidence, wish: Wish) -> PowerPlan:
    cases, source = (wish.cases, "as given") if wish.cases else cases_of(project, evidence)
    asked = _question(evidence, wish, cases)
    return PowerPlan(
        suite=evidence.name,
        cases=cases,
        cases_source=source,
        trials=asked.trials,
        alpha=asked.level.alpha,
        power_percent=100 * asked.level.power,
        drop_points=100 * asked.drop,
        discordance=asked.flips.share,
        discordance_source=asked.flips.source,
        columns=tuple(_column(asked, trials) for trials in sorted({*_COLUMNS, asked.trials})),
        found_percent={damage.hits: _found(asked, damage) for damage in asked.damages},
        margin_points=100 * asked.margin,
        fewest_losses=fewest_losses(asked.level.alpha),
        pass_rate_gates=tuple(_passes(gate, cases) for gate in evidence.pass_rates),
        clusters=_clusters(evidence, asked),
    )


def _question(evidence: Evidence, wish: Wish, cases: int) -> _Question:
    return _Question(
        cases=cases,
        trials=wish.trials or evidence.trials,
        drop=wish.drop,
        margin=evidence.margin or wish.drop,
        level=Level(wish.alpha or evidence.alpha or _ALPHA, wish.power),
        flips=Discordance(wish.discordance, "as given")
        if wish.discordance
        else estimate(evidence.baseline, evidence.run, evidence.suite),
    )


def _column(asked: _Question, trials: int) -> Column:
    seen = {damage.hits: smallest_drop(damage, asked.cases, trials, asked.level) for damage in asked.damages}
    return Column(
        trials=trials,
        smallest_drop_points={hits: None if drop is None else 100 * drop for hits, drop in seen.items()},
        cases_needed={damage.hits: cases_needed(damage, asked.drop, trials, asked.level) for damage in asked.damages},
        cases_not_proven=_not_proven(asked, trials),
    )


def _not_proven(asked: _Question, trials: int) -> int:
    level, margin = asked.level, asked.margin
    # even where nothing changes, the lower bound is -z²/(n + z²), whatever the trials
    fewest = math.floor(upper_z(level.alpha) ** 2 * (1 - margin) / margin) + 1
    return max(fewest, not_proven_sample_size(asked.flips.share / trials, margin, level.alpha, level.power))


def _found(asked: _Question, damage: Damage) -> float | None:
    power = power_of(damage, asked.drop, asked.cases, asked.trials, asked.level.alpha)
    return None if power is None else 100 * power


def _passes(gate: PassRateGate, cases: int) -> PassesNeeded:
    at_once = math.ceil((gate.min - _FLOAT_NOISE) * cases)
    return PassesNeeded(100 * gate.min, at_once if gate.bound == "point" else passes_needed(cases, gate.min))


def _clusters(evidence: Evidence, asked: _Question) -> Clusters | None:
    if evidence.configured is None or evidence.configured.cluster is None:
        return None
    number = evidence.clusters
    if number is None or not _FEWEST_CLUSTERS <= number <= asked.cases:
        return Clusters(evidence.configured.cluster, number, None)
    variance = variance_clusters(asked.flips.share / asked.trials, asked.cases, number, CLUSTER_ICC)
    drop = mde_mean(math.sqrt(variance), number - 1, asked.level.alpha, asked.level.power)
    return Clusters(evidence.configured.cluster, number, 100 * drop if drop < 1 else None)
