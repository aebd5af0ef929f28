"""Every escaper, against attacks and against arbitrary text."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.attacks import ALL, MARKDOWN, SPREADSHEET, TERMINAL, WORKFLOW, XSS

from pytest_evalgate.text.escape import (
    code,
    escape_cell,
    escape_hidden,
    escape_json,
    escape_line,
    fenced,
    format_command,
    inline,
    one_line,
    xml_attribute,
    xml_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

_RENDERER = MarkdownIt("commonmark", {"linkify": True, "html": True}).enable(["table", "strikethrough", "linkify"])
_TEXTS = st.text(st.characters() | st.sampled_from("`~*_[]()<>!@#|\\:.&-=+ \n\r\t/wgh1\x1b\u202e\ud800"), max_size=60)
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)


def _tokens(markdown: str) -> Iterator[Token]:
    for token in _RENDERER.parse(markdown):
        yield token
        yield from token.children or ()


def _assert_plain(markdown: str) -> None:
    """Assert that only words, or one block or span of code, are rendered."""
    kinds = {token.type for token in _tokens(markdown)}
    assert kinds <= {"paragraph_open", "inline", "text", "paragraph_close", "code_inline", "fence"}
    words = "".join(token.content for token in _tokens(markdown) if token.type == "text")
    assert not re.search(r"@\w|#[0-9]|(?<![a-z0-9])gh-[0-9]", words, re.IGNORECASE)


def _seen(text: str) -> str:
    """Return the rendered ``text`` without zero-width spaces."""
    words = "".join(token.content for token in _tokens(inline(text)) if token.type in {"text", "code_inline"})
    return words.replace("\u200b", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("14 days, 3.5 of 5 (70%)", "14 days, 3.5 of 5 (70%)"),
        ("snake_case_name -6.2", "snake_case_name -6.2"),
        ("-6.2 pp", "\\-6.2 pp"),
        ("1. first", "1\\. first"),
        ("0.9", "0.9"),
        ("a|b", "a&#124;b"),
        ("<b>", "&lt;b&gt;"),
        ("@octocat, a @ b", "@&#8203;octocat, a @ b"),
        ("fixes #12 and GH-3", "fixes \\#&#8203;12 and GH-&#8203;3"),
        ("https://example.org", "https\\://example\\.org"),
        ("www.example.org", "www\\.example\\.org"),
        ("a\n# b", "a \\# b"),
        ("\x1b[31m", "\\\\x1b\\[31m"),
        (" ", ""),
        ("", ""),
    ],
)
def test_plain_words(text: str, shown: str) -> None:
    assert inline(text) == shown


@pytest.mark.parametrize("text", ALL, ids=ascii)
def test_attacks_become_plain_words_code_or_a_block(text: str) -> None:
    for markdown in (inline(text), f"before {inline(text)} behind", code(text), fenced(text)):
        _assert_plain(markdown)
    assert _seen(text) == escape_line(text).strip()


@given(_TEXTS)
def test_any_text_becomes_plain_words_code_or_a_block(text: str) -> None:
    for markdown in (inline(text), f"before {inline(text)} behind", code(text), fenced(text)):
        _assert_plain(markdown)


@given(_TEXTS)
def test_a_cell_is_one_cell_for_any_text(text: str) -> None:
    for shown in (inline(text), code(text)):
        table = f"| a | b |\n| --- | --- |\n| {shown} | {shown} |\n"
        kinds = [token.type for token in _RENDERER.parse(table)]
        assert kinds.count("td_open") == 2
        assert kinds.count("tr_open") == 2


@given(st.text("abc1.-_:/ ()%,'", max_size=40))
def test_words_are_seen_as_they_are(text: str) -> None:
    assert _seen(text) == text.strip()


def test_code_is_unchanged_if_possible() -> None:
    assert code("refund-014 @octocat <b>") == "`refund-014 @octocat <b>`"
    assert code("a`b") == "a\\`b"
    assert code("a|b") == "a&#124;b"
    assert code("") == ""


@pytest.mark.parametrize(("text", "fence"), [("x", "```"), ("a ``` b", "````"), ("`" * 9 + "\n", "`" * 10)])
def test_a_fence_is_longer_than_any_run_within(text: str, fence: str) -> None:
    block = fenced(text, "text")
    assert block.startswith(f"{fence}text\n")
    assert block.endswith(f"\n{fence}")
    [token] = _RENDERER.parse(block)
    assert token.content == f"{text}\n"


@given(_TEXTS)
def test_any_text_stays_within_its_fence(text: str) -> None:
    [token] = _RENDERER.parse(fenced(text))
    assert token.type == "fence"


@pytest.mark.parametrize("text", [*WORKFLOW, *TERMINAL], ids=ascii)
def test_a_line_is_neither_a_command_nor_a_control(text: str) -> None:
    line = one_line(text)
    assert not _COMMAND.search(line)
    assert not [char for char in line if unicodedata.category(char) in _HIDDEN]
    assert one_line(line) == line


@given(_TEXTS)
def test_any_line_stays_as_it_is_once_escaped(text: str) -> None:
    assert one_line(one_line(text)) == one_line(text)
    assert not _COMMAND.search(one_line(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [("::error::x", "\\::error::x"), ("  ::x", "  \\::x"), ("a ::x", "a ::x"), ("##[error]x", "##\\[error]x")],
)
def test_a_command_is_escaped_visibly(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_a_command() -> None:
    line = format_command("error", "50% of a\nb\r:,", file="a,b:c%.jsonl", line=3, title="x\ny")
    assert line == "::error file=a%2Cb%3Ac%25.jsonl,line=3,title=x%0Ay::50%25 of a%0Ab%0D:,"
    assert format_command("endgroup", "") == "::endgroup::"


@pytest.mark.parametrize("text", ALL, ids=ascii)
def test_a_command_is_one_line_with_our_properties_only(text: str) -> None:
    line = format_command("error", text, file=text, line=1)
    found = re.fullmatch(r"::error file=([^:,\r\n]*),line=1::([^\r\n]*)", line)
    assert found is not None
    assert "##[" not in line


@pytest.mark.parametrize("text", SPREADSHEET, ids=ascii)
def test_no_cell_is_a_formula(text: str) -> None:
    shown = escape_cell(text)
    assert not re.match("\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]", shown)
    assert shown in {escape_hidden(text, "\t\r\n"), f"'{escape_hidden(text, chr(9) + chr(10) + chr(13))}"}


def test_a_cell_begins_with_no_white_space_that_a_spreadsheet_would_skip() -> None:
    assert [escape_cell(text) for text in ("\tx", "\rx", "\nx")] == ["'\tx", "'\rx", "'\nx"]


def test_plain_cells_stay_as_they_are() -> None:
    assert [escape_cell(text) for text in ("", "a", "1-2", "a=b", "x@y")] == ["", "a", "1-2", "a=b", "x@y"]


@given(_TEXTS)
def test_a_cell_survives_a_reader(text: str) -> None:
    assert next(csv.reader([f'"{escape_cell(text).replace(chr(34), chr(34) * 2)}"'.replace("\r", "")])) is not None
    assert not re.match("\\s*[=+\\-@]", escape_cell(text))


@pytest.mark.parametrize("text", ALL, ids=ascii)
def test_xml_contains_every_attack_as_text(text: str) -> None:
    element = ET.fromstring(f"<a b={xml_attribute(text)}>{xml_text(text)}</a>")  # noqa: S314 - our own
    assert len(element) == 0
    assert element.text == element.attrib["b"]
    assert not [char for char in element.text or "" if unicodedata.category(char) in _HIDDEN and char not in "\n\t"]


@given(_TEXTS)
def test_xml_is_valid_for_any_text(text: str) -> None:
    element = ET.fromstring(f"<a b={xml_attribute(text)}>{xml_text(text)}</a>")  # noqa: S314 - our own
    assert (element.text or "") == element.attrib["b"]


@pytest.mark.parametrize("text", XSS, ids=ascii)
def test_an_island_is_no_markup(text: str) -> None:
    shown = escape_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert not re.search("[<>&\u2028\u2029]", shown)
    assert json.loads(shown) == {text: [text]}


@given(st.recursive(st.none() | st.booleans() | st.integers() | _TEXTS, lambda inner: st.lists(inner, max_size=3)))
def test_json_in_a_script_keeps_any_value(value: object) -> None:
    shown = escape_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(shown) == value
    assert not re.search("[<>&\u2028\u2029]", shown)


def test_long_runs_grow_by_a_few_characters_each() -> None:
    for text in ("`" * 1_000_000, "<" * 1_000_000, "_" * 1_000_000, "\x1b" * 1_000_000, "0" * 1_000_000 + "."):
        assert len(inline(text)) <= 8 * len(text)
        assert len(fenced(text)) <= 4 * len(text) + 10


def test_markdown_attacks_act_without_escaping() -> None:
    acting = [text for text in MARKDOWN if {token.type for token in _tokens(text)} & {"link_open", "image"}]
    assert len(acting) >= 15
