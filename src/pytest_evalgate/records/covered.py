"""Coverage of a suite: which of the values that it wants, such as requirements, have which cases."""

from __future__ import annotations

from pytest_evalgate.frozen import dataclass


@dataclass(frozen=True, slots=True)
class CoveredValue:
    """A wanted value or pattern: the number of its cases, of those that passed, and the ids of the first of them."""

    value: str
    cases: int
    passed: int
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CoveredField:
    """Coverage of one field: its wanted values, the number of its other values, and of cases without a value."""

    by: str
    values: tuple[CoveredValue, ...]
    others: int = 0
    without: int = 0

    @property
    def missing(self) -> tuple[str, ...]:
        """The wanted values that no case has."""
        return tuple(one.value for one in self.values if not one.cases)
