"""A model with a prompt as the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.calls import Call, record_of
from pytest_evalgate.records.results import Output
from pytest_evalgate.targets.request import question, text_of, to_responses
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate import config
    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.calls import Reply
    from pytest_evalgate.records.results import Case, Json
    from pytest_evalgate.targets.prompts import Prompt

RESERVED_PARAMS: Final = ("model", "messages", "input", "instructions", "stream", "stream_options", "n", "background")
"""Parameters that are not for the user to set: one whole answer is asked for, once a trial."""


@dataclass(frozen=True, slots=True)
class ModelTarget:
    """Asks ``model`` with ``prompt``, the case's messages, or its input.

    ``spec`` names the model by its key; ``suite`` is for the labels of the calls.
    """

    spec: config.ModelTarget
    model: config.Model
    suite: str
    client: ModelClient
    prompt: Prompt | None = None
    system: Prompt | None = None

    def call_of(self, case: Case, trial: int) -> Call:
        """Return the call that `answer` sends; sends nothing.

        Raises:
            SettingsError: a template cannot be filled from ``case``, or nothing is left to ask.

        """
        chat = self._chat(case)
        return Call(
            kind=self.model.api,
            endpoint=self.model.base_url,
            model=self.model.model,
            payload=to_responses(chat) if self.model.api == "responses" else chat,
            trial=trial,
            route=self.spec.model,
            label=f"{self.suite}::{case.id}",
        )

    async def answer(self, case: Case, trial: int) -> Output:
        """Return the model's text; with tool calls, ``{"content", "tool_calls"}``.

        Raises:
            CallFailed: there was no answer to be had; the case is missing.

        """
        call = self.call_of(case, trial)
        return self.output_of(call, await self.client.send(call))

    def output_of(self, call: Call, reply: Reply) -> Output:
        """Return what ``reply`` to a call of this target says."""
        metadata = dict(reply.metadata)
        value = reply.value
        if tool_calls := metadata.pop("tool_calls", None):
            value = {"content": reply.value or None, "tool_calls": tool_calls}
        if reply.served_model not in ("", call.model):
            metadata["served_model"] = reply.served_model
        return Output(value, metadata, reply.latency_s, reply.finish, record_of(call, reply))

    def _chat(self, case: Case) -> dict[str, Json]:
        body: dict[str, Json] = {"model": self.model.model, "messages": self._messages(case)}
        if self.spec.tools:
            body["tools"] = list(self.spec.tools)
        if self.spec.response_format is not None:
            body["response_format"] = self.spec.response_format
        return {**self.model.params, **self.spec.params, **body}

    def _messages(self, case: Case) -> list[dict[str, Json]]:
        system = [{"role": "system", "content": self.system.render(case)}] if self.system else []
        messages = [*system, *(dict(message) for message in case.messages)]
        if self.prompt is not None:
            return [*messages, {"role": "user", "content": self.prompt.render(case)}]
        if case.messages:
            return messages
        return [*messages, {"role": "user", "content": self._question(case)}]

    def _question(self, case: Case) -> str:
        asked = question(case)
        if asked is None:
            raise SettingsError(
                f"{case.place}: case {jsonl.quote_text(case.id)} asks nothing, and suites.{self.suite}.target has no "
                "prompt: give the case an input, or the target a prompt"
            )
        return text_of(asked)


def check_params(params: Mapping[str, Json], place: str) -> None:
    """Refuse parameters that the target sets itself, and what JSON cannot hold; TOML has NaN and dates.

    Raises:
        SettingsError: names ``place`` and the parameter.

    """
    for name in RESERVED_PARAMS:
        if name in params:
            raise SettingsError(f"{place}.{name}: the target sets it: take it out")
    check_json(params, place)


def check_json(value: Json, place: str) -> None:
    """Refuse a part of a request that JSON cannot hold.

    Raises:
        SettingsError: names ``place``.

    """
    try:
        jsonl.canonical(value)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{place}: it goes out as JSON, which cannot hold it: {error}") from None
