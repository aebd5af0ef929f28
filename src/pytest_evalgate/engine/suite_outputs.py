"""Outputs of the originals of variants, for the scorer ``same-as``.

A scorer asks the target for the output of the original. Its reply comes from the cache, or from the call in flight, so
that the original is asked once, in any order of the cases and in any process. Recorded outputs are read
again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_evalgate.engine.trial import answer_of, describe_incomplete, grade_output
from pytest_evalgate.errors import ScorerError
from pytest_evalgate.records.results import Output, Trial
from pytest_evalgate.scorers.scorer import compares_originals
from pytest_evalgate.scorers.suite_sources import VARIANT_OF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_evalgate.engine.trial import Grading
    from pytest_evalgate.protocols import Target
    from pytest_evalgate.records.cases import Case


class SuiteOutputs:
    """The cases of one suite, and their outputs: implements `Originals`.

    Scorers are built before the target and the gradings, which `connect` adds.
    """

    def __init__(self, cases: Iterable[Case]) -> None:
        """Index the cases by their id in the golden set."""
        self._cases: dict[str, list[Case]] = {}
        for case in cases:
            self._cases.setdefault(case.golden_id, []).append(case)
        self._target: Target | None = None
        self._grading_of: Callable[[Case], Grading] | None = None

    def connect(self, target: Target | None, grading_of: Callable[[Case], Grading]) -> None:
        """Set the target of the suite, and the function that returns the grading of a case."""
        self._target, self._grading_of = target, grading_of

    def ids(self) -> Iterable[str]:
        """Return the ids of the cases."""
        return self._cases.keys()

    def find(self, case: Case) -> Case | None:
        """Return the original of ``case``; for a case of the base branch, that of the base branch if it has one."""
        name = case.metadata.get(VARIANT_OF)
        found = self._cases.get(name, []) if isinstance(name, str) and name != case.golden_id else []
        is_base = case.side == "base"
        return min(found, key=lambda one: (one.side == "base") is not is_base, default=None)

    def is_graded(self, case: Case) -> bool:
        """Return whether other scorers than ``same-as`` decide a case."""
        return any(getattr(scorer, "counts", True) for scorer in self._grading(case).scorers)

    async def answer(self, case: Case, trial: int) -> Output | Trial:
        """Return the output of a trial of ``case`` as it is graded, or the failed trial if there is none."""
        if self._target is None:
            raise ScorerError(f'{case.place}: case "{case.id}": the suite has no target that same-as could ask')
        answer = await answer_of(self._target, case, trial)
        if isinstance(answer, Trial):
            return answer
        output = self._grading(case).graded(answer)
        if output.finish == "complete":
            return output
        calls = (output.call,) if output.call else ()
        return Trial(trial, 0.0, output, reason=describe_incomplete(output), calls=calls)

    async def graded(self, case: Case, trial: int, output: Output) -> Trial:
        """Return the trial with the scores of all other scorers than ``same-as``."""
        return await grade_output(self._grading(case), case, trial, output)

    def _grading(self, case: Case) -> Grading:
        """Return the grading of a case without ``same-as``."""
        assert self._grading_of is not None  # noqa: S101 - connected before the first case runs
        grading = self._grading_of(case)
        others = tuple(scorer for scorer in grading.scorers if not compares_originals(scorer))
        return replace(grading, scorers=others)
