"""The screens of README and docs are what the commands above them print: each page is run, from top to bottom.

`tests.docs_reader` says what the comments of a page mean. ``UPDATE_DOCS=1 pytest tests/test_docs_screens.py`` writes
into the pages what the commands print now.
"""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest
from tests.docs_reader import ROOT, STEP, Reader, environment_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_EXAMPLES: Final = sorted((ROOT / "examples").glob("*/README.md"))
_PAGES: Final = [*sorted(ROOT.glob("*.md")), *_EXAMPLES, *sorted((ROOT / "docs").rglob("*.md"))]

pytestmark = [
    pytest.mark.skipif(shutil.which("bash") is None, reason="the pages' commands are a shell's"),
    pytest.mark.skipif(shutil.which("git") is None, reason="some of the pages' commands are git's"),
]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    folder = tmp_path / "scene0"
    folder.mkdir()
    with ExitStack() as closing:
        yield Reader(folder, environment_of(tmp_path), closing)


def _is_followed(page: Path) -> bool:
    return any(step["verb"] != "elsewhere" for step in STEP.finditer(page.read_text("utf-8")))


_FOLLOWED: Final = [page for page in _PAGES if _is_followed(page)]


@pytest.mark.parametrize("page", _FOLLOWED, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_shows_what_its_commands_print(page: Path, reader: Reader) -> None:
    text = page.read_text("utf-8")
    followed = STEP.sub(reader.follow, text)
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(followed, "utf-8")
    else:
        assert [before for before, _ in reader.differences] == [now for _, now in reader.differences]


def test_a_screen_that_differs_is_found(reader: Reader) -> None:
    page = "<!-- run: exit 3, from two -->\n```console\n$ echo one; echo two; exit 3\nthree\n```\n"
    assert STEP.sub(reader.follow, page).endswith("$ echo one; echo two; exit 3\ntwo\n```\n")
    assert reader.differences == [("three", "two")]


def test_what_differs_from_run_to_run_is_not_compared(reader: Reader) -> None:
    page = "<!-- run -->\n```console\n$ echo 20260102T030405Z-00ff took 0.12s\n20261121T101500Z-3f9c took 9.87s\n```\n"
    assert STEP.sub(reader.follow, page) == page
    assert reader.differences == []


def test_a_command_goes_on_over_lines_and_files_are_written(reader: Reader) -> None:
    page = (
        "<!-- scene: empty -->\n<!-- file: a/b.txt -->\n```\none\n```\n<!-- add: a/b.txt -->\n```\ntwo\n```\n"
        "<!-- run -->\n```console\n$ cat \\\n    a/b.txt\none\ntwo\n$ ls\na\n```\n"
    )
    assert STEP.sub(reader.follow, page) == page
    assert reader.differences == []


def test_a_block_without_a_prompt_is_what_its_comment_runs(reader: Reader) -> None:
    page = "<!-- do: echo two > a -->\n<!-- run: exit 2, from w, of cat a; exit 2 -->\n```\none\n```\n"
    assert STEP.sub(reader.follow, page) == page.replace("\none\n", "\ntwo\n")
    assert reader.differences == [("one", "two")]


def test_another_exit_code_fails(reader: Reader) -> None:
    with pytest.raises(pytest.fail.Exception, match="exit 1, the page says 0"):
        STEP.sub(reader.follow, "<!-- run -->\n```console\n$ false\n```\n")
