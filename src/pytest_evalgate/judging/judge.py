"""The judge as a scorer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from pytest_evalgate.data import Score
from pytest_evalgate.errors import ScorerError
from pytest_evalgate.judging.candidate import text_of
from pytest_evalgate.judging.checks import miss_without_asking
from pytest_evalgate.judging.material import material_of, references_of
from pytest_evalgate.judging.votes import poll, reason, settled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.calls import Call
    from pytest_evalgate.data import Case, Output
    from pytest_evalgate.judging.material import Material
    from pytest_evalgate.judging.rubric import Rubric
    from pytest_evalgate.judging.votes import Vote, Voter

_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class JudgeScorer:
    """Asks a model for a score by a rubric; what it cannot read is None, neither a pass nor a miss.

    Args:
        name: What its scores are called.
        voter: What casts its votes.
        rubric: What it looks for.
        votes: How many votes there are at most, an odd number.
        threshold: The value in [0, 1] from which it passes.
        weight: Its part in the weighted mean of a case, if the suite has one.
        counts: Whether its scores decide what passes, or are only reported.

    """

    is_judge: ClassVar[bool] = True
    waits: ClassVar[bool] = True

    name: str
    voter: Voter
    rubric: Rubric
    votes: int
    threshold: float
    weight: float | None = None
    counts: bool = True

    def calls_of(self, case: Case, output: Output) -> Iterator[Call]:
        """Yield the calls that `score` makes where all votes agree and every reply is readable; sends nothing."""
        if self._miss(case, output) is None and (material := material_of(case, output)).lacks(self.rubric) is None:
            for index in range(self.votes // 2 + 1):
                yield from self.voter.calls_of(material, index)

    async def score(self, case: Case, output: Output) -> Score:
        """Grade one output: its value is the median of the votes, as a share of the scale.

        Raises:
            ScorerError: the rubric needs what the case does not bring, or the output is not JSON.
            RunStopped: no call of this run can succeed, or may be paid.

        """
        try:
            missed = self._miss(case, output)
            material = material_of(case, output)
        except (TypeError, ValueError) as error:
            raise self._broken(case, f"the output cannot be shown to it: {error}") from error
        if missed is not None:
            return self._score(0.0, missed)
        return await self._asked(material)

    async def _asked(self, material: Material) -> Score:
        if lack := material.lacks(self.rubric):
            raise self._broken(material.case, lack)
        cast = await poll(self.voter, material, self.votes)
        value = settled(cast, self.votes)
        return self._score(value, reason(cast, value), cast)

    def _miss(self, case: Case, output: Output) -> str | None:
        return miss_without_asking(text_of(output.value), references_of(case))

    def _score(self, value: float | None, why: str, cast: list[Vote] | None = None) -> Score:
        calls = tuple(call for vote in cast or () for call in vote.calls)
        passed = None if value is None else value >= self.threshold
        return Score(self.name, value, passed, why[:_REASON], self.weight, self.counts, calls)

    def _broken(self, case: Case, why: str) -> ScorerError:
        return ScorerError(f'{case.place}: case "{case.id}": judge "{self.name}": {why}')
