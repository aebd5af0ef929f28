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
    begin = _COMMAND.search(joined)
    while begin:
        hidden = _QUOTED.sub(lambda quoted: "x" * len(quoted[0]), begin[0])
        end = _END.search(hidden)
        command = begin[0][: end.start()] if end else begin[0]
        if len(command.split()) > 1:
            yield command.strip()
        begin = _COMMAND.search(joined, begin.start() + max(1, len(command)))


def examples() -> Iterator[str]:
    """Yield the examples of the verbs' ``--help``, one command each."""
    for name in VERBS:
        found = importlib.import_module(module_of(name)).VERB
        for verb in (found,) if isinstance(found, Verb) else found.values():
            yield from re.split(r" && |; ", verb.example.partition(" > ")[0])


def golden_screens() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every screen that is kept as a golden file."""
    golden = [*(ROOT / "tests" / "reports" / "golden").iterdir(), *(ROOT / "tests" / "cli" / "screens").iterdir()]
    for path in sorted(golden):
        if path.suffix in {".txt", ".md"}:
            yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")


def pages() -> list[Path]:
    """Return the pages of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def printed_on(page: str) -> Iterator[str]:
    """Yield what the commands of a page print, without the commands themselves."""
    for block in re.findall(r"^```\w*\n(\$ .*?)^```", page, re.DOTALL | re.MULTILINE):
        yield re.sub(r"^\$ (?:.*\\\n)*.*$", "", block, flags=re.MULTILINE)
