"""Suites, and the whole table that holds them."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from pytest_evalgate.settings.fields import Amount, FileNames, Seconds, Share, Table
from pytest_evalgate.settings.gates import Gate
from pytest_evalgate.settings.models import Model
from pytest_evalgate.settings.targets import ModelTarget, TargetTable


class Suite(Table):
    """A golden set with its target, scorers and gates.

    A suite without a target belongs to tests marked ``golden_set``, or to rows that hold recorded outputs.
    """

    golden: FileNames
    target: TargetTable = None
    scorers: tuple[str | dict[str, Any], ...] = Field(default=("exact",), min_length=1)
    threshold: Share | None = None
    trials: int | None = Field(default=None, strict=True, ge=1, le=1000)
    slices: tuple[str, ...] = ()
    baseline: str | None = None
    gates: tuple[Gate, ...] | None = None
    mode: Literal["blocking", "advisory"] = "blocking"


class Settings(Table):
    """The whole table. ``max_duration_s`` ends a run that takes longer: what is missing then is ``incomplete``."""

    on_inconclusive: Literal["warn", "fail"] = "warn"
    on_missing_baseline: Literal["fail", "record"] | None = None
    max_error_rate: float = Field(default=0.0, strict=True, ge=0, le=1, allow_inf_nan=False)
    max_duration_s: Seconds = 3600.0
    budget_usd: Amount | None = None
    cache_auth: Literal["auto", "required"] = "auto"
    xdist: Literal["pin", "spread"] = "pin"
    models: dict[str, Model] = Field(default_factory=dict)
    suites: dict[str, Suite] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _suite_names_are_plain(self) -> Self:
        for name in self.suites:
            if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name.startswith("."):
                raise ValueError(f"suite name {name!r}: use letters, digits, '-', '_' and '.'")
        return self

    @model_validator(mode="after")
    def _models_are_there(self) -> Self:
        for name, suite in self.suites.items():
            if isinstance(suite.target, ModelTarget) and suite.target.model not in self.models:
                known = ", ".join(self.models) or "none"
                raise ValueError(f"suites.{name}.target.model: no model is named {suite.target.model!r} ({known})")
        return self
