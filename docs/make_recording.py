"""Record the walk of the example first_hour as an animated SVG: ``python docs/make_recording.py``.

The commands are run, and what they print is laid out as one column of text that scrolls in a window of 30 lines. Each
command is typed, and its output follows in pages. The picture is CSS only, so it also plays on GitHub, where images
run no scripts; with reduced motion, it shows the end.
"""

# ruff: noqa: INP001, T201 - a script, which prints what it made

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

_DOCS: Final = Path(__file__).resolve().parent
_ROOT: Final = _DOCS.parent
_OUT: Final = _DOCS / "images" / "recording.svg"
_SECONDS: Final = 20.0
_HOLD: Final = 4.0  # seconds of the last page
_TYPING: Final = 0.9
_COLUMNS: Final = 100
_ROWS: Final = 30
_PAGE: Final = 24  # lines that appear at once
_LINE: Final = 18
_CHARACTER: Final = 8.02  # of a monospaced font of 13.33 px; textLength makes each font fit
_MARGIN: Final = 14
_COLOURS: Final = {"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "36": "#79c0ff"}
_SGR: Final = re.compile(r"\x1b\[([\d;]*)m")
_EDITS: Final = {
    1: '# evalgate.toml: set the target to the bot, target = { python = "bot:answer" }',
    3: "# bot.py: make it cheaper, and worse: it reads only the first four words of a question",
}

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True)
class _Step:
    """A command line or a page of output: its lines, when they appear, and the seconds that they are typed for."""

    lines: tuple[str, ...]
    at: float
    typed: float = 0.0


def main() -> int:
    """Walk through the example in a folder of its own, and write the picture."""
    sys.path.insert(0, str(_ROOT))
    from benchmarks.first_hour import Walk  # noqa: PLC0415 - found only from the root of the repository

    ran: list[tuple[str, str]] = []

    def run(command: tuple[str, ...], folder: Path, variables: Mapping[str, str]) -> tuple[int, str]:
        words = (*command, "-q") if command[0] == "pytest" else command
        code, printed = _in_colour(words, folder, variables)
        ran.append((shlex.join(words), printed))
        return code, printed

    with tempfile.TemporaryDirectory() as folder:
        Walk(Path(folder, "shop"), run).to_red()
    steps = list(_timed(ran[:4]))  # the fifth command writes the comment
    _OUT.write_text("\n".join(_picture(steps)) + "\n", encoding="utf-8")
    print(f"{_OUT.relative_to(_ROOT)}: {len(steps)} steps, {_OUT.stat().st_size:,} bytes")
    return 0


def _in_colour(command: tuple[str, ...], folder: Path, variables: Mapping[str, str]) -> tuple[int, str]:
    """Run a command as `benchmarks.first_hour` does, with the colours of a terminal."""
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "EVALGATE_", "CI", "NO_"))
    }
    colours = ("--color=yes", "-p", "no:randomly") if command[0] == "pytest" else ()
    done = subprocess.run(  # noqa: S603 - our own commands
        [Path(sys.executable).with_name(command[0]), *command[1:], *colours],
        cwd=folder, env={**own, **variables, "COLUMNS": str(_COLUMNS), "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def _timed(commands: Sequence[tuple[str, str]]) -> Iterator[_Step]:
    """Share the seconds out: typing takes the same time for each command, and pages the rest by their lines."""
    pages = [_pages(printed) for _, printed in commands]
    lines = sum(len(page) for output in pages for page in output) - len(pages[-1][-1])
    reading = (_SECONDS - _HOLD - _TYPING * (len(commands) + len(_EDITS))) / lines
    at = 0.0
    for number, (command, _) in enumerate(commands):
        for line in (*([_EDITS[number]] if number in _EDITS else []), f"$ {command}"):
            yield _Step((line,), at, _TYPING * 0.7)
            at += _TYPING
        for page in pages[number]:
            yield _Step(page, at)
            at += reading * len(page)


def _pages(printed: str) -> list[tuple[str, ...]]:
    lines = printed.rstrip("\n").split("\n")
    return [tuple(lines[start : start + _PAGE]) for start in range(0, len(lines), _PAGE)]


def _picture(steps: Sequence[_Step]) -> Iterator[str]:
    width, height = round(_COLUMNS * _CHARACTER) + 2 * _MARGIN, _ROWS * _LINE + 2 * _MARGIN + _LINE
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'aria-label="Recording of a terminal: a spreadsheet is imported, a baseline is promoted, the bot gets worse, '
        'and the gate fails">'
    )
    yield "<style>"
    yield "text { font: 13.33px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre }"
    yield "text { fill: #e6edf3 }"
    yield ".p { fill: #79c0ff } .b { font-weight: bold }"
    yield from (f".c{code} {{ fill: {colour} }}" for code, colour in _COLOURS.items())
    yield from _keyframes(steps)
    yield "</style>"
    yield f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>'
    yield f'<clipPath id="w"><rect y="{_MARGIN}" width="{width}" height="{_ROWS * _LINE + _LINE // 2}"/></clipPath>'
    yield '<g clip-path="url(#w)"><g id="s">'
    row = 0
    for number, step in enumerate(steps):
        yield f'<g id="t{number}">'
        for line in step.lines:
            row += 1
            yield _text(line, row * _LINE + _MARGIN)
        yield "</g>"
    yield "</g></g></svg>"


def _keyframes(steps: Sequence[_Step]) -> Iterator[str]:
    """Yield the animations: of each step, from hidden to shown; of all lines, the scrolling."""
    stops, row = ["0% { transform: none }"], 0
    for number, step in enumerate(steps):
        row += len(step.lines)
        start, end = (100 * second / _SECONDS for second in (step.at, step.at + step.typed))
        if step.typed:
            length = len(step.lines[0])
            yield (
                f"@keyframes t{number} {{ 0%, {start:.2f}% {{ clip-path: inset(0 100% 0 0); "
                f"animation-timing-function: steps({length}) }} {end:.2f}%, 100% {{ clip-path: inset(0 0% 0 0) }} }}"
            )
        else:
            yield (
                f"@keyframes t{number} {{ 0%, {start:.2f}% {{ visibility: hidden }} "
                f"{start + 0.01:.2f}%, 100% {{ visibility: visible }} }}"
            )
        yield f"#t{number} {{ animation: t{number} {_SECONDS:g}s infinite step-end }}"
        up = max(row - _ROWS, 0) * _LINE
        stops.append(f"{start:.2f}% {{ transform: translateY(-{up}px) }}")
    last = stops[-1].partition("%")[2]
    yield f"@keyframes s {{ {' '.join(stops)} 100%{last} }}"
    yield f"#s {{ animation: s {_SECONDS:g}s infinite step-end }}"
    yield f"@media (prefers-reduced-motion) {{ * {{ animation: none !important }} #s {{{last.strip(' {}')}}} }}"


def _text(line: str, y: int) -> str:
    """Return a line as a text whose coloured parts are spans, as wide as its characters."""
    length = len(_SGR.sub("", line))
    if not length:
        return ""
    kind = ' class="p"' if line.startswith(("$ ", "# ")) else ""
    spans = "".join(_spans(line))
    return f'<text x="{_MARGIN}" y="{y}" textLength="{length * _CHARACTER:.1f}"{kind}>{spans}</text>'


def _spans(line: str) -> Iterator[str]:
    classes: list[str] = []
    for number, part in enumerate(_SGR.split(line)):
        if number % 2:
            codes = part.split(";")
            classes = [] if codes in (["0"], [""]) else [*classes, *(name for code in codes for name in _class(code))]
        elif part:
            yield f'<tspan class="{" ".join(classes)}">{escape(part)}</tspan>' if classes else escape(part)


def _class(code: str) -> tuple[str, ...]:
    return ("b",) if code == "1" else (f"c{code}",) if code in _COLOURS else ()


if __name__ == "__main__":
    sys.exit(main())
