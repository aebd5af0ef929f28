"""Judges whose score is a share, computed from one verdict for each statement or passage.

A text is split into statements by one call, and each statement is checked by a second call; passages of the context
are checked without the first. The judge gives verdicts only: the share is computed here, by the published definitions
of ragas (https://docs.ragas.io, Es et al. 2023, arXiv 2309.15217).
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.judges.ask import JudgeQuestion
from pytest_evalgate.judges.escaping import escape_for_judge
from pytest_evalgate.judges.material import (
    background,
    between_nonces,
    nonce_of,
    output_section,
    text_of,
    user_message,
)
from pytest_evalgate.judges.question import reminder, strict_schema, system_message
from pytest_evalgate.judges.reply import (
    MAX_UNITS,
    STATEMENTS_FIELDS,
    UNIT_FIELDS,
    VERDICTS_FIELDS,
    Unreadable,
    read_statements,
    read_verdicts,
)
from pytest_evalgate.judges.votes import Vote
from pytest_evalgate.text.jsonl import quote_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_evalgate.judges.ask import JudgeClient
    from pytest_evalgate.judges.material import Material, Message
    from pytest_evalgate.judges.reply import UnitVerdict
    from pytest_evalgate.judges.rubric import Rubric, ShareName
    from pytest_evalgate.judges.votes import Lookup
    from pytest_evalgate.records.calls import Call, CallRecord
    from pytest_evalgate.records.cases import Json

Verdicts = tuple[bool, ...]


def share_of(verdicts: Sequence[bool]) -> float | None:
    """Return the share of the verdicts that are yes; None if there are none."""
    return sum(verdicts) / len(verdicts) if verdicts else None


def average_precision(verdicts: Sequence[bool]) -> float | None:
    """Return the mean of precision@k over the ranks k of the relevant passages; 0 if none is relevant.

    This is the context precision of ragas: ``sum(precision@k * v_k) / number of relevant passages``, where ``v_k`` is
    1 for a relevant passage.
    """
    if not verdicts:
        return None
    precisions = [sum(verdicts[:rank]) / rank for rank, relevant in enumerate(verdicts, start=1) if relevant]
    return sum(precisions) / len(precisions) if precisions else 0.0


def statement_f1(output: Sequence[bool], reference: Sequence[bool]) -> float | None:
    """Return the F1 of the statements of an output: ``TP / (TP + (FP + FN) / 2)``; None if there are no statements.

    TP are the statements of the output that the reference supports, FP its others, and FN the statements of the
    reference that are missing in the output. This is the factual part of ragas' answer correctness.
    """
    right, wrong, missing = sum(output), len(output) - sum(output), len(reference) - sum(reference)
    total = right + (wrong + missing) / 2
    return right / total if total else None


Text = Literal["output", "reference", "context"]


@dataclass(frozen=True, slots=True)
class Check:
    """Verdicts on the statements of the text ``split``, or on the passages of the context if that is "context".

    A statement is supported ``by`` another text. ``references`` are shown beside passages. ``means`` completes the
    sentence "3 of 4 ..." in reports.
    """

    split: Text
    by: Text | None
    means: str
    references: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """The checks of a rubric, and the function that computes the score from their verdicts."""

    checks: tuple[Check, ...]
    score: Callable[..., float | None]


_PASSAGES: Final = "passages are relevant"
SHARES: Final[Mapping[ShareName, Share]] = {
    "passages": Share((Check("context", None, _PASSAGES),), share_of),
    "ranked-passages": Share((Check("context", None, _PASSAGES, references=True),), average_precision),
    "claims": Share((Check("output", "context", "statements are supported by the context"),), share_of),
    "reference": Share(
        (Check("reference", "context", "statements of the reference are supported by the context"),), share_of
    ),
    "statement-f1": Share(
        (
            Check("output", "reference", "statements are supported by the reference"),
            Check("reference", "output", "statements of the reference are in the output"),
        ),
        statement_f1,
    ),
}


def grades_output(rubric: Rubric) -> bool:
    """Return whether a judge with this rubric reads the output; the quality of passages does not depend on it."""
    checks = () if rubric.share is None else SHARES[rubric.share].checks
    return not checks or any("output" in (check.split, check.by) for check in checks)


def input_problem(rubric: Rubric, material: Material) -> str | None:
    """Return why the statements or passages of a case cannot be checked; None if they can."""
    checks = () if rubric.share is None else SHARES[rubric.share].checks
    if len(material.references) > 1 and any("reference" in (check.split, check.by) for check in checks):
        return f"the rubric {rubric.name} needs one reference, but the case has {len(material.references)}"
    if len(material.context) > MAX_UNITS and any(check.split == "context" for check in checks):
        return f"the context has {len(material.context)} passages; {MAX_UNITS} can be checked: retrieve fewer"
    return None


_TYPICAL: Final = ("x" * 80,) * 5
"""Assumed statements of a text that was not split yet, for estimates."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """A check with its units and their verdicts."""

    check: Check
    units: tuple[str, ...]
    verdicts: tuple[UnitVerdict, ...]

    @property
    def passed(self) -> Verdicts:
        return tuple(one.yes for one in self.verdicts)


@dataclass(frozen=True, slots=True)
class ShareVoter:
    """Voter that asks for a verdict on each statement or passage, and computes the share."""

    judge_client: JudgeClient
    rubric: Rubric

    @property
    def _share(self) -> Share:
        assert self.rubric.share is not None  # noqa: S101 - other rubrics have other voters
        return SHARES[self.rubric.share]

    def calls_of(self, material: Material, index: int, lookup: Lookup | None = None) -> Iterator[Call]:
        """Yield the calls of a vote. Statements that are not in the cache are assumed to be five short ones."""
        for check in self._share.checks:
            units: tuple[str, ...] | Unreadable = material.context
            if check.split != "context":
                question = self._splitting(material, check)
                call = self.judge_client.call_of(question, index)
                yield call
                reply = None if lookup is None else lookup(call)
                units = _TYPICAL if reply is None else question.parse(reply)
            if not isinstance(units, Unreadable) and units:
                yield self.judge_client.call_of(self._checking(material, check, units), index)

    async def vote(self, material: Material, index: int) -> Vote:
        """Cast a vote. Its value is None if a reply is unreadable, or if there is nothing to check."""
        calls: tuple[CallRecord, ...] = ()
        checked: list[_Checked] = []
        for check in self._share.checks:
            units = material.context
            if check.split != "context":
                split = await self.judge_client.ask(self._splitting(material, check), index)
                calls += split.calls
                if isinstance(split.value, Unreadable):
                    return Vote(None, "no verdict", split.value.reason, calls, split.value.may_change)
                units = split.value
            verdicts: tuple[UnitVerdict, ...] = ()
            if units:
                reply = await self.judge_client.ask(self._checking(material, check, units), index)
                calls += reply.calls
                if isinstance(reply.value, Unreadable):
                    return Vote(None, "no verdict", reply.value.reason, calls, reply.value.may_change)
                verdicts = reply.value
            checked.append(_Checked(check, units, verdicts))
        value = self._share.score(*(one.passed for one in checked))
        if value is None:
            return Vote(None, "no verdict", f"the {self._share.checks[0].split} makes no statements", calls)
        return Vote(value, "; ".join(map(_summary, checked)), _refused(checked), calls, rationale=_rationale(checked))

    def _splitting(self, material: Material, check: Check) -> JudgeQuestion[tuple[str, ...]]:
        nonce = nonce_of(self.judge_client.version, material.case, ["split", _text(material, check.split)])
        return JudgeQuestion(
            messages=_splitting_messages(self.rubric, material, check, nonce),
            response_format=_statements_format(),
            retry_prompt=_splitting_instructions(check, nonce),
            read=partial(read_statements, nonce=nonce),
            label=f"{self.judge_client.purpose}::{material.case.id}",
        )

    def _checking(
        self, material: Material, check: Check, units: Sequence[str]
    ) -> JudgeQuestion[tuple[UnitVerdict, ...]]:
        shown = _shown(units)
        source = "" if check.by is None else _text(material, check.by)
        nonce = nonce_of(self.judge_client.version, material.case, ["check", source, *shown])
        return JudgeQuestion(
            messages=_checking_messages(self.rubric, material, check, shown, nonce),
            response_format=_verdicts_format(),
            retry_prompt=_checking_instructions(check, nonce),
            read=partial(read_verdicts, nonce=nonce, sources=shown if check.by is None else [source] * len(shown)),
            label=f"{self.judge_client.purpose}::{material.case.id}",
        )


def share_prompts(rubric: Rubric, material: Material, nonce: str) -> Iterator[Json]:
    """Yield all prompts of this file, which are part of a judge's fingerprint."""
    for share in SHARES.values():
        for check in share.checks:
            yield _splitting_messages(rubric, material, check, nonce)
            yield _checking_messages(rubric, material, check, _shown(["unit"]), nonce)
    yield from (_statements_format(), _verdicts_format())


def _splitting_messages(rubric: Rubric, material: Material, check: Check, nonce: str) -> list[Message]:
    before = background(replace(material, note=""), references=False, context=False, steps=False)
    section = output_section(f"THE {check.split.upper()} TO SPLIT", _text(material, check.split), nonce)
    return _messages(rubric, material, [*before, section], _splitting_instructions(check, nonce))


def _checking_messages(
    rubric: Rubric, material: Material, check: Check, shown: Sequence[str], nonce: str
) -> list[Message]:
    references, context = check.references or check.by == "reference", check.by == "context"
    before = background(replace(material, note=""), references=references, context=context, steps=False)
    output = [output_section("THE OUTPUT", material.candidate, nonce)] if check.by == "output" else []
    noun = "PASSAGES OF THE CONTEXT" if check.split == "context" else "STATEMENTS"
    units = [{"number": number, "text": text} for number, text in enumerate(shown, start=1)]
    listed = between_nonces(f"THE {noun} TO CHECK, as a JSON list", json.dumps(units, ensure_ascii=False), nonce)
    return _messages(rubric, material, [*before, *output, listed], _checking_instructions(check, nonce))


def _messages(rubric: Rubric, material: Material, sections: Sequence[str], instructions: str) -> list[Message]:
    text = "\n\n".join([*sections, reminder(rubric), instructions])
    return [system_message(rubric), user_message(text, material.images)]


def _text(material: Material, text: Text) -> str:
    """Return a text of the material as the judge sees it, which evidence is quoted from."""
    if text == "output":
        return material.candidate
    if text == "context":
        return "\n".join(escape_for_judge(passage, _MAX_TEXT) for passage in material.context)
    return escape_for_judge("\n".join(map(text_of, material.references)), _MAX_TEXT)


_MAX_TEXT: Final = 64_000  # characters, as of the sections before the output
_FEWEST: Final = 500


def _shown(units: Sequence[str]) -> list[str]:
    """Return the units as the judge sees them: all together have about as many characters as a section may have."""
    most = max(_FEWEST, _MAX_TEXT // len(units))
    return [escape_for_judge(unit, most) for unit in units]


_OBJECT: Final = "Reply with a single JSON object and nothing else. It must have exactly these fields, in this order:"


def _splitting_instructions(check: Check, nonce: str) -> str:
    return f"""\
Your task now: split the {check.split} into its statements. Do not grade them yet.

{_OBJECT}
- nonce: the text "{nonce}".
- statements: a list of texts, one for each fact that the {check.split} states, in its order. Each is a short sentence
  that can be understood alone: with names instead of pronouns. Leave out questions, greetings, and offers of help. If
  the {check.split} states nothing, the list is empty."""


def _checking_instructions(check: Check, nonce: str) -> str:
    noun, source, condition = "statement", f"the {check.by}", f"the {check.by} supports the statement"
    if check.by is None:
        noun, source, condition = "passage", "that passage", "the passage is relevant"
    return f"""\
Your task now: give a verdict for each {noun}, by its number.

{_OBJECT}
- nonce: the text "{nonce}".
- verdicts: a list with one object for each {noun}, in the order of the numbers, with exactly these fields:
  - number: the number of the {noun}.
  - evidence: the shortest passage of {source} that supports a "yes", copied word for word; an empty string for a "no".
  - rationale: the reason for the verdict, in one sentence.
  - verdict: "yes" if {condition}, as the rubric defines it, otherwise "no"."""


def _statements_format() -> Json:
    properties = {"nonce": {"type": "string"}, "statements": {"type": "array", "items": {"type": "string"}}}
    assert tuple(properties) == STATEMENTS_FIELDS  # noqa: S101 - the schema and the parser must agree
    return strict_schema("statements", properties)


def _verdicts_format() -> Json:
    unit = {
        "number": {"type": "integer"},
        "evidence": {"type": "string"},
        "rationale": {"type": "string"},
        "verdict": {"type": "string", "enum": ["yes", "no"]},
    }
    assert tuple(unit) == UNIT_FIELDS  # noqa: S101 - as above
    items = {"type": "object", "properties": unit, "required": list(unit), "additionalProperties": False}
    properties = {"nonce": {"type": "string"}, "verdicts": {"type": "array", "items": items}}
    assert tuple(properties) == VERDICTS_FIELDS  # noqa: S101 - as above
    return strict_schema("verdicts", properties)


def _summary(checked: _Checked) -> str:
    return f"{sum(checked.passed)} of {len(checked.units)} {checked.check.means}"


_QUOTED: Final = 3
_MAX_QUOTE: Final = 120  # characters


def _refused(checked: Sequence[_Checked]) -> str:
    """Return the first units with a "no": statements by their text, passages by their number."""
    refused: list[str] = []
    for one in checked:
        is_passage = one.check.split == "context"
        for number, (unit, verdict) in enumerate(zip(one.units, one.verdicts, strict=True), start=1):
            if not verdict.yes:
                refused.append(f"passage {number}" if is_passage else quote_text(unit, _MAX_QUOTE))
    more = f" and {len(refused) - _QUOTED} more" if len(refused) > _QUOTED else ""
    return f"not {', '.join(refused[:_QUOTED])}{more}" if refused else ""


def _rationale(checked: Sequence[_Checked]) -> str:
    """Return the rationale of the first "no", else of the first verdict."""
    verdicts = [verdict for one in checked for verdict in one.verdicts]
    ordered = sorted(verdicts, key=lambda verdict: verdict.yes)
    return next((verdict.rationale for verdict in ordered if verdict.rationale), "")
