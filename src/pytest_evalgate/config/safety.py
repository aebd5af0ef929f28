"""Gates on groups, variants and violations in the configuration."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from pytest_evalgate.config.tables import Alpha, Margin, Table


class ParityGate(Table):
    """The groups of the slice ``by`` are treated alike: their rates differ by at most ``max_gap``.

    ``of`` is the rate: "pass", or in a suite that predicts one of two classes "tpr", "fpr" or "ppv" of the class
    ``positive``. The true class of a case is its slice by ``label``; a case that misses has the other class. The gate
    is a test: it fails if a gap larger than ``max_gap`` between two groups is proven at ``alpha`` over all pairs. It
    passes if larger gaps are ruled out, and is inconclusive otherwise. Groups with fewer than ``min_n`` cases are
    reported only.
    """

    kind: Literal["parity"]
    by: str
    of: Literal["pass", "tpr", "fpr", "ppv"] = "pass"
    label: str | None = None
    positive: str | None = None
    max_gap: Margin
    min_n: int = Field(default=20, strict=True, ge=1)
    alpha: Alpha = 0.05

    @model_validator(mode="after")
    def _check_classes(self) -> Self:
        if self.of == "pass" and (self.label is not None or self.positive is not None):
            raise ValueError('label and positive belong to of = "tpr", "fpr" or "ppv"')
        if self.of != "pass" and (self.label is None or self.positive is None):
            raise ValueError(
                f'of = "{self.of}" needs the true classes: label = a key of slices, and positive = the class that '
                'counts, for example label = "class", positive = "spam"'
            )
        return self


class InvarianceGate(Table):
    """Variants of a case are answered like the case: at most a share ``max_flip`` passes where it fails, or reverse.

    Variants name their case in ``metadata.variant_of``, as ``pytest-evalgate perturb`` writes them. The exact
    one-sided 95 % upper bound of the flip rate must not exceed ``max_flip``; a case and its variants are one cluster.
    """

    kind: Literal["invariance"]
    max_flip: Margin


class ViolationRateGate(Table):
    """At most a share ``max`` of the outputs violates what the scorers of a safety suite check: a miss is a violation.

    The exact one-sided 95 % upper bound of the rate must not exceed ``max``: 598 cases without a violation show less
    than 0.5 %.
    """

    kind: Literal["violation-rate"]
    max: Margin

    @field_validator("max", mode="before")
    @classmethod
    def _check_zero(cls, value: Any) -> Any:
        if value == 0 and not isinstance(value, bool):
            raise ValueError('no number of cases shows a rate of 0: use kind = "must-pass", or a max such as 0.005')
        return value
