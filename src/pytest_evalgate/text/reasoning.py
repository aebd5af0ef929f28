"""Reasoning of models, kept apart from their answers.

Reasoning models put drafts before or between the parts of the answer, in marked blocks of the text or in separate
fields. A draft is not the answer: a word that occurs only in the reasoning must not pass a rule, and a JSON object in
it is not the reply of a judge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class SplitText:
    """The answer and the reasoning of a text. ``closed`` is false if a block of reasoning has no end."""

    answer: str
    reasoning: str = ""
    closed: bool = True


# A text without any of these has no marker; most texts have none.
_HINTS: Final = ("<", "&lt;", "[", "◁", "```", "hought process", "assistant", "Thinking...")


def _may_have_block(text: str) -> bool:
    for hint in _HINTS:  # noqa: SIM110 - a third of the time of any(), for each output
        if hint in text:
            return True
    return False


def split_text(text: str) -> SplitText:
    """Return the answer and the reasoning of a text.

    A block ends with the end tag of the same name. Everything before an end without a start is reasoning, because some
    chat templates put the start into the prompt. A marker in quotes or backticks is only mentioned.

    Example::

        split_text("<think>14 days? No.</think>30 days")  # SplitText("30 days", "14 days? No.")
    """
    if not _may_have_block(text):
        return SplitText(text)
    from pytest_evalgate.text.reasoning_blocks import remove_blocks  # noqa: PLC0415 - only if there may be a block

    answer, found, closed = remove_blocks(text)
    if answer is text:
        return SplitText(text)
    return SplitText(answer, "\n\n".join(filter(None, map(str.strip, found))), closed)


# --- values ---------------------------------------------------------------------------------------------------------

# Fields with reasoning. "reasoning" and "thinking" may be fields of an application's own output, so they count only
# in a message: an object with a role and a content.
_FIELDS: Final = ("reasoning_content", "reasoning_details", "thinking_blocks")
_MESSAGE_FIELDS: Final = (*_FIELDS, "reasoning", "reasoning_text", "thinking", "thoughts", "thought")
_PART_TEXTS: Final = frozenset({"text", "thinking", "summary", "data"})
_PARTS: Final = frozenset({"thinking", "redacted_thinking", "reasoning", "thought", "reasoning_content"})


@dataclass(frozen=True, slots=True)
class SplitValue:
    """The answer and the reasoning of a JSON value, as `SplitText`."""

    answer: Any
    reasoning: str = ""
    closed: bool = True


def split_value(value: Any) -> SplitValue:
    """Return the answer and the reasoning of a JSON value: in its texts, messages and content parts."""
    if not isinstance(value, str | dict | list) or (isinstance(value, str) and not _may_have_block(value)):
        return SplitValue(value)
    found: list[SplitText] = []
    answer = _without_reasoning(value, found)
    if not found:
        return SplitValue(value)
    reasoning = "\n\n".join(filter(None, (part.reasoning for part in found)))
    return SplitValue(answer, reasoning, all(part.closed for part in found))


def is_reasoning_part(part: Mapping[str, Any]) -> bool:
    """Return whether a part of a message's content is reasoning: by its type, or by Gemini's ``thought``."""
    return part.get("type") in _PARTS or part.get("thought") is True


def message_reasoning(message: Mapping[str, Any]) -> str:
    """Return the reasoning in the fields of a chat message; servers send one of them, or the same text in several."""
    return next(filter(None, (texts_of(message[name]) for name in _MESSAGE_FIELDS if name in message)), "")


def texts_of(value: Any) -> str:
    """Return the texts in the value of a field of reasoning: a text, or parts that contain texts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n\n".join(filter(None, map(texts_of, value)))
    if isinstance(value, dict):
        names = ("text", "thinking", "summary", "content", "reasoning")
        return "\n\n".join(filter(None, (texts_of(value[name]) for name in names if name in value)))
    return ""


def _without_reasoning(value: Any, found: list[SplitText]) -> Any:
    if isinstance(value, str):
        split = split_text(value)
        if split.answer is not value:
            found.append(split)
        return split.answer
    if isinstance(value, list):
        return [_without_reasoning(part, found) for part in _visible(value, found)]
    if isinstance(value, dict):
        names = _MESSAGE_FIELDS if "content" in value and "role" in value else _FIELDS
        found.extend(SplitText("", texts_of(value[name])) for name in names if name in value)
        return {name: _without_reasoning(member, found) for name, member in value.items() if name not in names}
    return value


def _visible(parts: list[Any], found: list[SplitText]) -> Iterable[Any]:
    for part in parts:
        if (
            isinstance(part, dict)
            and is_reasoning_part(part)
            and part.keys() & {"text", "thinking", "summary", "data"}
        ):
            found.append(SplitText("", texts_of(part)))
        else:
            yield part
