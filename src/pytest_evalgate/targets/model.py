"""Model as the target, asked with a prompt, with the messages of the case, or with its input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.calls import Call, record_of
from pytest_evalgate.records.results import Output
from pytest_evalgate.targets.outputs import expects_empty, has_answer
from pytest_evalgate.targets.request import check_json, question, text_of, to_responses
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate import config
    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.calls import Reply
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.targets.prompts import ChatPrompt, Prompt

RESERVED_PARAMS: Final = ("model", "messages", "input", "instructions", "stream", "stream_options", "n", "background")
"""Parameters that users may not set, because each trial sends one request for one complete reply."""


@dataclass(frozen=True, slots=True)
class ModelTargetRunner:
    """A target that asks ``model``. ``spec`` has the model's key; ``suite`` is part of the calls' labels.

    A reply without a text or a tool call is asked for again, unless ``allow_empty`` or the case expects an empty text.
    """

    spec: config.ModelTarget
    model: config.Model
    suite: str
    client: ModelClient
    prompt: Prompt | ChatPrompt | None = None
    system: Prompt | None = None
    allow_empty: bool = False

    @property
    def route(self) -> str:
        """Name of the model in the configuration."""
        return self.spec.model

    def call_of(self, case: Case, trial: int) -> Call:
        """Return the call that `answer` sends, without sending it.

        Raises:
            SettingsError: A template cannot be filled from ``case``, or the case has no input.
        """
        chat: dict[str, Json] = {
            **self.model.params,
            **self.spec.params,
            "model": self.model.model,
            "messages": self._messages(case),
        }
        if self.spec.tools:
            chat["tools"] = list(self.spec.tools)
        if self.spec.response_format is not None:
            chat["response_format"] = self.spec.response_format
        allow_empty = self.allow_empty or expects_empty(case)
        return Call(
            kind=self.model.api,
            endpoint=self.model.base_url,
            model=self.model.model,
            payload=to_responses(chat) if self.model.api == "responses" else chat,
            trial=trial,
            route=self.route,
            label=f"{self.suite}::{case.id}",
            accepts=None if allow_empty else has_answer,
            allow_empty=allow_empty,
        )

    async def answer(self, case: Case, trial: int) -> Output:
        """Send the call and return the output.

        Raises:
            CallFailed: There is no reply; the case is missing.
        """
        call = self.call_of(case, trial)
        return self.output_of(call, await self.client.send(call))

    def output_of(self, call: Call, reply: Reply) -> Output:
        """Return the text of ``reply``, or ``{"content", "tool_calls"}`` if it contains tool calls.

        The text of a model that has tools has an empty list ``tool_calls`` in its metadata.
        """
        metadata = dict(reply.metadata)
        value = reply.value
        if tool_calls := metadata.pop("tool_calls", None):
            value = {"content": reply.value or None, "tool_calls": tool_calls}
        elif self.spec.tools:  # the model was offered tools and called none, which a text alone does not show
            metadata["tool_calls"] = []
        if reply.served_model not in ("", call.model):
            metadata["served_model"] = reply.served_model
        return Output(value, metadata, reply.latency_s, reply.finish, record_of(call, reply), reply.reasoning)

    def _messages(self, case: Case) -> list[dict[str, Json]]:
        system = [{"role": "system", "content": self.system.render(case)}] if self.system else []
        messages = [*system, *(dict(message) for message in case.messages)]
        if self.prompt is not None:
            return [*messages, *self.prompt.messages(case)]
        if case.messages:
            return messages
        if (asked := question(case)) is None:
            raise SettingsError(
                f"{case.place}: case {jsonl.quote_text(case.id)} has no input, and suites.{self.suite}.target has no "
                "prompt: add an input to the case, or a prompt to the target"
            )
        return [*messages, {"role": "user", "content": text_of(asked)}]


def check_params(params: Mapping[str, Json], place: str) -> None:
    """Check that no parameter is reserved, and that all are JSON. TOML has NaN and dates, which JSON has not.

    Raises:
        SettingsError: A parameter cannot be used; the message names it and ``place``.
    """
    for name in RESERVED_PARAMS:
        if name in params:
            raise SettingsError(f"{place}.{name}: the target sets it: remove it")
    check_json(params, place)
