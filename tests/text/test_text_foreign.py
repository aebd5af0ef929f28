"""Files that are not what their name says: one true sentence, whichever reader meets them."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate import config
from pytest_evalgate.errors import UserError
from pytest_evalgate.golden.load import read_file
from pytest_evalgate.judges import calibration
from pytest_evalgate.judges.label_rows import read_rows
from pytest_evalgate.judges.rubric import load_rubric
from pytest_evalgate.runs import baseline
from pytest_evalgate.targets import recorded
from pytest_evalgate.targets.prompts import load_prompt
from pytest_evalgate.text import foreign, jsonl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
_CONFLICT = b'<<<<<<< HEAD\n{"id": "a", "input": 1}\n=======\n{"id": "a", "input": 2}\n>>>>>>> topic\n'
_ROW = b'{"id": "a", "input": "b"}'

_FOREIGN = {
    "pointer": (_POINTER, "a Git LFS pointer, not the file itself: git lfs pull"),
    "pointer-crlf": (_POINTER.replace(b"\n", b"\r\n"), "a Git LFS pointer"),
    "annex": (b"/annex/objects/MD5E-s12--abc.jsonl\n", "a git-annex pointer"),
    "conflict": (_CONFLICT, "an unresolved merge conflict"),
    "conflict-crlf": (_CONFLICT.replace(b"\n", b"\r\n"), "an unresolved merge conflict"),
    "conflict-diff3": (_CONFLICT.replace(b"=======", b"||||||| 1234\n{}\n======="), "an unresolved merge conflict"),
    "html": (b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>", "an HTML page, not the file itself"),
    "utf-16": ('{"id": "ä"}\n'.encode("utf-16"), "encoded as UTF-16"),
    "utf-16-le": (_ROW.decode().encode("utf-16-le"), "encoded as UTF-16"),
    "utf-16-be": (_ROW.decode().encode("utf-16-be"), "encoded as UTF-16"),
    "utf-32": (_ROW.decode().encode("utf-32"), "encoded as UTF-16 or UTF-32"),
    "utf-32-be": (_ROW.decode().encode("utf-32-be"), "encoded as UTF-16 or UTF-32"),
    "gzip": (gzip.compress(_ROW), "a gzip archive"),
    "excel": (b"PK\x03\x04\x14\0\x06\0" + bytes(40), "a ZIP archive or an Excel file"),
    "parquet": (b"PAR1" + bytes(40), "a Parquet file"),
    "pdf": (b"%PDF-1.7\n", "a PDF document"),
    "rtf": (b"{\\rtf1\\ansi text}", "an RTF document"),
}
_ROWS_ONLY = {
    "xml": (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "an XML document"),
    "cr": (_ROW + b"\r" + _ROW + b"\r", "its line ends are CR alone"),
    "csv": (b"id,input,expected\na,b,c\n", "looks like CSV"),
    "csv-quoted": (b'"id","input"\n"a","b"\n', "looks like CSV"),
    "semicolons": (b"id;input;expected\na;b;c\n", "looks like CSV with semicolons"),
    "tsv": (b"id\tinput\na\tb\n", "looks like TSV"),
    "yaml": (b"- id: a\n  input: b\n", "looks like YAML"),
    "yaml-document": (b"---\ntests:\n  - vars: {}\n", "looks like YAML"),
}


def _golden(path: Path) -> None:
    raise UserError("\n".join(map(str, read_file(path, path.name).problems)))


def _labels(path: Path) -> None:
    raise UserError("\n".join(map(str, read_rows(path.rename(path.with_suffix(".csv")), name="labels.csv")[1])))


def _configuration(path: Path) -> None:
    path.rename(path.with_name("evalgate.toml"))
    config.load(path.parent)


def _baseline(path: Path) -> None:
    baseline.find(str(path), suite="s", file=path, root=path.parent)


def _rubric(path: Path) -> None:
    judge = config.Judge.model_validate({"model": "m", "rubric": path.rename(path.with_suffix(".md")).name})
    load_rubric(judge, root=path.parent)


_READERS: dict[str, Callable[[Path], object]] = {
    "golden set": _golden,
    "outputs": lambda path: recorded.load([path], root=path.parent),
    "labels": _labels,
    "configuration": _configuration,
    "baseline": _baseline,
    "calibration": calibration.read,
    "prompt": lambda path: load_prompt(path, name=path.name),
    "rubric": _rubric,
}


@pytest.mark.parametrize("reader", _READERS.values(), ids=list(_READERS))
@pytest.mark.parametrize(("content", "said"), _FOREIGN.values(), ids=list(_FOREIGN))
def test_every_reader_names_a_foreign_file(
    tmp_path: Path, content: bytes, said: str, reader: Callable[[Path], object]
) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError) as refused:
        reader(path)
    assert str(refused.value).count("\n") == 0
    assert said in str(refused.value)


@pytest.mark.parametrize(("content", "said"), _ROWS_ONLY.values(), ids=list(_ROWS_ONLY))
def test_rows_in_another_format_are_one_problem(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(content)
    (problem,) = read_file(path, "set.jsonl").problems
    assert str(problem).startswith(f"set.jsonl:1: {said}")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        _ROW,
        b"\xef\xbb\xbf" + _ROW + b"\r\n" + _ROW,
        _ROW + b"\n// <<<<<<< is written by git\n",
        b'{"input": "version https://git-lfs.github.com/spec/v1"}\n',
        b'{"input": "<<<<<<< HEAD\\n=======\\n>>>>>>> topic"}\n',
        "日本語\n".encode(),
        b"=======\nA title of reStructuredText\n=======\n",
        b"<b>Answer</b> the question: {{ input }}",
        b"id: a single line",
    ],
)
def test_an_ordinary_text_is_not_foreign(content: bytes) -> None:
    assert foreign.name_foreign(content) is None


def test_a_conflict_is_named_at_its_line_and_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(_ROW + b"\n" + _CONFLICT)
    lines, problems = jsonl.read(path, name="set.jsonl")
    assert (lines, [problem.line for problem in problems]) == ([], [2])


def test_one_malformed_line_is_still_its_own_problem(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(_ROW + b"\nid,input,expected\na,b,c\n")
    _, problems = jsonl.read(path, name="set.jsonl")
    assert [problem.line for problem in problems] == [2, 3]


@pytest.mark.parametrize("content", [b"<html>{{ input }}</html>", b'<?xml version="1.0"?><q>{{ input }}</q>', b"a\rb"])
def test_a_prompt_may_be_marked_up(content: bytes) -> None:
    assert foreign.name_foreign(content, free_text=True) is None
    assert foreign.name_foreign(content) is not None
