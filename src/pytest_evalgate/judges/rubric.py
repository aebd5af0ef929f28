"""Rubrics: what a judge is told to look for. A text with a small head in TOML, of one's own or a ready one."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pydantic import ValidationError

from pytest_evalgate.config.tables import Table
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from pytest_evalgate import config
    from pytest_evalgate.judges.scale import ScaleName

Need = Literal["reference", "context"]

_BUILTIN_FOLDER: Final = Path(__file__).with_name("rubrics")
_FENCE: Final = "+++\n"
_MOST_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Rubric:
    """What a judge is told.

    ``needs`` is what every case has to bring, ``scale`` the one scale that it is written for, None for any.
    With ``pairs`` it compares the output with the reference, instead of grading it.
    """

    name: str
    text: str
    needs: tuple[Need, ...] = ()
    scale: ScaleName | None = None
    pairs: bool = False

    @property
    def sha256(self) -> str:
        """SHA-256, in hexadecimal, of what it says; its name and its sources are not part of it."""
        return jsonl.digest({"text": self.text, "needs": self.needs, "pairs": self.pairs})


class _Head(Table):
    """The head of a rubric file; ``sources`` are for its readers, and no judge sees them."""

    needs: tuple[Need, ...] = ()
    scale: Literal["binary", "1-5"] | None = None
    pairs: bool = False
    sources: tuple[str, ...] = ()


def builtin_rubrics() -> tuple[str, ...]:
    """Return the names of the ready rubrics."""
    return tuple(sorted(path.stem for path in _BUILTIN_FOLDER.glob("*.md")))


def load_rubric(judge: config.Judge, *, root: Path) -> Rubric:
    """Return the rubric of a judge: a ready one, a file below ``root``, or its criteria.

    Raises:
        SettingsError: there is no such file, it is not a rubric, or it is written for another scale.

    """
    if judge.criteria is not None:
        return parse_rubric(judge.criteria, name="criteria")
    name = judge.rubric or ""
    rubric = parse_rubric(_read(name, _path(name, root)), name=name)
    if rubric.scale not in (None, judge.scale):
        raise SettingsError(
            f'rubric {name}: it is written for scale = "{rubric.scale}", and the judge has "{judge.scale}"'
        )
    return rubric


def parse_rubric(text: str, *, name: str) -> Rubric:
    """Make a rubric of a text: a head between two lines of ``+++``, which may be left out, and what the judge is told.

    Raises:
        SettingsError: the head is malformed, or the judge is told nothing.

    """
    text = text.replace("\r\n", "\n")
    head, body = "", text
    if text.startswith(_FENCE):
        head, closed, body = text.removeprefix(_FENCE).partition(f"\n{_FENCE}")
        if not closed:
            raise SettingsError(f"rubric {name}: the head has no end: close it with a line of +++")
    if not body.strip():
        raise SettingsError(f"rubric {name}: it says nothing: write what makes an output pass, and what makes it fail")
    read = _head(head, name)
    return Rubric(name, body.strip(), read.needs, read.scale, read.pairs)


def _head(text: str, name: str) -> _Head:
    try:
        return _Head.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"rubric {name}: the head is not TOML: {error}") from None
    except ValidationError as error:
        told = "; ".join(map(_problem, error.errors(include_url=False)))
        raise SettingsError(f"rubric {name}: {told}") from None


def _problem(problem: ErrorDetails) -> str:
    key = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        known = tuple(_Head.model_fields)
        return f"{key}: unknown key{_near(key, known) or '; known are ' + ', '.join(known)}"
    return f"{key}: {problem['msg']} (got {problem['input']!r:.60})"


def _path(name: str, root: Path) -> Path:
    if name in builtin_rubrics():
        return _BUILTIN_FOLDER / f"{name}.md"
    try:
        return files.resolve_inside(root, Path(name))
    except ValueError as error:
        raise SettingsError(f"rubric {name}: {error}") from None


def _read(name: str, path: Path) -> str:
    if not path.is_file():
        known = _near(name, builtin_rubrics()) or f"; the ready rubrics are {', '.join(builtin_rubrics())}"
        raise SettingsError(f"rubric {name}: there is no such file{known}")
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"rubric {name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"rubric {name}: not UTF-8: byte at offset {error.start}; save as UTF-8") from None
    if len(raw) > _MOST_BYTES:
        raise SettingsError(f"rubric {name}: larger than {_MOST_BYTES:,} bytes; a judge reads it with every output")
    return text


def _near(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f'; did you mean "{close[0]}"?' if close else ""
