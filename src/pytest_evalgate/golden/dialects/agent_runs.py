"""Recorded conversations with an agent in rows of other tools: the question, the reply, and the steps to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_evalgate.golden.dialects import translate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def read_dialogue(value: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """Read ragas' ``user_input``: a question, or the messages of a conversation.

    A conversation in which the agent has the last word is a recorded one: its messages up to the last one of the user
    are the question, the reply after it is the output, and all of it is the trajectory, which ``reference_tool_calls``
    are compared with. So is one with calls whose last word is the user's, if the row has ``reference_tool_calls``.
    """
    read = translate.read_input(value)
    messages = read.get("messages")
    if not isinstance(messages, list) or set(read) != {"messages"}:
        return read
    said = messages
    if row.get("reference_tool_calls") is not None and any(one.get("tool_calls") for one in messages):
        while said and said[-1]["role"] == "user":
            said = said[:-1]
    asked = max((index for index, one in enumerate(said) if one["role"] == "user"), default=-1)
    replies = [one for one in said[asked + 1 :] if one["role"] == "assistant"]
    if asked < 0 or not replies:
        return read
    return {"messages": said[: asked + 1], **_recorded(said, replies[-1], row)}


def _recorded(said: Sequence[Any], reply: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recorded output, if the row has no other, and its trajectory."""
    trajectory = {"trajectory": list(said)}
    if row.get("response") is not None:
        return trajectory
    calls = reply.get("tool_calls")
    return {"output": {"content": reply["content"] or None, "tool_calls": calls} if calls else reply["content"]} | (
        trajectory
    )


def read_turns(value: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """Read deepeval's turns. If a recorded turn has ``tools_called``, all turns of the assistant are the trajectory.

    Raises:
        TranslationError: A turn has no role or content, or no turn is one of the user.
    """
    read = translate.read_turns(value, row)
    if "output" not in read or not any(turn.get("tools_called") for turn in value):
        return read
    steps = [
        {"role": "assistant", "content": turn["content"], "tool_calls": turn.get("tools_called") or []}
        for turn in value
        if turn["role"] == "assistant"
    ]
    return {**read, "trajectory": steps}
