"""Commands in texts that we print: found, with the words around them left out."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.cli.main import VERBS, module_of
from pytest_evalgate.cli.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]

_COMMAND: Final = re.compile(
    r"(?<![\w./-])((?:cd [\w./-]+ && )?(?:pytest-evalgate [a-z]+\b(?!:)|pytest (?=--eval|-[a-z] |golden|tests))[^\n]*)"
)
_END: Final = re.compile(r"\s+#|\s*\(|\)|`|(?<=\w)[,;:.](?=\s|$)| \| |\s+$| (?:or|and|to|then|with) (?![\"'])")
_QUOTED: Final = re.compile(r'"[^"]*"|\'[^\']*\'')


def commands_in(text: str) -> Iterator[str]:
    """Yield the commands of a text; lines that end in a backslash go on."""
    joined = re.sub(r" \\\n\s*", " ", text)
    for found in _COMMAND.findall(joined):
        hidden = _QUOTED.sub(lambda quoted: "x" * len(quoted[0]), found)
        end = _END.search(hidden)
        command = found[: end.start()] if end else found
        if len(command.split()) > 1:
            yield command.strip()


def examples() -> Iterator[str]:
    """Yield the examples of the verbs' ``--help``, one command each."""
    for name in VERBS:
        found = importlib.import_module(module_of(name)).VERB
        for verb in (found,) if isinstance(found, Verb) else found.values():
            yield from re.split(r" && |; ", verb.example.partition(" > ")[0])


def screens() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every screen that is kept: golden files, and outputs in the documentation."""
    golden = [*(ROOT / "tests" / "reports" / "golden").iterdir(), *(ROOT / "tests" / "cli" / "screens").iterdir()]
    for path in sorted(golden):
        if path.suffix in {".txt", ".md"}:
            yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for block in re.findall(r"^```\w*\n(\$ .*?)^```", path.read_text("utf-8"), re.DOTALL | re.MULTILINE):
            printed = re.sub(r"^\$ (?:.*\\\n)*.*$", "", block, flags=re.MULTILINE)
            yield path.relative_to(ROOT).as_posix(), printed
