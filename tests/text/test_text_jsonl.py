"""Strict JSON Lines: accepted and refused input, its messages, and the limits of the reader."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_evalgate.errors import LineProblem
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from pathlib import Path

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)
_OBJECT = st.dictionaries(_TEXT, _JSON, max_size=5)
_IN_ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def _read(folder: Path, content: bytes, **limits: int) -> tuple[list[jsonl.JsonLine], list[LineProblem]]:
    path = folder / "set.jsonl"
    path.write_bytes(content)
    return jsonl.read(path, name="golden/set.jsonl", limits=jsonl.JsonLimits(**limits))


def _values(folder: Path, content: bytes) -> list[tuple[int, dict[str, Any]]]:
    lines, problems = _read(folder, content)
    assert problems == []
    return [(line.number, line.value) for line in lines]


def _refusal(folder: Path, content: bytes, **limits: int) -> str:
    """Return the one problem of a file whose second line is bad, having checked that the others were read."""
    lines, problems = _read(folder, b'{"n": 1}\n' + content + b'\n{"n": 3}\n', **limits)
    assert [line.number for line in lines] == [1, 3]
    assert [problem.line for problem in problems] == [2]
    return str(problems[0])


@pytest.mark.parametrize(
    "content",
    [
        b'{"a": 1}\n{"a": 2}\n',
        b'{"a": 1}\n{"a": 2}',
        b'{"a": 1}\r\n{"a": 2}\r\n',
        b'\xef\xbb\xbf{"a": 1}\n{"a": 2}\n',
    ],
    ids=["plain", "no last newline", "CRLF", "byte order mark"],
)
def test_the_forms_that_editors_write_are_accepted(tmp_path: Path, content: bytes) -> None:
    assert _values(tmp_path, content) == [(1, {"a": 1}), (2, {"a": 2})]


def test_blank_and_comment_lines_are_skipped_and_counted(tmp_path: Path) -> None:
    content = b'\n  // a remark: {"a": 0}\n{"a": 1}\n \t\r\n{"a": 2}\n\n'
    assert _values(tmp_path, content) == [(3, {"a": 1}), (5, {"a": 2})]


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\u0085", "\x7f"])
def test_line_separators_inside_of_strings_do_not_end_a_line(tmp_path: Path, character: str) -> None:
    content = json.dumps({"a": f"x{character}y"}, ensure_ascii=False).encode()
    assert _values(tmp_path, content) == [(1, {"a": f"x{character}y"})]


@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x1c", "\x1d", "\x85", "\u2028"])
def test_escaped_separators_survive(tmp_path: Path, character: str) -> None:
    content = f'{{"a": "\\u{ord(character):04x}"}}'
    assert _values(tmp_path, content.encode()) == [(1, {"a": character})]


@pytest.mark.parametrize("separator", [b"\x0b", b"\x1c", b"\x0c"])
def test_a_raw_control_character_is_refused_on_its_line(tmp_path: Path, separator: bytes) -> None:
    assert "golden/set.jsonl:2: not JSON at column 9" in _refusal(tmp_path, b'{"a": "x' + separator + b'y"}')


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1,}', "trailing comma"),
        (b'{"a": [1, 2, ]}', "trailing comma"),
        (b"{'a': 1}", "not JSON at column 2: single quotes; use double quotes"),
        (b'{"a": 1', "not JSON at column 8: the text ends too early"),
        (b'{"a": 1} {"a": 2}', "not JSON at column 10: there is text after the end of the value"),
        (b'{"a": 1}\r{"a": 2}', "not JSON at column 10: there is text after the end of the value"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON at column 1: byte order mark inside the file; remove it"),
        (b'{"\xc3\xa4": tru}', "not JSON at column 7: "),
        (b"[1, 2]", "not an object but an array; write one {...} per line"),
        (b'"text"', "not an object but a string"),
        (b"7", "not an object but a number"),
        (b"true", "not an object but a boolean"),
        (b"null", "not an object but null"),
        (b'{"a": NaN}', "NaN is not JSON; use null"),
        (b'{"a": Infinity}', "Infinity is not JSON; use null"),
        (b'{"a": [-Infinity]}', "-Infinity is not JSON; use null"),
        (b'{"a": 1e400}', "number 1e400 is too large for a 64-bit float"),
        (b'{"a": -1e400}', "number -1e400 is too large"),
        (b'{"a": ' + b"9" * 641 + b"}", "number of 641 digits, at most 640; write it as a string"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "number of 10,000 digits"),
        (b'{"a": 0.' + b"9" * 10_000 + b"}", "number of 10,002 digits"),
        (b'{"id": 1, "id": 2}', 'duplicate key "id"'),
        (b'{"a": [{"b": {"c": 1, "d": 2, "c": 3}}]}', 'duplicate key "c"'),
        (b'{"a": 1, "\\u0061": 2}', 'duplicate key "a"'),
        (b'{"a": {"b": ["x", "\\ud800"]}}', 'golden/set.jsonl:2: a.b[1]: lone surrogate in "\\ud800"'),
        (b'{"a": "\\uDFFFx"}', 'a: lone surrogate in "\\udfffx"'),
        (b'{"\\ud83d": 1}', 'lone surrogate in "\\ud83d"'),
        (b'{"a": "x\\u0000y"}', 'a: NUL character in "x\\x00y"'),
        (b'{"a": {"\\u0000": 1}}', 'a: NUL character in "\\x00"'),
    ],
)
def test_a_bad_line_is_named_and_the_next_one_is_read(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in _refusal(tmp_path, content)


def test_a_pair_of_surrogates_and_an_escaped_backslash_are_no_faults(tmp_path: Path) -> None:
    content = rb'{"a": "\ud83d\ude00", "b": "\\ud800", "c": "\\u0000"}'
    assert _values(tmp_path, content) == [(1, {"a": "😀", "b": "\\ud800", "c": "\\u0000"})]


def test_the_largest_number_is_accepted(tmp_path: Path) -> None:
    assert _values(tmp_path, b'{"a": ' + b"9" * 640 + b', "b": 1.7e308}') == [(1, {"a": 10**640 - 1, "b": 1.7e308})]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_invalid_utf8_is_placed_in_the_file(tmp_path: Path, mark: bytes) -> None:
    content = mark + b'{"a": "\xc3\xa4"}\n// \xff is ignored in a remark\n{"a": "xy\xe9"}\n'
    lines, problems = _read(tmp_path, content)
    assert [line.number for line in lines] == [1]
    place = content.index(b"\xe9")
    expected = f"golden/set.jsonl:3: not UTF-8: byte e9 at offset {place} of the file; save as UTF-8"
    assert list(map(str, problems)) == [expected]


def test_an_encoded_surrogate_is_not_utf8(tmp_path: Path) -> None:
    assert "not UTF-8: byte ed at offset 16 of the file" in _refusal(tmp_path, b'{"a": "\xed\xa0\x80"}')


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_utf16_is_one_problem_with_its_remedy(tmp_path: Path, encoding: str) -> None:
    lines, problems = _read(tmp_path, '{"a": 1}\n{"a": 2}\n'.encode(encoding))
    assert lines == []
    message = "golden/set.jsonl:1: encoded as UTF-16 or UTF-32 (bytes ff fe at offset 0); save as UTF-8"
    assert list(map(str, problems)) == [message]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_the_mark_of_utf16_elsewhere_is_just_invalid(tmp_path: Path, mark: bytes) -> None:
    lines, problems = _read(tmp_path, mark + b'\xff\xfe\n{"a": 1}' if mark else b'{"a": 0}\n\xff\xfe\n{"a": 1}')
    assert lines[-1].value == {"a": 1}
    assert [problem.message.partition(";")[0] for problem in problems] == [
        f"not UTF-8: byte ff at offset {len(mark) or 9} of the file"
    ]


def test_utf16_without_a_mark_is_recognised_by_its_nul_bytes(tmp_path: Path) -> None:
    lines, problems = _read(tmp_path, '{"a": 1}'.encode("utf-16-le"))
    assert lines == []
    message = "golden/set.jsonl:1: encoded as UTF-16 or UTF-32 without a byte order mark; save as UTF-8"
    assert list(map(str, problems)) == [message]


@pytest.mark.parametrize("opening", [b'{"a":', b"[", b'{"a": [{"b":'])
def test_ten_thousand_levels_are_refused_without_recursion(tmp_path: Path, opening: bytes) -> None:
    assert "golden/set.jsonl:2: nested deeper than 64" in _refusal(tmp_path, opening * 10_000)


def test_the_deepest_nesting_is_exact(tmp_path: Path) -> None:
    deep = b'{"a": ' + b"[" * 63 + b"]" * 63 + b"}"
    assert _values(tmp_path, deep)[0][0] == 1
    assert "nested deeper than 64" in _refusal(tmp_path, deep.replace(b"[]", b"[[]]"))


def test_brackets_in_strings_and_side_by_side_are_not_depth(tmp_path: Path) -> None:
    value = {"a": "[" * 500 + '\\"[{' * 100, "b": [[] for _ in range(500)], "\\": '"' + "{" * 100}
    assert _values(tmp_path, json.dumps(value).encode()) == [(1, value)]


def test_a_line_of_100_mb_is_never_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.jsonl"
    with path.open("wb") as file:
        file.write(b'{"n": 1}\n{"a": "')
        file.seek(100_000_000, os.SEEK_CUR)
        file.write(b'"}\n{"n": 3}\n{"n": "\xff"}\n')
    tracemalloc.start()
    try:
        lines, problems = jsonl.read(path, name="huge.jsonl")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [line.number for line in lines] == [1, 3]
    assert str(problems[0]).startswith("huge.jsonl:2: longer than 8,388,608 bytes")
    assert f"byte ff at offset {path.stat().st_size - 4} " in problems[1].message
    assert peak < 3 * jsonl.JsonLimits().line_bytes


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("ending", [b"", b"\n"], ids=["at the end", "before another line"])
def test_the_longest_line_is_exact(tmp_path: Path, mark: bytes, ending: bytes) -> None:
    fits, too_long = b'{"a": "12"}', b'{"a": "123"}'
    assert _read(tmp_path, mark + fits + ending, line_bytes=11)[1] == []
    lines, problems = _read(tmp_path, mark + too_long + ending, line_bytes=11)
    assert lines == []
    assert [(problem.line, problem.message[:20]) for problem in problems] == [(1, "longer than 11 bytes")]


def test_white_space_cannot_hide_the_end_of_a_long_line(tmp_path: Path) -> None:
    assert "longer than 20 bytes" in _refusal(tmp_path, b" " * 30 + b'{"n": 2}', line_bytes=20)


def test_the_number_of_problems_is_bounded(tmp_path: Path) -> None:
    lines, problems = _read(tmp_path, b"x\n" * 10 + b'{"a": 1}\n', problems=3)
    assert lines == []
    assert [problem.line for problem in problems] == [1, 2, 3, 3]
    assert problems[-1].message == "too many problems; the rest was not read"


def test_a_missing_file_and_a_folder_are_problems_of_the_file(tmp_path: Path) -> None:
    missing = jsonl.read(tmp_path / "none.jsonl", name="none.jsonl")
    folder = jsonl.read(tmp_path, name="folder")
    assert missing == ([], [LineProblem("none.jsonl", 0, "", "cannot be read: No such file or directory")])
    assert folder == ([], [LineProblem("folder", 0, "", "cannot be read: it is a folder; name the file")])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    _, problems = jsonl.read(tmp_path / "pipe", name="pipe")
    assert list(map(str, problems)) == ["pipe: cannot be read: it is not a regular file"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "secret").touch(mode=0)
    _, problems = jsonl.read(tmp_path / "secret", name="secret")
    assert list(map(str, problems)) == ["secret: cannot be read: Permission denied"]


def test_a_name_with_a_nul_character_is_a_problem(tmp_path: Path) -> None:
    _, problems = jsonl.read(tmp_path / "a\0b", name="a")
    assert [problem.line for problem in problems] == [0]


def test_an_empty_file_has_neither_lines_nor_problems(tmp_path: Path) -> None:
    assert _read(tmp_path, b"") == ([], [])
    assert _read(tmp_path, b"\xef\xbb\xbf\r\n") == ([], [])


def test_many_duplicate_keys_are_found_in_linear_time(tmp_path: Path) -> None:
    content = "{" + ",".join(f'"{n}": 0' for n in range(100_000)) + ', "99999": 1}'
    begin = time.process_time()
    assert 'duplicate key "99999"' in _refusal(tmp_path, content.encode())
    assert time.process_time() - begin < 2


def test_ten_thousand_lines_are_fast(tmp_path: Path) -> None:
    row = {"id": "case", "input": "é" * 300, "expected": "\n" * 50, "metadata": {"score": 0.5, "list": [*range(40)]}}
    content = "\n".join(json.dumps({**row, "n": n}, ensure_ascii=n % 2 == 0) for n in range(10_000))
    (tmp_path / "set.jsonl").write_text(content, encoding="utf-8")
    begin = time.process_time()
    lines, problems = jsonl.read(tmp_path / "set.jsonl", name="set.jsonl")
    assert (len(lines), problems) == (10_000, [])
    assert time.process_time() - begin < 1.5  # 0.2 s on a quiet machine


@given(content=st.binary(max_size=300))
@_IN_ONE_FOLDER
def test_no_bytes_make_the_reader_raise(tmp_path: Path, content: bytes) -> None:
    lines, problems = _read(tmp_path, content, line_bytes=40, depth=5)
    numbers = [line.number for line in lines] + [problem.line for problem in problems]
    assert len(set(numbers)) == len(numbers)
    assert all(1 <= number <= content.count(b"\n") + 1 for number in numbers)


@given(parts=st.lists(st.sampled_from(list('{}[]":,\\\n\r \t/u0dn1e9-.aTNI😀\0\ufeff\u2028')), max_size=60))
@_IN_ONE_FOLDER
def test_no_near_json_makes_the_reader_raise(tmp_path: Path, parts: list[str]) -> None:
    _, problems = _read(tmp_path, "".join(parts).encode())
    for problem in problems:
        str(problem).encode()  # whatever the line holds, the message can be printed
        assert str(problem).isprintable()


@given(document=st.binary(max_size=200) | st.text(max_size=200))
def test_loads_raises_value_error_only(document: bytes | str) -> None:
    try:
        value = jsonl.loads(document)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either way out is right, as long as it says why
    else:
        assert jsonl.loads(jsonl.canonical(value)) == value


@given(rows=st.lists(_OBJECT, max_size=5), ascii_only=st.booleans())
@_IN_ONE_FOLDER
def test_written_values_are_read_back(tmp_path: Path, rows: list[dict[str, Any]], *, ascii_only: bool) -> None:
    content = "".join(json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows)
    assert [value for _, value in _values(tmp_path, content.encode())] == rows


@given(value=_JSON)
def test_canonical_is_one_ascii_line_with_the_same_value(value: Any) -> None:
    text = jsonl.canonical(value)
    assert text.isascii()
    assert "\n" not in text
    assert jsonl.loads(text) == value
    assert jsonl.canonical(jsonl.loads(text)) == text


@given(value=_OBJECT)
def test_canonical_does_not_depend_on_key_order(value: dict[str, Any]) -> None:
    backwards = dict(reversed(value.items()))
    assert jsonl.canonical(backwards) == jsonl.canonical(value)
    assert jsonl.digest(MappingProxyType(backwards)) == jsonl.digest(value)


def test_canonical_and_digest_are_pinned() -> None:
    assert jsonl.canonical({"b": [1, 2.5, None], "a": "é😀"}) == '{"a":"\\u00e9\\ud83d\\ude00","b":[1,2.5,null]}'
    # sha256sum of the two bytes "{}"
    assert jsonl.digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_canonical_refuses_nan_and_infinities(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        jsonl.canonical({"a": value})


def test_canonical_refuses_values_that_are_not_json() -> None:
    with pytest.raises(TypeError, match="set is not a JSON value"):
        jsonl.canonical({"a": {1}})


def test_loads_takes_any_value_of_text_or_bytes() -> None:
    assert jsonl.loads("[1]") == [1]
    assert jsonl.loads(b'\xef\xbb\xbf{"a":\r\n null}') == {"a": None}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ('{\n "a": 1,\n}', "not JSON at line"),
        ("[" * 100_000, "nested deeper than 64"),
        (b'{"a": "\xff"}', "not UTF-8: byte ff at offset 7 of the file"),
        ('{"a": 1, "a": 2}', 'duplicate key "a"'),
        ("", "not JSON at column 1: the text ends too early"),
        ("\ud800", "not UTF-8"),
    ],
)
def test_loads_names_the_problem(document: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=r"^" + message.replace("(", r"\(")):
        jsonl.loads(document)


def test_quoted_escapes_terminal_control_sequences() -> None:
    assert jsonl.quote_text("café\x1b[31m\u202e\n") == '"café\\x1b[31m\\u202e\\n"'
    assert jsonl.quote_text("abcdef", limit=3) == '"abc…"'


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (rb'{"a": ["\ud800", "\u0000", "\ud83d\ude00"]}', {"a": ["\ufffd", "\ufffd", "\U0001f600"]}),
        (rb'{"\udc00": 1}', {"\ufffd": 1}),
        (b'["\xff"]', ["\ufffd"]),
        (b'["\0", "a\nb"]', ["\ufffd", "a\nb"]),
        (b"[NaN, Infinity, -Infinity, 1e999, -1e999, 1.5]", [None, None, None, None, None, 1.5]),
    ],
)
def test_a_received_document_is_repaired(document: bytes, value: Any) -> None:
    assert jsonl.loads_received(document) == value


@pytest.mark.parametrize("document", [b"", b"{", b'{"a": 1, "a": 2}', b"[" * 100_000, b"\0", b"{'a': 1}", b"9" * 700])
def test_a_received_document_that_is_not_json_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        jsonl.loads_received(document)
