"""The recording at the top of README and index: a picture that loads nothing, and ends with the verdict."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).parents[1] / "docs" / "images" / "recording.svg"
_SVG: Final = "{http://www.w3.org/2000/svg}"
_LARGEST: Final = 100_000  # bytes


def _lines() -> list[str]:
    root = ET.fromstring(_FILE.read_text("utf-8"))  # noqa: S314 - our own file
    return ["".join(text.itertext()) for text in root.iter(f"{_SVG}text")]


def test_it_shows_the_way_from_a_spreadsheet_to_a_red_run() -> None:
    commands = [line for line in _lines() if line.startswith("$ ")]
    assert [command.split()[1:3] for command in commands] == [
        ["pytest-evalgate", "import"],
        ["pytest", "--eval-gate"],
        ["pytest-evalgate", "baseline"],
        ["pytest", "--eval-gate"],
    ]
    assert re.match(r"evalgate: FAIL .*\(exit 1\)", _lines()[-1])


def test_it_loads_nothing_and_is_small() -> None:
    text = _FILE.read_text("utf-8")
    assert len(text) < _LARGEST
    assert re.findall(r"<script|href=|url\((?!#)|@import|\son\w+=", text) == []


def test_it_can_be_held_still() -> None:
    assert "prefers-reduced-motion" in _FILE.read_text("utf-8")
