"""What a judge said of its anchors when they were recorded: a file that is committed beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate import files, jsonl
from pytest_evalgate.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.data import Json, Score

SCHEMA: Final = 1
_KIND: Final = "evalgate-anchors"
_AGAIN: Final = "restore it from git, or record the verdicts again with --record"
_FEWEST: Final = 2  # verdicts: one cannot show how often the judge changes its mind


class StoredVerdictsError(UserError):
    """Stored verdicts that cannot be used."""


@dataclass(frozen=True, slots=True)
class StoredVerdicts:
    """What a judge said of its anchors, of each several times.

    ``parts`` are digests of all that made the judge what it was, ``anchors_sha256`` that of the labels. ``passed``
    and ``values`` hold the verdicts and the scores in [0, 1] of each anchor, by its id.
    """

    judge: str
    created: str
    parts: Mapping[str, str]
    anchors_sha256: str
    passed: Mapping[str, tuple[bool, ...]]
    values: Mapping[str, tuple[float, ...]]


def file_of(anchors: Path, judge: str) -> Path:
    """Return the file in which the verdicts of ``judge`` are kept: beside the anchors."""
    return anchors.parent / f"{anchors.stem}.{judge}.verdicts.json"


def of_scores(
    scores: Mapping[str, Sequence[Score]],
) -> tuple[dict[str, tuple[bool, ...]], dict[str, tuple[float, ...]]]:
    """Return the verdicts and the values of those anchors whose every score is known, by id."""
    passed, values = {}, {}
    for anchor, given in scores.items():
        said = tuple(score.passed for score in given if score.passed is not None)
        held = tuple(score.value for score in given if score.value is not None)
        if len(said) == len(held) == len(given):
            passed[anchor], values[anchor] = said, held
    return passed, values


def write(verdicts: StoredVerdicts, path: Path) -> None:
    """Write stored verdicts whole or not at all, one line an anchor so that a review shows what changed.

    Raises:
        OSError: they cannot be written.

    """
    rows = {anchor: _encode(verdicts, anchor) for anchor in sorted(verdicts.passed)}
    head = {
        "schema": SCHEMA,
        "kind": _KIND,
        "judge": verdicts.judge,
        "created": verdicts.created,
        "parts": dict(verdicts.parts),
        "anchors_sha256": verdicts.anchors_sha256,
        "verdicts_sha256": jsonl.digest(rows),
    }
    lines = [f" {jsonl.canonical(name)}: {jsonl.canonical(value)}" for name, value in head.items()]
    each = [f"  {jsonl.canonical(anchor)}: {jsonl.canonical(row)}" for anchor, row in rows.items()]
    text = "{\n" + ",\n".join(lines) + ',\n "verdicts": {\n' + ",\n".join(each) + "\n }\n}\n"
    files.write_atomically(path, text.encode("ascii"))


def read(path: Path, *, name: str) -> StoredVerdicts:
    """Read stored verdicts.

    Args:
        path: The file.
        name: What errors call it.

    Raises:
        StoredVerdictsError: it is missing, torn, edited, malformed, or newer than this version knows.

    """
    try:
        value = jsonl.loads(path.read_bytes())
    except FileNotFoundError:
        raise StoredVerdictsError(f"{name}: no verdicts are stored yet: record them with --record") from None
    except OSError as error:
        raise StoredVerdictsError(f"{name}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise StoredVerdictsError(f"{name}: {error}; {_AGAIN}") from None
    if not isinstance(value, dict) or value.get("kind") != _KIND or not isinstance(value.get("schema"), int):
        raise StoredVerdictsError(f"{name}: not a file of stored verdicts; {_AGAIN}")
    if value["schema"] > SCHEMA:
        raise StoredVerdictsError(f"{name}: schema {value['schema']} is newer than {SCHEMA}: upgrade pytest-evalgate")
    if jsonl.digest(value.get("verdicts")) != value.get("verdicts_sha256"):
        raise StoredVerdictsError(
            f"{name}: the verdicts do not match their digest: the file was edited or torn; {_AGAIN}"
        )
    try:
        return _decode(value)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StoredVerdictsError(f"{name}: malformed: {type(error).__name__} {error}; {_AGAIN}") from None


def _encode(verdicts: StoredVerdicts, anchor: str) -> dict[str, Json]:
    passed, values = verdicts.passed[anchor], verdicts.values[anchor]
    row: dict[str, Json] = {"passed": list(passed)}
    return row if values == tuple(map(float, passed)) else {**row, "values": list(values)}


def _decode(value: Mapping[str, Json]) -> StoredVerdicts:
    passed = {anchor: tuple(row["passed"]) for anchor, row in value["verdicts"].items()}
    values = {anchor: tuple(map(float, row.get("values", row["passed"]))) for anchor, row in value["verdicts"].items()}
    for anchor, said in passed.items():
        if len(said) < _FEWEST or not all(isinstance(verdict, bool) for verdict in said):
            raise ValueError(f"anchor {anchor}: passed must hold {_FEWEST} or more true or false, got {list(said)}")
        if len(values[anchor]) != len(said) or not all(0 <= grade <= 1 for grade in values[anchor]):
            raise ValueError(f"anchor {anchor}: values must be one in [0, 1] a verdict, got {list(values[anchor])}")
    return StoredVerdicts(
        value["judge"], value["created"], dict(value["parts"]), value["anchors_sha256"], passed, values
    )
