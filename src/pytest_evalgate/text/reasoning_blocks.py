"""Blocks of reasoning in a text, as chat templates and servers mark them.

Only texts with a hint of a marker need this module: its patterns take 8 ms.
"""

from __future__ import annotations

import re
from typing import Final

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


def remove_blocks(text: str) -> tuple[str, list[str], bool]:
    """Return the text without its blocks of reasoning, the blocks, and whether all of them are closed."""
    found: list[str] = []
    rest, closed = _without_channels(text, found)
    for pattern in (_GEMMA, _GRANITE, _OLLAMA, _BARE_CHANNELS, _FENCE):
        rest, ended = _without_blocks(rest, pattern, found)
        closed = closed and ended
    rest, ended = _without_tags(rest, found)
    return rest if rest is text else _RESPONSE_TOKENS.sub("", rest).strip(), found, closed and ended


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
