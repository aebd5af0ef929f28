"""Rubrics: the grading criteria of a judge, as a Markdown text with an optional TOML head."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pydantic import ValidationError

from pytest_evalgate.config.tables import Table
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import files, foreign, jsonl
from pytest_evalgate.text.problems import explain
from pytest_evalgate.text.syntax import InvalidToml, parse_toml
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from pytest_evalgate import config
    from pytest_evalgate.judges.scale import ScaleName
    from pytest_evalgate.text.problems import Place

Need = Literal["reference", "context", "trajectory", "messages"]
ShareName = Literal["passages", "ranked-passages", "claims", "reference", "statement-f1"]
"""The share that a judge's score is, computed from one verdict for each passage or statement (`shares`)."""

_BUILTIN_FOLDER: Final = Path(__file__).with_name("rubrics")
_FENCE: Final = "+++\n"
_MAX_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Rubric:
    """Grading criteria.

    ``needs`` lists what every case must have. ``scale`` is the only scale the rubric is written for, or None for any.
    If ``pairs`` is true, the judge compares the output with the reference instead of grading it. With a ``share``, it
    gives a verdict for each passage or statement, and the score is computed from these.
    """

    name: str
    text: str
    needs: tuple[Need, ...] = ()
    scale: ScaleName | None = None
    pairs: bool = False
    share: ShareName | None = None

    @property
    def grades_notes(self) -> bool:
        """Whether the judge can be asked for a note on a case: those that compute a share have their own question."""
        return self.share is None

    @property
    def sha256(self) -> str:
        """SHA-256, in hexadecimal, of the content without the name and the sources."""
        share = {} if self.share is None else {"share": self.share}
        return jsonl.digest({"text": self.text, "needs": self.needs, "pairs": self.pairs, **share})


class _Head(Table):
    """Head of a rubric file. ``sources`` are for human readers and not part of the prompt."""

    needs: tuple[Need, ...] = ()
    scale: Literal["binary", "1-5"] | None = None
    pairs: bool = False
    share: ShareName | None = None
    sources: tuple[str, ...] = ()


def builtin_rubrics() -> tuple[str, ...]:
    """Return the names of the built-in rubrics."""
    return tuple(sorted(path.stem for path in _BUILTIN_FOLDER.glob("*.md")))


def load_rubric(judge: config.Judge, *, root: Path) -> Rubric:
    """Return the rubric of a judge: a built-in one, a file below ``root``, or its criteria.

    Raises:
        SettingsError: the file is missing or malformed, or the rubric is written for another scale.
    """
    if judge.criteria is not None:
        return parse_rubric(judge.criteria, name="criteria")
    name = judge.rubric or ""
    rubric = parse_rubric(_read(name, root), name=name)
    if rubric.scale not in (None, judge.scale):
        raise SettingsError(
            f'rubric {name}: written for scale = "{rubric.scale}", but the judge has scale = "{judge.scale}"'
        )
    return rubric


def parse_rubric(text: str, *, name: str) -> Rubric:
    """Parse a rubric: an optional head between two lines of ``+++``, and the text for the judge.

    Raises:
        SettingsError: the head is malformed, or the text is empty.
    """
    text = text.replace("\r\n", "\n")
    head, body = "", text
    if text.startswith(_FENCE):
        head, closed, body = text.removeprefix(_FENCE).partition(f"\n{_FENCE}")
        if not closed:
            raise SettingsError(f"rubric {name}: the head is not closed: end it with a line +++")
    if not body.strip():
        raise SettingsError(f"rubric {name}: the text is empty: describe what passes and what fails")
    parsed = _parse_head(head, name)
    if parsed.pairs and parsed.share is not None:
        raise SettingsError(f"rubric {name}: in the head: pairs and share exclude each other: keep one of them")
    return Rubric(name, body.strip(), parsed.needs, parsed.scale, parsed.pairs, parsed.share)


def _parse_head(text: str, name: str) -> _Head:
    try:
        head = parse_toml(text.encode())
    except InvalidToml as error:
        raise SettingsError(InvalidToml(error.line + 1, f"in the head: {error}").at(f"rubric {name}")) from None
    try:
        return _Head.model_validate(head)
    except ValidationError as error:
        problems = "; ".join(map(str, explain(error, head, unknown=_about_unknown)))
        raise SettingsError(f"rubric {name}: {problems}") from None


def _about_unknown(place: Place) -> str:
    known = tuple(_Head.model_fields)
    return did_you_mean(str(place[-1]), known) or f"; the keys are {', '.join(known)}"


def _read(name: str, root: Path) -> str:
    builtin = name in builtin_rubrics()
    path = _BUILTIN_FOLDER / f"{name}.md" if builtin else files.configured_path(root, name, f"rubric {name}")
    if not path.is_file():
        hint = did_you_mean(name, builtin_rubrics()) or f"; the built-in rubrics are {', '.join(builtin_rubrics())}"
        raise SettingsError(f"rubric {name}: no such file{hint}")
    try:
        raw = path.read_bytes()
        if (message := foreign.name_foreign(raw, free_text=True)) is not None:
            raise SettingsError(f"rubric {name}: {message}")
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"rubric {name}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"rubric {name}: not UTF-8: byte at offset {error.start}; save as UTF-8") from None
    if len(raw) > _MAX_BYTES:
        raise SettingsError(f"rubric {name}: larger than {_MAX_BYTES:,} bytes; it is sent with every output")
    return text
