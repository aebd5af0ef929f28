"""Gates of a suite in the configuration."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self, TypeGuard

from pydantic import BeforeValidator, Field, model_validator

from pytest_evalgate.config.metrics import MetricGate
from pytest_evalgate.config.safety import InvarianceGate, ParityGate, ViolationRateGate
from pytest_evalgate.config.tables import Alpha, Amount, Margin, Names, Seconds, Share, Table


class PassRateGate(Table):
    """The pass rate is at least ``min``.

    With ``bound = "ci"`` its exact one-sided 95 % lower bound must reach ``min``; with "point", the rate itself.
    """

    kind: Literal["pass-rate"]
    min: Share
    bound: Literal["ci", "point"] = "ci"


class NoRegressionGate(Table):
    """The suite has not become worse than its baseline.

    It compares the cases that pass, or the mean score of ``scorer``. ``margin`` is the largest accepted drop, as a
    share. ``fail_on`` is what fails the gate: "regressed" is a drop that is proven at ``alpha`` and may exceed
    ``margin``; "not_proven" is a missing proof that the drop is smaller than ``margin``; "tolerance" is a proven
    drop larger than ``margin``.
    """

    kind: Literal["no-regression"]
    scorer: str | None = None
    alpha: Alpha = 0.05
    margin: Margin | None = None
    fail_on: Literal["regressed", "not_proven", "tolerance"] = "regressed"

    @model_validator(mode="after")
    def _check_margin(self) -> Self:
        if self.fail_on != "regressed" and self.margin is None:
            raise ValueError(f'fail_on = "{self.fail_on}" needs a margin, for example margin = 0.05')
        return self


class SliceGate(Table):
    """Every slice of ``by`` passes.

    With ``min``, the pass rate of each slice is at least ``min``; slices with fewer than ``min_n`` cases are reported
    only, and ``bound`` is as in a pass-rate gate. With ``max_gap``, no slice with ``min_n`` cases is proven to pass
    ``max_gap`` less often than the cases outside of it, and the gate passes if that is ruled out for each. Without
    both, no slice has a proven drop against the baseline. Tests are at ``alpha`` over all slices together.
    """

    kind: Literal["slice"]
    by: str
    min: Share | None = None
    max_gap: Margin | None = None
    min_n: int = Field(default=20, strict=True, ge=1)
    bound: Literal["ci", "point"] = "ci"
    alpha: Alpha = 0.05

    @property
    def compares_baseline(self) -> bool:
        """Whether the gate tests changes against the baseline."""
        return self.min is None and self.max_gap is None

    @model_validator(mode="after")
    def _check_mode(self) -> Self:
        if self.min is not None and self.max_gap is not None:
            raise ValueError("a slice gate has min or max_gap, not both: write two gates")
        return self


def _on_unit_scale(value: Any) -> Any:
    if isinstance(value, int | float) and 1 < value <= 5:  # noqa: PLR2004 - a judge's scale
        mapped = (value - 1) / 4
        raise ValueError(f"scores of a scale from 1 to 5 are mapped to 0 to 1: write {mapped:g} for {value:g}")
    return value


MeanShare = Annotated[Share, BeforeValidator(_on_unit_scale, json_schema_input_type=Share)]


class MeanScoreGate(Table):
    """The mean score of ``scorer`` is at least ``min``.

    With ``bound = "ci"`` its one-sided 95 % lower bound must reach ``min``; with "point", the mean itself.
    """

    kind: Literal["mean-score"]
    scorer: str
    min: MeanShare
    bound: Literal["ci", "point"] = "ci"


class MustPassGate(Table):
    """Every case with one of ``tags`` passes in every trial; without ``tags``, every case does."""

    kind: Literal["must-pass"]
    tags: Names = ()


class BudgetGate(Table):
    """The run costs at most ``max_cost_usd``, and 95 % of the outputs arrive within ``p95_latency_s`` seconds."""

    kind: Literal["budget"]
    max_cost_usd: Amount | None = None
    p95_latency_s: Seconds | None = None

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        if self.max_cost_usd is None and self.p95_latency_s is None:
            raise ValueError("a budget gate needs max_cost_usd, p95_latency_s, or both")
        return self


GATES: Final[dict[str, type[Table]]] = {
    "pass-rate": PassRateGate,
    "no-regression": NoRegressionGate,
    "slice": SliceGate,
    "mean-score": MeanScoreGate,
    "must-pass": MustPassGate,
    "budget": BudgetGate,
    "metric": MetricGate,
    "parity": ParityGate,
    "invariance": InvarianceGate,
    "violation-rate": ViolationRateGate,
}
"""Gate tables by kind."""

_AnyGate = Annotated[
    PassRateGate
    | NoRegressionGate
    | SliceGate
    | MeanScoreGate
    | MustPassGate
    | BudgetGate
    | MetricGate
    | ParityGate
    | InvarianceGate
    | ViolationRateGate,
    Field(discriminator="kind"),
]


def _with_kind(value: Any) -> Any:
    example = 'such as { kind = "pass-rate", min = 0.85 }'
    if not isinstance(value, dict | Table):
        raise ValueError(f"a gate is a table with a kind, {example}")  # noqa: TRY004 - pydantic takes ValueError
    if isinstance(value, dict) and "kind" not in value:
        raise ValueError(f"a gate needs a kind, {example}; the kinds are: {', '.join(GATES)}")
    return value


def gate_list(value: Any) -> Any:
    """Refuse a table, as ``[suites.NAME.gates]`` and ``gates = {}`` write it."""
    if isinstance(value, dict):
        raise ValueError('gates is a list of tables: write gates = [{ kind = "pass-rate", min = 0.85 }]')  # noqa: TRY004 - the same
    return value


Gate = Annotated[_AnyGate, BeforeValidator(_with_kind, json_schema_input_type=_AnyGate)]


def needs_baseline(gate: Gate) -> bool:
    """Return whether a gate compares with a baseline."""
    if isinstance(gate, MetricGate):
        return gate.max_drop is not None
    return isinstance(gate, NoRegressionGate) or (isinstance(gate, SliceGate) and gate.compares_baseline)


def has_gap_tests(gate: Gate) -> TypeGuard[ParityGate | SliceGate]:
    """Return whether a gate tests gaps between groups of one run."""
    return isinstance(gate, ParityGate) or (isinstance(gate, SliceGate) and gate.max_gap is not None)


def has_part_tests(gate: Gate) -> bool:
    """Return whether a gate tests parts of a suite. Such tests have half of the alpha of a build."""
    return has_gap_tests(gate) or (isinstance(gate, SliceGate) and gate.compares_baseline)
