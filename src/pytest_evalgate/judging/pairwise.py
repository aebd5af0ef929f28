"""The judge of two outputs: the candidate and the reference, asked for in both orders; disagreement is a tie."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.jsonl import canonical, quoted, visible
from pytest_evalgate.judging.asking import Asker, Question
from pytest_evalgate.judging.candidate import text_of
from pytest_evalgate.judging.candidate import visible as shown
from pytest_evalgate.judging.question import background, fenced, nonce_of, rubric_again, strict_schema, system
from pytest_evalgate.judging.reading import Refused, Unreadable, one_object, require_evidence
from pytest_evalgate.judging.votes import Vote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.calls import Call, CallRecord
    from pytest_evalgate.data import Json
    from pytest_evalgate.judging.material import Material
    from pytest_evalgate.judging.rubric import Rubric

_FIELDS: Final = ("nonce", "evidence", "choice")
_CHOICES: Final = ("first", "second", "tie")
_OUTCOMES: Final = {("first", "second"): (1.0, "better"), ("second", "first"): (0.0, "worse")}
"""Value and word for what was chosen when the output came first, and when it came second."""

_TIE: Final = (0.5, "tie")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of two outputs is better; ``evidence`` stands in it, and is empty for a tie."""

    choice: str
    evidence: str


@dataclass(frozen=True, slots=True)
class PairVoter:
    """Asks twice whether the output or the reference is better: once with either of them first.

    The value is 1 where the output is better both times, 0 where the reference is, 0.5 for everything else.
    """

    asker: Asker
    rubric: Rubric

    def calls_of(self, material: Material, index: int) -> Iterator[Call]:
        """Yield the two calls of a vote."""
        for ours_first in (True, False):
            yield self.asker.call_of(self._question(material, ours_first=ours_first), index)

    async def vote(self, material: Material, index: int) -> Vote:
        """Cast a vote; None where one of the replies is unreadable."""
        choices: list[str] = []
        calls: tuple[CallRecord, ...] = ()
        evidence = ""
        for ours_first in (True, False):
            heard = await self.asker.ask(self._question(material, ours_first=ours_first), index)
            calls += heard.calls
            if isinstance(heard.said, Unreadable):
                return Vote(None, "no verdict", heard.said.why, calls)
            choices.append(heard.said.choice)
            evidence = evidence or heard.said.evidence
        value, words = _OUTCOMES.get((choices[0], choices[1]), _TIE)
        told = quoted(evidence, 200) if value != _TIE[0] else "{} when first, {} when second".format(*choices)
        return Vote(value, words, told, calls)

    def _question(self, material: Material, *, ours_first: bool) -> Question[Choice]:
        reference = shown(text_of(material.references[0]))
        pair = (material.candidate, reference) if ours_first else (reference, material.candidate)
        nonce = nonce_of(self.asker.version, material.case, pair)
        return Question(
            messages=pair_messages(self.rubric, material, pair, nonce),
            response_format=_RESPONSE_FORMAT,
            again=_request(nonce),
            read=partial(read_choice, nonce=nonce, pair=pair),
            label=f"{self.asker.purpose}::{material.case.id}",
        )


_RESPONSE_FORMAT: Final = strict_schema(
    "preference",
    {
        "nonce": {"type": "string"},
        "evidence": {"type": "string"},
        "choice": {"type": "string", "enum": list(_CHOICES)},
    },
)


def pair_messages(rubric: Rubric, material: Material, pair: tuple[str, str], nonce: str) -> list[dict[str, Json]]:
    """Return the messages that ask which of two outputs is better; neither is called the reference."""
    outputs = [fenced(f"THE {name} OUTPUT", one, nonce) for name, one in zip(("FIRST", "SECOND"), pair, strict=True)]
    asked = [*background(material, references=False), *outputs, rubric_again(rubric), _request(nonce)]
    return [system(rubric), {"role": "user", "content": "\n\n".join(asked)}]


def read_choice(text: str, *, nonce: str, pair: tuple[str, str]) -> Choice | Unreadable:
    """Read a reply; nothing is raised, whatever it holds.

    Args:
        text: The reply.
        nonce: The word that it has to repeat.
        pair: The two outputs as the judge was shown them.

    """
    try:
        return _choice(one_object(text, _FIELDS, nonce), pair)
    except Refused as refused:
        return Unreadable(str(refused))


def _choice(found: Mapping[str, Any], pair: tuple[str, str]) -> Choice:
    choice = found["choice"]
    if choice not in _CHOICES:
        raise Refused(f"the choice is {visible(canonical(choice), 40)}, none of {', '.join(_CHOICES)}")
    chosen = "\n".join(pair) if choice == "tie" else pair[_CHOICES.index(choice)]
    return Choice(choice, require_evidence(found["evidence"], chosen, needed=choice != "tie"))


def _request(nonce: str) -> str:
    return f"""\
Reply with one JSON object and nothing else. It has these fields and no others:
- nonce: the text "{nonce}".
- evidence: the passage of the better output that shows best why, copied word for word; an empty text for a tie.
- choice: "first", "second" or "tie"."""
