"""``same-as``: the output of a case compared with that of the case that it is a variant of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.results import Output, Score, Trial
from pytest_evalgate.scorers.asking import AskingScorer, named
from pytest_evalgate.scorers.cosines import Similarity
from pytest_evalgate.scorers.part import NoPartError, part_of, reads_trajectory
from pytest_evalgate.scorers.registry import ScorerOptions, SpecError, read_options
from pytest_evalgate.scorers.suite_sources import VARIANT_OF
from pytest_evalgate.scorers.text import one_of, text_of
from pytest_evalgate.text.jsonl import quote_text
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_evalgate.records.calls import Call, CallRecord
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import Graded
    from pytest_evalgate.scorers.suite_sources import Originals, Sources

By = Literal["equal", "similar", "passes"]


class SameAsOptions(ScorerOptions):
    """Pass if the output is that of the original: the case of the same suite that ``metadata.variant_of`` names.

    The outputs of the same trial are compared. ``by = "equal"`` (default) compares as ``exact`` does, with ``strip``,
    ``ignore_case`` and ``collapse_space``. ``by = "similar"`` is the cosine of their embeddings, with ``model`` and
    ``threshold`` as for ``similar``. ``by = "passes"`` passes if the other scorers pass both outputs, or neither. The
    score is unknown (None) if the output of the original is missing, and 0 if the original failed. In a suite, cases
    without ``variant_of`` are not graded by it. ``not-same-as`` passes if the outputs differ.
    """

    by: By = "equal"
    strip: bool = True
    ignore_case: bool = False
    collapse_space: bool = False
    model: str | None = None


def build(given: Mapping[str, Any], context: Sources, *, negated: bool) -> SameAsScorer:
    """Build the scorer; raise SpecError if its specification cannot be used."""
    options = read_options(SameAsOptions, given, "same-as")
    assert isinstance(options, SameAsOptions)  # noqa: S101 - the model that was passed
    if context.originals is None:
        raise SpecError("same-as compares two cases of a suite: use it in a suite of the configuration")
    for key in ("threshold", "model"):
        if options.by != "similar" and getattr(options, key) is not None:
            raise SpecError(f'same-as: {key} is for by = "similar": remove it')
    if options.by == "passes" and options.field is not None:
        raise SpecError('same-as: by = "passes" compares results, not a part of the output: remove field')
    asking = None
    if options.by == "similar":
        if options.threshold is None or context.models is None:
            raise SpecError('same-as: by = "similar" needs a threshold, the least cosine that passes')
        asked = context.models.find(options.model, "embeddings", "same-as")
        asking = AskingScorer("similar", "similar", Similarity(), asked, options.threshold)
    return SameAsScorer(
        name=named(options, "same-as", negated=negated),
        originals=context.originals,
        by=options.by,
        form={name: getattr(options, name) for name in ("strip", "ignore_case", "collapse_space")},
        asking=asking,
        weight=options.weight,
        field=options.field,
        negated=negated,
        counts=options.counts,
    )


@dataclass(frozen=True, slots=True)
class SameAsScorer:
    """Scorer of variants. ``asking`` compares by embeddings, ``form`` are the options of the comparison of texts.

    ``trial`` is the index of the trial whose output of the original is compared: see `of_trial`.
    """

    compares_originals: ClassVar[bool] = True

    name: str
    originals: Originals
    by: By
    form: Mapping[str, bool]
    asking: AskingScorer | None = None
    weight: float | None = None
    field: str | None = None
    negated: bool = False
    counts: bool = True
    trial: int = 0
    threshold: float = 1.0

    @property
    def waits(self) -> bool:
        """Whether the scorer waits for a model; the target, for which it may wait as well, says so itself."""
        return self.asking is not None

    @property
    def asks_model(self) -> bool:
        """Whether the scorer asks a model itself."""
        return self.asking is not None

    def asked_models(self) -> Mapping[str, Json]:
        """Return the identity of the models that the scorer asks, by their keys in the configuration."""
        return {} if self.asking is None else self.asking.asked_models()

    def applies_to(self, case: Case) -> bool:
        """Return whether ``case`` is a variant."""
        return VARIANT_OF in case.metadata

    def of_trial(self, index: int) -> SameAsScorer:
        """Return the scorer for the 0-based trial ``index``."""
        return self if index == self.trial else replace(self, trial=index)

    def calls_of(self, case: Case, output: Output) -> Iterator[Call]:
        """Yield a call for the output, and one for that of the original, of which only the length is assumed."""
        if self.asking is not None and self.originals.find(case) is not None:
            text = text_of(output)
            yield from replace(self.asking, question=Similarity((f"{text}.",))).calls_of(case, output)

    def case_problem(self, case: Case, output: Output | None = None) -> str | None:  # noqa: ARG002 - as for a judge
        """Return why ``case`` cannot be compared; None if it can."""
        named_case = case.metadata.get(VARIANT_OF)
        if not isinstance(named_case, str) or not named_case:
            return f"metadata.{VARIANT_OF} must be the id of the case that this one is a variant of"
        original = self.originals.find(case)
        place = f"metadata.{VARIANT_OF} = {quote_text(named_case)}"
        if named_case == case.golden_id:
            return f"{place}: the case cannot be a variant of itself"
        if original is None:
            return f"{place}: the suite has no such case{did_you_mean(named_case, self.originals.ids())}"
        if original.skip is not None:
            return f"{place}: that case is skipped, so it has no output: skip the variant as well"
        if self.by == "passes" and not (self.originals.is_graded(case) and self.originals.is_graded(original)):
            return 'by = "passes" compares what the other scorers decide: add another scorer'
        return None

    def reads(self, case: Case) -> frozenset[str]:  # noqa: ARG002 - as for a rule
        """Return the names of the fields of the case that decide its score."""
        return frozenset({"metadata", *(["trajectory"] if reads_trajectory(self.field) else [])})

    async def score(self, case: Case, output: Output) -> Score:
        """Score one output.

        Raises:
            ScorerError: The case has no original, or another scorer failed.
            RunStopped: The run was stopped, or its budget is spent.
        """
        original = self.originals.find(case)
        if original is None:
            raise ScorerError(f'{case.place}: case "{case.id}": {self.name}: {self.case_problem(case)}')
        answer = await self.originals.answer(original, self.trial)
        calls = _sent(answer.calls if isinstance(answer, Trial) else (answer.call,))
        if isinstance(answer, Trial) and answer.value is None:
            reason = f"the original {quote_text(original.id)} has no output: {answer.reason}"
            return self._score(None, reason, calls, may_change=not answer.is_final)
        if self.by == "passes":
            return await self._same_result(case, output, original, answer, calls)
        if isinstance(answer, Trial):
            # not negated: an output that nothing was compared with never passes
            return self._score(0.0, f"the original {quote_text(original.id)} failed: {answer.reason}", calls)
        return await self._compared(case, output, original, answer, calls)

    async def _same_result(
        self, case: Case, output: Output, original: Case, answer: Output | Trial, calls: tuple[CallRecord, ...]
    ) -> Score:
        before = answer
        if not isinstance(before, Trial):
            before = await self.originals.graded(original, self.trial, before)
        after = await self.originals.graded(case, self.trial, replace(output, call=None))
        calls += _sent((*before.calls, *after.calls))
        if before.value is None or after.value is None:
            unknown = before if before.value is None else after
            return self._score(None, unknown.reason, calls, may_change=not unknown.is_final)
        results = [_RESULTS[trial.value == 1] for trial in (after, before)]
        reason = f"{results[0]}, and the original {quote_text(original.id)} {results[1]}"
        return self._decided((float(before.value == after.value), reason), calls)

    async def _compared(
        self, case: Case, output: Output, original: Case, answer: Output, calls: tuple[CallRecord, ...]
    ) -> Score:
        if self.field is not None:
            try:
                output, answer = part_of(output, self.field, case), part_of(answer, self.field, original)
            except NoPartError as error:
                return self._score(0.0, str(error), calls)
        if self.asking is None:
            return self._decided(one_of(case, output, values=[answer.value], **self.form), calls)
        if not text_of(answer).strip():
            same = not text_of(output).strip()
            return self._decided((float(same), "the output of the original is empty"), calls)
        asking = replace(self.asking, question=Similarity((text_of(answer),)))
        found = await asking.score(case, output)
        calls += found.calls
        if found.value is None:
            return self._score(None, found.reason, calls, may_change=found.may_change)
        value = 1 - found.value if self.negated else found.value
        passed = bool(found.passed) is not self.negated
        return Score(self.name, value, passed, found.reason, self.weight, self.counts, calls=calls)

    def _decided(self, graded: Graded, calls: tuple[CallRecord, ...]) -> Score:
        value, reason = graded
        return self._score(1 - value if self.negated and value is not None else value, reason, calls)

    def _score(
        self, value: float | None, reason: str, calls: tuple[CallRecord, ...], *, may_change: bool = False
    ) -> Score:
        passed = None if value is None else value == 1
        return Score(self.name, value, passed, reason, self.weight, self.counts, calls=calls, may_change=may_change)


_RESULTS: Final = {True: "passes", False: "misses"}


def _sent(calls: Iterable[CallRecord | None]) -> tuple[CallRecord, ...]:
    """Return the calls that were sent. Those of the original's own trial come from the cache here."""
    return tuple(call for call in calls if call is not None and call.attempts)
