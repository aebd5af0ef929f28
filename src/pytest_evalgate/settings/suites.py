"""Suites, and the whole table that holds them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from pytest_evalgate.settings.fields import Amount, FileNames, Seconds, Share, Table
from pytest_evalgate.settings.gates import Gate, SliceGate
from pytest_evalgate.settings.judges import Judge
from pytest_evalgate.settings.models import Model
from pytest_evalgate.settings.report import Report
from pytest_evalgate.settings.targets import ModelTarget, TargetTable
from pytest_evalgate.settings.tiers import DEFAULT_TIER, Tier, TierName, Trials, known_tiers, tiered, unknown_tier


class Suite(Table):
    """A golden set with its target, scorers and gates.

    A suite without a target belongs to tests marked ``golden_set``, or to rows that hold recorded outputs.
    ``aggregate`` makes one number of a case's trials; ``stop`` says when the suite may end before its last case.
    ``tiers`` say what is done otherwise in each of them.
    """

    golden: FileNames
    target: TargetTable = None
    scorers: tuple[str | dict[str, Any], ...] = Field(default=("exact",), min_length=1)
    threshold: Share | None = None
    judge_always: bool = False
    trials: Trials | None = None
    aggregate: Annotated[str, Field(pattern=r"^(mean|majority|pass(@|\^)[1-9][0-9]{0,2})$")] = "mean"
    slices: tuple[str, ...] = ()
    cluster: str | None = None
    stop: Literal["certainty", "never"] = "certainty"
    baseline: str | None = None
    gates: tuple[Gate, ...] | None = None
    mode: Literal["blocking", "advisory"] = "blocking"
    tiers: dict[TierName, Tier] = Field(default_factory=dict)

    @property
    def judges(self) -> tuple[str, ...]:
        """The judges among the scorers, by the name of their tables."""
        return tuple(str(spec["judge"]) for spec in self.scorers if isinstance(spec, dict) and "judge" in spec)

    @model_validator(mode="after")
    def _gated_slices_are_slices(self) -> Self:
        gates = [gate for variant in self._variants for gate in variant.gates or ()]
        for gate in gates:
            if isinstance(gate, SliceGate) and gate.by not in self.slices:
                raise ValueError(f'a slice gate is by "{gate.by}", which is not among slices = {list(self.slices)}')
        return self

    @property
    def _variants(self) -> tuple[Suite, ...]:
        """The suite as it stands, and as each of its tiers has it."""
        return (self, *(tiered(self, name) for name in self.tiers))


class Acknowledgement(Table):
    """A weakening of the gate that somebody answers for; ``change`` is where it is, as the report lists it."""

    change: Annotated[str, Field(min_length=1)]
    reason: Annotated[str, Field(min_length=1)]
    owner: Annotated[str, Field(min_length=1)]


class Settings(Table):
    """The whole table. ``max_duration_s`` ends a run that takes longer: what is missing then is ``incomplete``."""

    default_tier: TierName = DEFAULT_TIER
    on_inconclusive: Literal["warn", "fail"] = "warn"
    on_missing_baseline: Literal["fail", "record"] | None = None
    max_error_rate: float = Field(default=0.0, strict=True, ge=0, le=1, allow_inf_nan=False)
    max_duration_s: Seconds = 3600.0
    budget_usd: Amount | None = None
    cache_auth: Literal["auto", "required"] = "auto"
    xdist: Literal["pin", "spread"] = "pin"
    history: str | None = None
    acknowledged: tuple[Acknowledgement, ...] = ()
    report: Report = Report()
    models: dict[str, Model] = Field(default_factory=dict)
    judges: dict[str, Judge] = Field(default_factory=dict)
    suites: dict[str, Suite] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _suite_names_are_plain(self) -> Self:
        for name in (*self.suites, *self.judges):
            if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name.startswith("."):
                raise ValueError(f"name {name!r}: use letters, digits, '-', '_' and '.'")
        return self

    @model_validator(mode="after")
    def _default_tier_is_there(self) -> Self:
        if self.default_tier not in known_tiers(self):
            raise ValueError(f"default_tier: {unknown_tier(self, self.default_tier)}")
        return self

    @model_validator(mode="after")
    def _models_are_there(self) -> Self:
        for name, suite in self.suites.items():
            if isinstance(suite.target, ModelTarget) and suite.target.model not in self.models:
                known = ", ".join(self.models) or "none"
                raise ValueError(f"suites.{name}.target.model: no model is named {suite.target.model!r} ({known})")
        return self

    @model_validator(mode="after")
    def _judges_are_there(self) -> Self:
        for name, judge in self.judges.items():
            if judge.model not in self.models:
                known = ", ".join(self.models) or "none"
                raise ValueError(f"judges.{name}.model: no model is named {judge.model!r} ({known})")
        for name, suite in self.suites.items():
            for wanted in suite.judges:
                if wanted not in self.judges:
                    known = ", ".join(self.judges) or "none"
                    raise ValueError(f"suites.{name}.scorers: no judge is named {wanted!r} ({known})")
        return self
