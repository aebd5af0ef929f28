"""The gates of a suite, as they are configured."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pytest_evalgate.config.tables import Alpha, Amount, Margin, Names, Seconds, Share, Table


class PassRateGate(Table):
    """The pass rate, or its one-sided exact lower bound at 95 %, reaches ``min``."""

    kind: Literal["pass-rate"]
    min: Share
    bound: Literal["ci", "point"] = "ci"


class NoRegressionGate(Table):
    """No proven drop against the baseline; ``margin`` is the largest drop that is accepted, as a share.

    With ``scorer`` it is the mean of that scorer's scores that is compared, else the cases that pass.
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
    """Each slice of ``by`` is gated by itself: its pass rate is at least ``min``, or else it has not dropped.

    With ``min``, slices of fewer than ``min_n`` cases are shown and not judged. Without it, no slice shows a proven
    drop against the baseline, at the alpha that the build has left for slices.
    """

    kind: Literal["slice"]
    by: str
    min: Share | None = None
    min_n: int = Field(default=20, strict=True, ge=1)
    bound: Literal["ci", "point"] = "ci"
    alpha: Alpha = 0.05


class MeanScoreGate(Table):
    """The mean of a scorer's scores, or its one-sided lower bound at 95 %, reaches ``min``."""

    kind: Literal["mean-score"]
    scorer: str
    min: Share
    bound: Literal["ci", "point"] = "ci"


class MustPassGate(Table):
    """Every case that carries one of ``tags`` (every case, if there are none) passes in every trial."""

    kind: Literal["must-pass"]
    tags: Names = ()


class BudgetGate(Table):
    """The run costs at most ``max_cost_usd``, and 95 % of the target's answers come within ``p95_latency_s``."""

    kind: Literal["budget"]
    max_cost_usd: Amount | None = None
    p95_latency_s: Seconds | None = None

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        if self.max_cost_usd is None and self.p95_latency_s is None:
            raise ValueError("a budget gate needs max_cost_usd, p95_latency_s, or both")
        return self


Gate = Annotated[
    PassRateGate | NoRegressionGate | SliceGate | MeanScoreGate | MustPassGate | BudgetGate,
    Field(discriminator="kind"),
]
