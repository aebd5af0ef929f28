"""How one suite is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_evalgate.settings import NoRegressionGate

if TYPE_CHECKING:
    from pytest_evalgate.data import Baseline
    from pytest_evalgate.settings import Gate

_DEFAULT = NoRegressionGate(kind="no-regression")


@dataclass(frozen=True, slots=True)
class SuiteRules:
    """How one suite is judged. ``gates`` is None where none are configured.

    A suite ``is_new`` where the base branch does not know it: its tests take no alpha from those of the others.
    """

    gates: tuple[Gate, ...] | None = None
    baseline: Baseline | None = None
    advisory: bool = False
    record_without_baseline: bool = True
    max_error_rate: float = 0.0
    aggregate: str = "mean"
    stop: Literal["certainty", "eprocess", "never"] = "certainty"
    is_new: bool = False

    @property
    def effective(self) -> tuple[Gate, ...]:
        """The gates: one no-regression gate where none are configured."""
        return self.gates or (_DEFAULT,)

    @property
    def comparison(self) -> NoRegressionGate:
        """The gate whose alpha and margin the suite's change is shown with: the first one on passed cases."""
        found = (gate for gate in self.effective if isinstance(gate, NoRegressionGate) and gate.scorer is None)
        return next(found, _DEFAULT)
