"""The page about troubleshooting names messages of the program: each is in its source, or printed for a mistake."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).parents[1]
_PAGE: Final = _ROOT / "docs" / "troubleshooting.md"
_JOINED: Final = re.compile(r'"\s*\n\s*f?"')  # a message over several lines
_ROW: Final = re.compile(r"^\| (`[^|]*) \|", re.MULTILINE)
_QUOTED: Final = re.compile(r"`([^`]+)`")
_PRINTED: Final = _ROOT / "tests" / "mistakes"
_OF_OTHERS: Final = {"TypeError", "KeyError", "insufficient_quota"}  # Python's and servers' own


def _messages() -> list[str]:
    tables = _PAGE.read_text("utf-8").partition("## No case was selected")[2].partition("## Questions")[0]
    return [quoted for row in _ROW.findall(tables) for quoted in _QUOTED.findall(row) if quoted not in _OF_OTHERS]


@pytest.fixture(scope="module")
def texts() -> str:
    paths = [*(_ROOT / "src").rglob("*.py"), *_PRINTED.glob("*.toml")]
    return _JOINED.sub("", "\n".join(path.read_text("utf-8") for path in paths))


@pytest.mark.parametrize("message", _messages())
def test_a_message_of_the_page_is_one_of_the_program(message: str, texts: str) -> None:
    assert [part for part in message.split("…") if part.strip() not in texts] == []
