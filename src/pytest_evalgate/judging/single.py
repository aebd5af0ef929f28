"""The judge of one output: a score by a rubric."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pytest_evalgate.jsonl import quoted
from pytest_evalgate.judging.asking import Asker, Question
from pytest_evalgate.judging.question import Instructions, messages, nonce_of, request, response_format
from pytest_evalgate.judging.reading import Reading, Unreadable, read
from pytest_evalgate.judging.votes import Vote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.calls import Call
    from pytest_evalgate.judging.material import Material


@dataclass(frozen=True, slots=True)
class SingleVoter:
    """Asks for the score of one output."""

    asker: Asker
    told: Instructions

    def calls_of(self, material: Material, index: int) -> Iterator[Call]:
        """Yield the call of a vote."""
        yield self.asker.call_of(self._question(material), index)

    async def vote(self, material: Material, index: int) -> Vote:
        """Cast a vote: the score as a share of the scale."""
        heard = await self.asker.ask(self._question(material), index)
        if isinstance(heard.said, Unreadable):
            return Vote(None, "no verdict", heard.said.why, heard.calls)
        scale, score = self.told.scale, heard.said.score
        because = quoted(heard.said.evidence, 200) if heard.said.evidence else ""
        return Vote(scale.share(score), scale.words(score), because, heard.calls)

    def _question(self, material: Material) -> Question[Reading]:
        nonce = nonce_of(self.asker.version, material.case, [material.candidate])
        return Question(
            messages=messages(self.told, material, nonce),
            response_format=response_format(self.told.scale),
            again=request(self.told.scale, nonce),
            read=partial(read, nonce=nonce, candidate=material.candidate, scale=self.told.scale),
            label=f"{self.asker.purpose}::{material.case.id}",
        )
