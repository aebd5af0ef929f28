"""The screens of README and docs are what the commands above them print: each page is run, from top to bottom.

`tests.docs_reader` says what the comments of a page mean. ``UPDATE_DOCS=1 pytest tests/test_docs_screens.py`` writes
into the pages what the commands print now.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final
from unittest import mock

import pytest
from tests.docs_players import PLAYERS
from tests.docs_reader import ROOT, STEP, Reader, environment_of
from tests.docs_scenes import SCENES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_EXAMPLES: Final = sorted((ROOT / "examples").glob("*/README.md"))
_OURS: Final = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *_EXAMPLES,
    *sorted((ROOT / "docs").glob("*.md")),
]
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


_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FOLLOWED: Final = [page for page in _PAGES if _is_followed(page)]


@pytest.mark.parametrize("page", _FOLLOWED, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_shows_what_its_commands_print(page: Path, reader: Reader) -> None:
    text = page.read_text("utf-8")
    followed = STEP.sub(reader.follow, text)
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(followed, "utf-8")
    else:
        assert [before for before, _ in reader.differences] == [now for _, now in reader.differences]


@pytest.mark.parametrize("page", _OURS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    text = page.read_text("utf-8")
    followed = {step.start("open") for step in STEP.finditer(text) if step["open"]}
    left = [match[2] for match in _FENCE.finditer(text) if match.start() not in followed and ">>> " not in match[2]]
    assert left == []


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


def test_a_silent_block_is_run_and_left_as_it_is(reader: Reader) -> None:
    page = "<!-- run: silent, exit 2 -->\n```console\n$ echo one > a\n$ cat a; exit 2\n```\n"
    assert STEP.sub(reader.follow, page) == page
    assert (reader.folder / "a").read_text("utf-8") == "one\n"
    assert reader.differences == []


def test_what_installs_is_not_run(reader: Reader) -> None:
    page = "<!-- run -->\n```console\n$ pip install no-such-thing --no-index\n$ echo one\none\n```\n"
    assert STEP.sub(reader.follow, page) == page


def test_a_workflow_is_run_step_by_step_once_for_each_value(reader: Reader) -> None:
    page = (
        "<!-- steps: exit 3 -->\n```yaml\n        index: [1, 2]\n      - run: pip install x\n"
        "      - run: echo ${{ matrix.index }} >> a\n      - run: test ${{ needs.it.result }} = success; exit 3\n```\n"
    )
    STEP.sub(reader.follow, page)
    assert (reader.folder / "a").read_text("utf-8") == "1\n2\n"


def test_a_block_of_elsewhere_is_left_alone(reader: Reader) -> None:
    STEP.sub(reader.follow, "<!-- elsewhere: it is not ours -->\n```console\n$ touch a\n```\n")
    assert not (reader.folder / "a").exists()


def test_a_plain_command_of_ours_is_forked_and_says_its_errors(reader: Reader) -> None:
    page = "<!-- run: exit 1, from suite -->\n```console\n$ pytest-evalgate \\\n    baseline show\n```\n"
    with mock.patch.object(Reader, "_start", side_effect=AssertionError):
        assert "no suite is configured" in STEP.sub(reader.follow, page)


def test_models_are_the_local_server_and_no_other_host(reader: Reader) -> None:
    page = (
        '<!-- server: shop -->\n<!-- file: evalgate.toml -->\n```toml\n[models.a]\nmodel = "m"\n'
        'base_url = "https://api.example.com/v1"\n[suites.b.target]\nhttp = { url = "https://bot.example/v1" }\n```\n'
    )
    STEP.sub(reader.follow, page)
    assert reader.server is not None
    url = reader.server.base_url
    written = (reader.folder / "evalgate.toml").read_text("utf-8")
    assert (written.count("://"), written.count(url)) == (2, 2)


def test_every_scene_and_player_has_its_page() -> None:
    text = "".join(page.read_text("utf-8") for page in _FOLLOWED)
    assert [name for name in SCENES if f"<!-- make: {name} -->" not in text] == []
    assert [name for name in PLAYERS if f"<!-- server: {name} -->" not in text] == []
