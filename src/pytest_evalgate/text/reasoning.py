"""Reasoning of models, kept apart from their answers.

Reasoning models put drafts before or between the parts of the answer, in marked blocks of the text or in separate
fields. A draft is not the answer: a word that occurs only in the reasoning must not pass a rule, and a JSON object in
it is not the reply of a judge.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class SplitText:
    """The answer and the reasoning of a text. ``closed`` is false if a block of reasoning has no end."""

    answer: str
    reasoning: str = ""
    closed: bool = True


# Tags of the chat templates of DeepSeek and Qwen (think), Gemini (thought), Claude (thinking), Seed (seed:think) and
# of prompts that ask for reasoning in tags. A prefix, an attribute, white space and HTML's escapes are allowed.
_WORDS: Final = r"think(?:ing)?|thoughts?|reasoning"
_NAMES: Final = (
    rf"(?:[a-z0-9]{{1,20}}[:_-]){{0,4}}(?:{_WORDS}|(?:thought|thinking)_process|antthinking|reflection|scratch_?pad"
    r"|monologue|cot)"
)
_TAG: Final = rf"(?:<|&lt;) ?(?P<end1>/ ?)?(?P<name1>{_NAMES})(?:\s[^<>&]{{0,200}})? ?(?:>|&gt;)"
_BRACKETS: Final = (
    r"(?-i:\[(?P<end2>/)?(?P<name2>THINK(?:ING)?|REASONING)\])(?!\()"  # Mistral; "[THINK](url)" is a link
)
_TRIANGLES: Final = r"◁(?P<end3>/)?(?P<name3>think)▷"  # Kimi
# Special tokens: <|START_THINKING|> of Cohere, <|begin_of_thought|> of OpenThinker, <|think_start|>
_TOKENS: Final = (
    rf"<[|\uff5c](?:(?:start|begin)_(?:of_)?|(?P<end4>/|end_(?:of_)?))?(?P<name4>{_WORDS})"
    r"(?:_(?:start|begin)|(?P<tail4>_end))?[|\uff5c]>"
)
_DETAILS: Final = r"(?P<start5><details type=[\"']reasoning[\"'][^<>]{0,200}>)"  # Open WebUI; ends with </details>

_MARKER: Final = re.compile(f"{_TAG}|{_BRACKETS}|{_TRIANGLES}|{_TOKENS}|{_DETAILS}", re.IGNORECASE)
_DETAILS_END: Final = re.compile(r"</details>", re.IGNORECASE)
_QUOTES: Final = "`\"'"

# Channels of the Harmony format of gpt-oss: only the text of the channel "final" is for the user.
# https://cookbook.openai.com/articles/openai-harmony
_CHANNEL: Final = re.compile(
    r"(?:<\|start\|>[^<]{0,100})?<\|channel\|>\s*(?P<channel>\w{1,40})[^<]{0,200}(?:<\|constrain\|>[^<]{0,100})?<\|message\|>"
)
_MESSAGE_END: Final = re.compile(r"<\|(?:end|return|call)\|>")
# The same of Gemma, "<|channel>thought ... <channel|>", and of MedGemma.
_GEMMA: Final = re.compile(
    r"(?:<\|channel>|<unused94>)\s*thought\b(?P<thought>.*?)(?:(?P<end><channel\|>|<unused95>)|\Z)", re.DOTALL
)
_FENCE: Final = re.compile(
    rf"^```(?:{_WORDS})[ \t]*\n(?P<thought>.*?)(?:(?P<end>^```[ \t]*$)|\Z)", re.DOTALL | re.MULTILINE | re.IGNORECASE
)
# Granite marks both parts with a sentence.
_GRANITE: Final = re.compile(
    r"\A\s*here(?:'s| is) my thought process:(?P<thought>.*?)(?:(?P<end>here(?:'s| is) my response:)|\Z)",
    re.IGNORECASE | re.DOTALL,
)
# Ollama's command line prints this.
_OLLAMA: Final = re.compile(
    r"\A\s*Thinking\.\.\.\n(?P<thought>.*?)(?:(?P<end>^\.\.\.done thinking\.)|\Z)", re.DOTALL | re.MULTILINE
)
_RESPONSE_TOKENS: Final = re.compile(r"<\|(?:START|END)_RESPONSE\|>|<\|(?:begin|end)_of_solution\|>")

# Harmony, after a server has removed the special tokens: "analysisThe user asks ...assistantfinal30 days".
_BARE_CHANNELS: Final = re.compile(r"\Aanalysis(?P<thought>.*?)(?P<end>assistant\s?final)", re.DOTALL)

# A text without any of these has no marker; most texts have none.
_HINTS: Final = ("<", "&lt;", "[", "◁", "```", "hought process", "assistant", "Thinking...")


def split_text(text: str) -> SplitText:
    """Return the answer and the reasoning of a text.

    A block ends with the end tag of the same name. Everything before an end without a start is reasoning, because some
    chat templates put the start into the prompt. A marker in quotes or backticks is only mentioned.

    Example::

        split_text("<think>14 days? No.</think>30 days")  # SplitText("30 days", "14 days? No.")
    """
    if not any(hint in text for hint in _HINTS):
        return SplitText(text)
    found: list[str] = []
    rest, closed = _without_channels(text, found)
    for pattern in (_GEMMA, _GRANITE, _OLLAMA, _BARE_CHANNELS, _FENCE):
        rest, ended = _without_blocks(rest, pattern, found)
        closed = closed and ended
    rest, ended = _without_tags(rest, found)
    if rest is text:
        return SplitText(text)
    reasoning = "\n\n".join(filter(None, map(str.strip, found)))
    return SplitText(_RESPONSE_TOKENS.sub("", rest).strip(), reasoning, closed and ended)


def _without_channels(text: str, found: list[str]) -> tuple[str, bool]:
    """Return the text of the final channel, and whether there is one; other texts are returned unchanged."""
    headers = list(_CHANNEL.finditer(text))
    if not headers:
        return text, True
    answer = ""
    found.append(text[: headers[0].start()])
    for header, after in zip(headers, [*headers[1:], None], strict=True):
        part = text[header.end() : after.start() if after else len(text)]
        part = _MESSAGE_END.split(part, maxsplit=1)[0]
        if header["channel"] == "final":
            answer += part
        else:
            found.append(part)
    return answer, any(header["channel"] == "final" for header in headers)


def _without_blocks(text: str, pattern: re.Pattern[str], found: list[str]) -> tuple[str, bool]:
    matches = list(pattern.finditer(text))
    if not matches:
        return text, True
    found.extend(match["thought"] for match in matches)
    return pattern.sub("", text), all(match["end"] for match in matches)


def _without_tags(text: str, found: list[str]) -> tuple[str, bool]:
    """Return the text outside of the blocks, and whether all blocks are closed."""
    kept: list[str] = []
    open_name, depth, start = "", 0, 0
    position = 0
    while match := _MARKER.search(text, position):
        position = match.end()
        name, is_end = _kind_of(match)
        if _is_mention(text, match):
            continue
        if open_name:
            if name != open_name:
                continue
            depth += -1 if is_end else 1
            if depth == 0:
                found.append(text[start : match.start()])
                open_name, start = "", match.end()
        elif is_end:  # the start was in the prompt: all before it is reasoning
            found.append("".join([*kept, text[start : match.start()]]))
            kept.clear()
            start = match.end()
        elif name == "details":
            end = _DETAILS_END.search(text, position)
            kept.append(text[start : match.start()])
            if end is None:
                found.append(text[match.end() :])
                return "".join(kept), False
            found.append(text[match.end() : end.start()])
            start = position = end.end()
        else:
            kept.append(text[start : match.start()])
            open_name, depth, start = name, 1, match.end()
    if open_name:
        found.append(text[start:])
        return "".join(kept), False
    return ("".join([*kept, text[start:]]), True) if start else (text, True)


def _kind_of(match: re.Match[str]) -> tuple[str, bool]:
    """Return the name that the start and the end of a block share, and whether a marker is an end."""
    groups = match.groupdict()
    for number in "1234":
        if name := groups[f"name{number}"]:
            return f"{number}{name.lower()}", bool(groups[f"end{number}"] or (number == "4" and groups["tail4"]))
    return "details", False


def _is_mention(text: str, match: re.Match[str]) -> bool:
    if match[0].endswith("/>"):  # an empty element has no content
        return True
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    return bool(before) and before in _QUOTES and before == after


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
    if not isinstance(value, str | dict | list):
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
