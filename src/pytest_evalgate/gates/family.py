"""Family-wise error rate of a build: the share of builds that fail by chance stays at alpha, however many tests.

Overall tests and tests of parts (slices, gaps between groups) share the alpha by the fallback procedure (Wiens 2003);
within each of the two, Holm's step-down. Tests of gates with different alphas are weighted by them, so the family-wise
level is that of the largest alpha.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.stats.families import holm_adjusted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class TestName:
    """Key of a test: its suite, the index of its gate, and the part of the suite that it tests.

    That is a ``slice``, or a ``gap`` between groups (see `gates.gaps`). An overall test has neither.
    """

    suite: str
    gate: int
    slice: tuple[str, str] | None = None
    gap: tuple[str, ...] | None = None

    __test__ = False  # pytest collects classes with this prefix

    @property
    def is_overall(self) -> bool:
        """Whether it tests the whole suite."""
        return self.slice is None and self.gap is None


@dataclass(frozen=True, slots=True)
class GateTest:
    """A test that can fail the build: its p, and the alpha of its gate."""

    name: TestName
    p: float
    alpha: float


@dataclass(frozen=True, slots=True)
class Family:
    """The adjusted p of each test; ``slices_share`` is the part of their gates' alpha that tests of parts have."""

    p: Mapping[TestName, float]
    slices_share: float

    def slices(self, suite: str, gate: int) -> Mapping[tuple[str, str], float]:
        """Return the adjusted p of the slices that one gate tests."""
        return {
            test.slice: p
            for test, p in self.p.items()
            if test.slice is not None and (test.suite, test.gate) == (suite, gate)
        }

    def gaps(self, suite: str, gate: int) -> Mapping[tuple[str, ...], float]:
        """Return the adjusted p of the gaps that one gate tests."""
        return {
            test.gap: p
            for test, p in self.p.items()
            if test.gap is not None and (test.suite, test.gate) == (suite, gate)
        }


def adjusted(tests: Iterable[GateTest]) -> Family:
    """Adjust the p of each test for the others; a test rejects if its adjusted p is at most its gate's alpha.

    If there are tests of parts (slices, gaps between groups), overall tests get alpha / 2. Tests of parts get the
    other half, and all of alpha if every overall test rejects.
    """
    every = list(tests)
    overall = [test for test in every if test.name.is_overall]
    slices = [test for test in every if not test.name.is_overall]
    found = _holm(overall, factor=2.0 if slices else 1.0)
    share = 1.0 if all(found[test.name] <= test.alpha for test in overall) else 0.5
    return Family({**found, **_holm(slices, factor=1 / share)}, share)


def _holm(tests: Sequence[GateTest], factor: float) -> dict[TestName, float]:
    if not tests:
        return {}
    least = min(test.alpha for test in tests)
    weights = [test.alpha / least for test in tests]
    scaled = [test.p / weight for test, weight in zip(tests, weights, strict=True)]
    return {
        test.name: min(1.0, p * factor * weight)
        for test, weight, p in zip(tests, weights, holm_adjusted(scaled), strict=True)
    }
