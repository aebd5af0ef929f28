"""The page about troubleshooting names messages of the program: each is in its source, or printed for a mistake."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT: Final = Path(__file__).parents[1]
_PAGE: Final = _ROOT / "docs" / "troubleshooting.md"
_ROW: Final = re.compile(r"^\| (`[^|]*) \|", re.MULTILINE)
_QUOTED: Final = re.compile(r"`([^`]+)`")
_PRINTED: Final = _ROOT / "tests" / "mistakes"
_OF_OTHERS: Final = {"TypeError", "KeyError", "insufficient_quota"}  # Python's and servers' own


def _messages() -> list[str]:
    tables = _PAGE.read_text("utf-8").partition("## No case was selected")[2].partition("## Questions")[0]
    return [quoted for row in _ROW.findall(tables) for quoted in _QUOTED.findall(row) if quoted not in _OF_OTHERS]


def _texts_of(tree: ast.Module) -> Iterator[str]:
    """Yield the texts of a module, without comments and docstrings; parts of an f-string as one text."""
    described = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (described | inside):
            yield node.value


@pytest.fixture(scope="module")
def texts() -> str:
    modules = (ast.parse(path.read_text("utf-8")) for path in (_ROOT / "src").rglob("*.py"))
    printed = (path.read_text("utf-8") for path in _PRINTED.glob("*.toml"))
    return "\n".join([*(text for tree in modules for text in _texts_of(tree)), *printed])


def test_comments_and_docstrings_are_no_messages() -> None:
    source = '"""one"""\nx = 1  # two\n"""three"""\n\ndef f():\n    """four"""\n    return f"five {x}" "six"\n'
    assert list(_texts_of(ast.parse(source))) == ["five {}six"]


@pytest.mark.parametrize("message", _messages())
def test_a_message_of_the_page_is_one_of_the_program(message: str, texts: str) -> None:
    assert [part for part in message.split("…") if part.strip() not in texts] == []
