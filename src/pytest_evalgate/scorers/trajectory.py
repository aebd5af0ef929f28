"""Trajectory of an agent: the messages that it wrote and the tools that it called, read from an output.

An agent's steps are read from the first of these that an output has, in its metadata or else in its value:

1. ``trajectory``: a list of steps. All of them count.
2. ``messages``: the conversation. Messages that the case itself has do not count.
3. ``tool_calls``: the calls of one message, as a model returns them.

An item is a message (of OpenAI's chat completions, of LangChain, or of Anthropic, with its calls), an item of OpenAI's
Responses API, a call, or the name of a tool. A call has a ``name`` (or ``tool``, ``tool_name``, ``function``),
``arguments`` (or ``args``, ``kwargs``, ``input_parameters``, ``input``; an object or its JSON), and may have a
``result`` (or ``output``) and an ``error``.

A message of the agent is one step, with all of its calls; a call outside of a message is a separate step.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.results import TRAJECTORY_KEYS
from pytest_evalgate.scorers.text import format_value
from pytest_evalgate.text.jsonl import loads

if TYPE_CHECKING:
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import Output


class UnreadableTrajectoryError(ValueError):
    """A trajectory with an item in a format that is not known. The message is the reason of the score."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool.

    ``arguments`` is None if they are not recorded; ``problem`` explains why arguments that are recorded are not an
    object. ``answered`` is False if no result is recorded. ``error`` is the error that the tool reported, if any.
    """

    name: str
    arguments: Mapping[str, Json] | None = None
    problem: str = ""
    answered: bool = False
    result: Json = None
    error: str = ""

    @property
    def as_json(self) -> dict[str, Json]:
        """The call as JSON, for scorers with a ``field``."""
        arguments = None if self.arguments is None else dict(self.arguments)
        return {"name": self.name, "arguments": arguments, "result": self.result, "error": self.error or None}


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what the agent wrote, and the calls that it made with it."""

    message: str = ""
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The steps of an agent. ``has_answer``: the last one is an answer, not a call."""

    steps: tuple[Step, ...]
    has_answer: bool

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls of all steps, in order."""
        return tuple(call for step in self.steps for call in step.calls)


def trajectory_of(case: Case, output: Output) -> Trajectory | None:
    """Return the trajectory of an output; None if it does not say which tools were called.

    Raises:
        UnreadableTrajectoryError: An item is neither a message nor a call.
    """
    value = _plain(output.value)
    inside = value if isinstance(value, Mapping) else {}
    for source in TRAJECTORY_KEYS:
        for place, holder in ((f"metadata.{source}", output.metadata), (source, inside)):
            items = holder.get(source)
            if not isinstance(items, list | tuple):
                continue
            if source == "trajectory":
                return _read(items, place, beside=value)
            if source == "messages":
                if (found := _read(_own_messages(items, case), place)).steps:
                    return found
                continue  # only the prompt: it does not say what the agent did
            is_reply = holder is inside and inside.keys() <= _OF_A_REPLY
            content = value if isinstance(value, str) else inside.get("content")
            message = {"role": "assistant", "content": content, "tool_calls": items}
            return _read([message], place, beside=None if is_reply else value)
    if isinstance(value, list) and value and all(map(_is_item, value)):
        return _read(value, "output")
    if inside.get("role") in _AGENT or "tool_calls" in inside:
        return _read([{**inside, "role": "assistant"}], "output")
    return None


_OF_A_REPLY: Final = frozenset({"role", "content", "tool_calls", "refusal", "annotations", "audio", "function_call"})
"""Keys of a model's reply with calls. It is not an answer: the model waits for the results of its calls."""


def _plain(value: Json) -> Json:
    """Return the value of an output or of a result; text that is the JSON of an object is parsed."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            return loads(value)
        except ValueError:
            return value
    return value


def _is_content(value: Json) -> bool:
    """Return whether an output has content beside its steps: the answer of the agent."""
    if isinstance(value, Mapping):
        return any(_is_content(member) for name, member in value.items() if name not in TRAJECTORY_KEYS)
    return value is not None and value not in ("", [])


def _own_messages(messages: Sequence[Json], case: Case) -> Sequence[Json]:
    """Return the messages without those that the case begins with; a target may add a system message before them."""
    own = _without_system([dict(message) for message in case.messages])
    rest = _without_system(messages)
    return rest[len(own) :] if own and list(rest[: len(own)]) == own else rest


def _without_system(messages: Sequence[Json]) -> Sequence[Json]:
    start = next(
        (index for index, one in enumerate(messages) if not (isinstance(one, Mapping) and _role(one) in _SYSTEM)),
        len(messages),
    )
    return messages[start:]


_AGENT: Final = frozenset({"assistant", "ai", "model"})
_TOOL: Final = frozenset({"tool", "function"})
_SYSTEM: Final = frozenset({"system", "developer"})
_USER: Final = frozenset({"user", "human"})
_CALL_TYPES: Final = frozenset({"function_call", "custom_tool_call", "tool_call", "tool_use"})
_RESULT_TYPES: Final = frozenset({"function_call_output", "custom_tool_call_output", "tool_result"})
_NAMES: Final = ("name", "tool", "tool_name", "function")
_ARGUMENTS: Final = ("arguments", "args", "kwargs", "input_parameters", "input")
_RESULTS: Final = ("result", "output")
_CALL_IDS: Final = ("tool_call_id", "call_id", "tool_use_id")


def _role(item: Mapping[str, Json]) -> str:
    role = item.get("role", item.get("type"))
    return role if isinstance(role, str) else ""


def _is_item(item: Json) -> bool:
    return isinstance(item, Mapping) and (
        _role(item) in _AGENT | _USER | _SYSTEM | _CALL_TYPES | _RESULT_TYPES or bool(name_of(item))
    )


@dataclass(slots=True)
class _DraftCall:
    """A call whose result may still follow."""

    id: str | None
    name: str
    arguments: Mapping[str, Json] | None
    problem: str
    answered: bool = False
    result: Json = None
    error: str = ""

    def answer(self, result: Json, error: str) -> None:
        self.answered, self.result, self.error = True, result, error

    def finished(self) -> ToolCall:
        return ToolCall(self.name, self.arguments, self.problem, self.answered, self.result, self.error)


@dataclass(slots=True)
class _Draft:
    """The steps read so far. ``is_open``: the last of them was a call or its result, not an answer."""

    steps: list[tuple[str, list[_DraftCall]]] = field(default_factory=list)
    is_open: bool = True

    def add(self, message: str, calls: list[_DraftCall]) -> None:
        if message or calls:
            self.steps.append((message, calls))
            self.is_open = bool(calls)

    def answer(self, call_id: str | None, name: str | None, result: Json, error: str) -> None:
        """Add a result to its call: the first one without a result that has the id, else the name, else any.

        Ids may repeat: models of Azure reuse them between the calls of a conversation.
        """
        waiting = [call for _, calls in self.steps for call in calls if not call.answered]
        fitting = [call for call in waiting if call_id is not None and call.id == call_id]
        if not fitting:
            fitting = [call for call in waiting if None in (call_id, call.id) and name in (None, call.name)]
        if fitting:
            fitting[0].answer(result, error)
        self.is_open = True


def _read(items: Sequence[Json], place: str, *, beside: Json = None) -> Trajectory:
    """Read items. ``beside`` is the output that the agent returned after these steps, if it is not one of them."""
    draft = _Draft()
    for index, item in enumerate(items):
        if isinstance(item, str) and item.strip():
            draft.add("", [_DraftCall(None, item, None, "")])
        elif isinstance(item, Mapping):
            _read_item(item, draft, f"{place}[{index}]")
        else:
            raise UnreadableTrajectoryError(_unreadable(f"{place}[{index}]", item))
    steps = tuple(Step(message, tuple(call.finished() for call in calls)) for message, calls in draft.steps)
    return Trajectory(steps, not draft.is_open or _is_content(beside))


def _read_item(item: Mapping[str, Json], draft: _Draft, place: str) -> None:
    role = _role(item)
    if role in _AGENT:
        calls = [*_listed(item.get("tool_calls"), f"{place}.tool_calls"), *_blocks(item.get("content"), place)]
        if isinstance(legacy := item.get("function_call"), Mapping):
            calls.append(_call(legacy, f"{place}.function_call"))
        draft.add(message_text(item.get("content")), calls)
    elif role in _RESULT_TYPES or (role in _TOOL and "content" in item):
        _read_result(item, draft)
    elif role in _USER:
        for block in _parts(item.get("content")):
            if block.get("type") == "tool_result":
                _read_result(block, draft)
    elif name_of(item):
        draft.add("", [_call(item, place)])
    elif role not in _SYSTEM and role != "reasoning":
        raise UnreadableTrajectoryError(_unreadable(place, item))


def _unreadable(place: str, item: Json) -> str:
    return f"{place} is neither a message nor a tool call: {format_value(item)}"


def _listed(calls: Json, place: str) -> list[_DraftCall]:
    if not isinstance(calls, list | tuple):
        return []
    read: list[_DraftCall] = []
    for index, call in enumerate(calls):
        if isinstance(call, str) and call.strip():
            read.append(_DraftCall(None, call, None, ""))
        elif isinstance(call, Mapping) and name_of(call):
            read.append(_call(call, f"{place}[{index}]"))
        else:
            raise UnreadableTrajectoryError(_unreadable(f"{place}[{index}]", call))
    return read


def _parts(content: Json) -> list[Mapping[str, Json]]:
    return [part for part in content if isinstance(part, Mapping)] if isinstance(content, list | tuple) else []


def _blocks(content: Json, place: str) -> list[_DraftCall]:
    """Return the calls among the parts of a message, as Anthropic writes them."""
    return [_call(part, place) for part in _parts(content) if part.get("type") == "tool_use"]


def message_text(content: Json) -> str:
    """Return the text of a message's content: a text, or the texts of its parts."""
    if isinstance(content, str):
        return content.strip()
    texts = [text for part in _parts(content) if isinstance(text := part.get("text"), str)]
    return "\n".join(texts).strip()


def name_of(item: Mapping[str, Json]) -> str:
    """Return the name of the tool of a call; empty if it has none."""
    inner = item.get("function")
    holders: list[Any] = [inner, item] if isinstance(inner, Mapping) else [item]
    found = (holder.get(key) for holder in holders for key in _NAMES)
    return next((name for name in found if isinstance(name, str) and name.strip()), "")


def arguments_of(item: Mapping[str, Json]) -> Json:
    """Return the arguments of a call as they are recorded; None if they are not."""
    inner = item.get("function")
    holder: Any = inner if isinstance(inner, Mapping) else item
    return next((holder[key] for key in _ARGUMENTS if holder.get(key) is not None), None)


def _call(item: Mapping[str, Json], place: str) -> _DraftCall:
    name = name_of(item)
    if not name:
        raise UnreadableTrajectoryError(_unreadable(place, item))
    recorded = arguments_of(item)
    if item.get("type") == "custom_tool_call":  # its input is free text
        recorded = {"input": recorded}
    arguments, problem = parse_arguments(recorded)
    identity = next((item[key] for key in ("call_id", "id") if isinstance(item.get(key), str)), None)
    call = _DraftCall(identity, name, arguments, problem)
    result = next((item[key] for key in _RESULTS if item.get(key) is not None), None)
    error = _reported(item, result)
    if result is not None or error:
        call.answer(result, error)
    return call


def parse_arguments(recorded: Json) -> tuple[Mapping[str, Json] | None, str]:
    """Return the arguments of a call, and why they cannot be read; both are empty if none are recorded."""
    if isinstance(recorded, str):
        if not recorded.strip():  # some servers write an empty text for a call without arguments
            return {}, ""
        try:
            recorded = loads(recorded)
        except ValueError as error:
            return None, f"its arguments are not JSON: {error}"
    if recorded is None or isinstance(recorded, Mapping):
        return recorded, ""
    return None, f"its arguments are {format_value(recorded)}, not an object"


def _read_result(item: Mapping[str, Json], draft: _Draft) -> None:
    content = next((item[key] for key in ("content", *_RESULTS) if key in item), None)
    if parts := _parts(content):
        texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
        content = "\n".join(texts) if texts else content
    call_id = next((item[key] for key in _CALL_IDS if isinstance(item.get(key), str)), None)
    name = item.get("name")
    draft.answer(call_id, name if isinstance(name, str) else None, content, _reported(item, content))


_ERROR: Final = re.compile(r"(?:error|exception|traceback)\b(?!-free)", re.IGNORECASE)
_LONGEST_ERROR: Final = 200


def _reported(item: Mapping[str, Json], result: Json) -> str:
    """Return the error that a tool reported, or an empty text.

    A result is an error if it is marked as one (``error``, ``is_error``, ``status``), if it is an object with an
    ``error``, or text that begins with "Error".
    """
    if error := item.get("error"):
        return _short(error)
    if item.get("is_error") is True or item.get("isError") is True or item.get("status") == "error":
        return _short(result) or "error"
    body = _plain(result) if isinstance(result, str) and '"error"' in result else result
    if isinstance(body, Mapping):
        return _short(body["error"]) if body.get("error") else ""
    return _short(body) if isinstance(body, str) and _ERROR.match(body.lstrip()) else ""


def _short(value: Json) -> str:
    text = value.strip() if isinstance(value, str) else format_value(value)
    return " ".join(text.split())[:_LONGEST_ERROR]
