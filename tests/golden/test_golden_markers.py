from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.golden.markers import MarkedTest, find_marked, marked_in, suite_of

if TYPE_CHECKING:
    from pathlib import Path

_SOURCE = r"""
import pytest
from pytest import mark
PATH = "golden/a.jsonl"

@pytest.mark.skipif(False, reason="\d")
@pytest.mark.golden_set("golden/a.jsonl", "golden/b.jsonl", scorers=["exact"])
def test_paths(case): ...

@mark.golden_set(suite="faq")
async def test_suite(case): ...

@pytest.mark.golden_set(PATH)
def test_name(case): ...

@pytest.mark.golden_set(*[PATH], **{})
def test_star(case): ...

class TestBot:
    pytestmark = [pytest.mark.slow, pytest.mark.golden_set("golden/c.jsonl")]

    @pytest.mark.golden_set("golden/d.jsonl")
    def test_method(self, case): ...

@pytest.mark.other("golden/e.jsonl")
def test_other(case): ...
"""


def test_every_form_of_the_marker_is_read() -> None:
    assert marked_in(_SOURCE.encode()) == (
        MarkedTest("test_paths", 7, ("golden/a.jsonl", "golden/b.jsonl")),
        MarkedTest("test_suite", 10, (), "faq"),
        MarkedTest("test_name", 13, is_literal=False),
        MarkedTest("test_star", 16, is_literal=False),
        MarkedTest("TestBot", 20, ("golden/c.jsonl",), is_class=True),
        MarkedTest("TestBot::test_method", 22, ("golden/d.jsonl",)),
    )


def test_a_module_is_marked_as_a_whole() -> None:
    assert marked_in(b"pytestmark = pytest.mark.golden_set('a.jsonl')\n") == (MarkedTest("", 1, ("a.jsonl",)),)


@pytest.mark.parametrize(
    "source",
    [b"", b"golden_set = 1", b"golden_set(", b"\xff golden_set", b"golden_set\0", b"golden_set" + b"(" * 9000],
)
def test_a_source_without_a_marker_or_with_an_error_has_none(source: bytes) -> None:
    assert marked_in(source) == ()


def test_environments_and_hidden_folders_are_not_searched(tmp_path: Path) -> None:
    text = "@pytest.mark.golden_set('a.jsonl')\ndef test_a(case): ...\n"
    for name in ("tests/test_a.py", ".hidden/test_b.py", "env/lib/test_c.py", "node_modules/test_d.py", "tests/a.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "tests" / "loop").symlink_to(tmp_path)
    assert [file.path.name for file in find_marked(tmp_path)] == ["test_a.py"]


@pytest.mark.parametrize(
    ("test", "suite"),
    [
        (MarkedTest("test_a", 1, ("golden/a.jsonl",)), "a"),
        (MarkedTest("test_a", 1, ("../golden/a.jsonl",)), "a"),
        (MarkedTest("test_a", 1, ("golden/both.jsonl",)), None),
        (MarkedTest("test_a", 1, ("golden/both.jsonl",), "b"), "b"),
        (MarkedTest("test_a", 1, ("golden/none.jsonl",)), None),
        (MarkedTest("test_a", 1, (), "none"), None),
        (MarkedTest("test_a", 1, ("golden/a.jsonl",), is_literal=False), None),
    ],
)
def test_the_suite_of_a_marked_test(tmp_path: Path, test: MarkedTest, suite: str | None) -> None:
    root = tmp_path.resolve()
    (root / "golden").mkdir()
    (root / "tests").mkdir()
    (root / "golden" / "a.jsonl").touch()
    golden = {
        "a": [root / "golden/a.jsonl", root / "golden/both.jsonl"],
        "b": [root / "golden/both.jsonl"],
    }
    assert suite_of(root / "tests" / "test_a.py", test, root=root, golden=golden) == suite
