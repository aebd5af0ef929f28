"""The quick reader of golden sets against the slow one: same cases, same digests, and all problems left to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_evalgate.golden import read_file
from pytest_evalgate.golden.load import parse_canonical
from pytest_evalgate.golden.record import fingerprint, row_digest
from pytest_evalgate.golden.valid_files import read_valid
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.golden import ReadFile

_EXAMPLES = Path(__file__).parents[2] / "examples"


def _slowly(path: Path) -> ReadFile:
    """Read a file as if each line had something out of the ordinary, and without jiter."""
    unsure = jsonl._UNSURE  # what the quick parser returns if in doubt
    with (
        mock.patch("pytest_evalgate.golden.load.read_valid", return_value=None),
        mock.patch.object(jsonl, "_parsed_quickly", return_value=unsure),
    ):
        return read_file(path, "g.jsonl")


def _check_same(path: Path) -> None:
    slow = _slowly(path)
    assert repr(read_file(path, "g.jsonl")) == repr(slow)  # repr: 1 is not 1.0 and not True, -0.0 is not 0.0
    quick = read_valid(path, "g.jsonl", parse_canonical)
    if quick is not None:
        assert slow.problems == ()
        assert repr(quick) == repr(slow.golden)


_NUMBERS = (
    *("1", "1.0", "-0", "-0.0", "0.0", "1e400", "-1e400", "1e308", "1.7976931348623158e308", "1.7976931348623159e308"),
    *("1E5", "1e-400", "5e-324", "1180591620717411303424", "9007199254740993", "123456789.123456789123456789", "01"),
    *("1.", ".5", "+1", "-", "1e", "NaN", "Infinity", "-Infinity", "9" * 639, "9" * 640, "9" * 641),
    *("-" + "9" * 639, "-" + "9" * 640, "0." + "1" * 638, "0." + "1" * 639),
)
_TEXTS = (
    *(
        "plain",
        "é",
        "\\u00e9",
        "😀",
        "\\ud83d\\ude00",
        "\\ud83d",
        "\\ude00",
        "\\ud83d\\ud83d",
        "\\u0000",
        "\x7f",
        "\x01",
    ),
    *("\\n", "\t", "\\/", "\\x", "\\u00", "\u2028", "\ufeff", "a\\\\u0000", '\\"', "::", " "),
)


@pytest.mark.parametrize("number", _NUMBERS)
@pytest.mark.parametrize(
    "form", ['{{"id": "a", "input": {0}}}', '{{"id": "a", "input": "x", "metadata": {{"n": [{0}]}}}}']
)
def test_numbers_are_read_alike(number: str, form: str, tmp_path: Path) -> None:
    path = tmp_path / "g.jsonl"
    path.write_text(form.format(number) + "\n", encoding="utf-8")
    _check_same(path)


@pytest.mark.parametrize("text", _TEXTS)
@pytest.mark.parametrize(
    "form", ['{"id": "a", "input": "@"}', '{"id": "a@", "input": 1}', '{"id": "a", "input": {"@": 1}}']
)
def test_texts_are_read_alike(text: str, form: str, tmp_path: Path) -> None:
    path = tmp_path / "g.jsonl"
    path.write_bytes(form.replace("@", text).encode("utf-8", "surrogatepass") + b"\n")
    _check_same(path)


_ROW = b'{"id": "a", "input": 1}'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\xef\xbb\xbf" + _ROW,
        b"\xef\xbb\xbf\xef\xbb\xbf" + _ROW,
        b"// comment\n\r\n  \t\n" + _ROW + b"\r\n",
        b"  " + _ROW + b"  ",
        b"\x0c" + _ROW,
        _ROW + b"\r" + _ROW.replace(b"a", b"b"),
        _ROW[:-1] + b"\r}",
        _ROW + b"\n" + _ROW,
        b'{"_meta": {"v": 1}}\n' + _ROW,
        _ROW + b'\n{"_meta": {"v": 1}}\n',
        b'{"_meta": {"v": 1}}\n{"_meta": {"v": 1}}\n' + _ROW,
        b'{"_meta": 1}\n' + _ROW,
        b'{"_meta": {}}\n',
        b'// c\n\n{"_meta": {}}\n' + _ROW,
        b'{"input": 1}\n{"input": 1}\n',
        b'{"input": 1}\n{"input": 1.0}\n',
        b'{"id": 1, "input": 1}\n{"id": "1", "input": 2}\n',
        '{"id": "é", "input": 1}\n{"id": "e\u0301", "input": 2}\n'.encode(),
        b'{"id": "a", "id": "b", "input": 1}',
        b'{"id": "a", "input": {"x": 1, "x": 1}}',
        b'{"id": "a", "\\u0069d": "b", "input": 1}',
        b'{"id": "a", "input": "\xff"}',
        b'{"id": "a", "input": "\xed\xa0\x80"}',
        b'{"id": "a", "input": "\0"}',
        b'{"id": "a", "input": ' + b"[" * 63 + b"]" * 63 + b"}",
        b'{"id": "a", "input": ' + b"[" * 64 + b"]" * 64 + b"}",
        b'{"id": "a", "input": ' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"id": "a", "input": "' + b"[" * 100 + b'"}',
        b'{"id": "a", "input": [' + b"0," * 500_001 + b"0]}",
        b'{"id": "a", "input": "' + b"x" * (8 << 20) + b'"}',
        b'{"id": "a", "input": 1, "Expected": 2}',
        b'{"id": "a", "input": 1, "colour": 2}',
        b'{"question": "q", "answer": "a"}',
        b'{"id": "a", "expected": 1}',
        b'{"id": "a", "messages": [{"role": "user", "content": "x"}]}',
        b'{"cases": [{"id": "a", "input": 1}]}',
        b"<<<<<<< ours\n" + _ROW + b"\n=======\n" + _ROW + b"\n>>>>>>> theirs\n",
        b"[" + _ROW + b"]",
        b"{\n" + _ROW[1:],
        _ROW + b" x",
        _ROW + b"\nnull\n",
        b"version https://git-lfs.github.com/spec/v1\n",
        _ROW.decode().encode("utf-16"),
    ],
    ids=lambda content: repr(content[:40]),
)
def test_files_are_read_alike(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "g.jsonl"
    path.write_bytes(content)
    _check_same(path)


def test_lines_across_blocks_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "g.jsonl"
    rows = ({"id": f"c{number}", "input": "é" * (number * 37_001 % 90_000)} for number in range(60))
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    assert path.stat().st_size > 2 << 20
    _check_same(path)
    assert read_valid(path, "g.jsonl", parse_canonical) is not None


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_SMALL_TEXTS = st.text(max_size=6)
_USUAL: dict[str, st.SearchStrategy[Any]] = {
    "expected": _VALUES,
    "output": _VALUES,
    "human_label": _VALUES,
    "tags": st.lists(_SMALL_TEXTS, max_size=3) | _VALUES,
    "metadata": st.dictionaries(_SMALL_TEXTS, _VALUES, max_size=3) | _VALUES,
    "vars": st.dictionaries(_SMALL_TEXTS, _VALUES, max_size=3) | _VALUES,
    "context": st.lists(_SMALL_TEXTS, max_size=3) | _SMALL_TEXTS | _VALUES,
    "reference_context": st.lists(_SMALL_TEXTS, max_size=3) | _VALUES,
    "expected_any": st.lists(_VALUES, max_size=3) | _VALUES,
    "trajectory": st.lists(_VALUES, max_size=3) | _VALUES,
    "expected_tools": st.lists(_VALUES, max_size=3) | _VALUES,
    "split": _SMALL_TEXTS | _VALUES,
    "weight": st.sampled_from([1, 1.0, 2, 0.5, 0, -1, None, "1"]),
    "trials": st.sampled_from([1, 3, 0, None]),
    "threshold": st.sampled_from([0.5, 1, 2, None]),
    "skip": st.sampled_from([True, False, None, "later", ""]),
    "rubric": _SMALL_TEXTS | st.lists(_SMALL_TEXTS, max_size=2),
    "slice": st.dictionaries(_SMALL_TEXTS, _SMALL_TEXTS, max_size=2),
    "asserts": st.just([{"type": "contains", "value": "x"}]) | st.just([{"kind": "contains", "value": "x"}]),
    "messages": st.just([{"role": "user", "content": "x"}]) | st.just([{"content": "x"}]),
    "colour": _VALUES,
}
_ROWS = st.fixed_dictionaries(
    {"input": _VALUES},
    optional={"id": st.text("ab1./-:# é", max_size=4) | st.integers(0, 3) | _VALUES, **_USUAL},
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(_ROWS, min_size=1, max_size=4), ascii_only=st.booleans())
def test_rows_are_read_alike(rows: list[dict[str, Any]], ascii_only: bool, tmp_path: Path) -> None:  # noqa: FBT001
    path = tmp_path / "g.jsonl"
    lines = (json.dumps(row, ensure_ascii=ascii_only) for row in rows)
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    _check_same(path)


def _golden_files() -> Iterator[Path]:
    return (path for path in _EXAMPLES.rglob("*.jsonl") if "golden" in path.name and path.stat().st_size < 1 << 19)


@pytest.mark.parametrize("path", sorted(_golden_files()), ids=lambda path: str(path.relative_to(_EXAMPLES)))
def test_examples_are_read_in_one_pass_with_their_digests(path: Path) -> None:
    quick = read_valid(path, "g.jsonl", parse_canonical)
    assert quick is not None
    assert repr(quick) == repr(_slowly(path).golden)
    assert jsonl.digest(sorted([case.id, row_digest(case)] for case in quick)) == quick.sha256
    assert all(case.fingerprint == fingerprint(case) for case in quick.cases if not case.id.isalnum())


def test_a_golden_set_of_usual_rows_is_parsed_once(tmp_path: Path) -> None:
    path = tmp_path / "g.jsonl"
    path.write_text('{"id": "a", "input": "x", "tags": ["t"]}\n{"id": "b", "input": "y"}\n', encoding="utf-8")
    with mock.patch("pytest_evalgate.golden.load.parse_row", side_effect=AssertionError):
        assert len(read_file(path, "g.jsonl").golden) == 2
