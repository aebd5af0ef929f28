"""Few-shots: graded examples that a judge is shown before it is asked, from a JSONL file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate import files, jsonl
from pytest_evalgate.data import Output, Place
from pytest_evalgate.errors import LineProblem, SettingsError
from pytest_evalgate.golden.record import parse_row
from pytest_evalgate.judging.material import Material, material_of
from pytest_evalgate.judging.reading import Unreadable, read
from pytest_evalgate.judging.scale import SCALES, Scale

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate import settings
    from pytest_evalgate.data import Json

_MARKS: Final = ("score", "verdict", "evidence")
_BINARY: Final = {"pass": 1, "fail": 0}
_MOST: Final = 20


@dataclass(frozen=True, slots=True)
class FewShot:
    """An output with the score that it deserves, and the passage that shows it."""

    material: Material
    score: int
    evidence: str

    @property
    def identity(self) -> Json:
        """What it says, as JSON."""
        return [self.material.case.fingerprint, self.material.candidate, self.score, self.evidence]


def few_shots_of(judge: settings.Judge, *, root: Path) -> tuple[FewShot, ...]:
    """Return the few-shots of a judge, in the order of its file; none where it has no file.

    Raises:
        SettingsError: the file lies outside of ``root``, or is malformed; every problem is listed as ``file:line``.

    """
    if judge.few_shots is None:
        return ()
    try:
        path = files.inside(root, Path(judge.few_shots))
    except ValueError as error:
        raise SettingsError(f"few_shots {judge.few_shots}: {error}") from None
    return load_few_shots(path, name=judge.few_shots, scale=SCALES[judge.scale])


def load_few_shots(path: Path, *, name: str, scale: Scale) -> tuple[FewShot, ...]:
    """Read graded examples: lines of a golden set with an ``output``, its ``score`` or ``verdict``, and ``evidence``.

    Each has to be what the judge itself would have to reply: the evidence occurs in the output.

    Raises:
        SettingsError: the file, or a line of it, is malformed; every problem is listed as ``file:line``.

    """
    lines, problems = jsonl.read(path, name=name)
    shots = []
    for line in lines:
        shot, found = _shot(line.value, Place(name, line.number), scale)
        problems += found
        shots += [] if shot is None else [shot]
    if not problems and not 0 < len(shots) <= _MOST:
        problems.append(LineProblem(name, 0, "", f"{len(shots)} examples; a judge is shown from 1 to {_MOST}"))
    if problems:
        raise SettingsError("\n".join(map(str, problems)))
    return tuple(shots)


def _shot(row: Mapping[str, Json], place: Place, scale: Scale) -> tuple[FewShot | None, tuple[LineProblem, ...]]:
    parsed = parse_row({key: value for key, value in row.items() if key not in _MARKS}, place)
    if parsed.case is None:
        return None, parsed.problems
    try:
        if parsed.case.output is None:
            raise ValueError("there is no output to show")  # noqa: TRY301 - every fault of a line is a ValueError
        return _marked(material_of(parsed.case, Output(parsed.case.output)), row, scale), ()
    except ValueError as error:
        return None, (LineProblem(place.file, place.line, "", str(error)),)


def _marked(material: Material, row: Mapping[str, Json], scale: Scale) -> FewShot:
    score = row.get("score")
    verdict = row.get("verdict")
    if score is None and scale.name == "binary":
        score = _BINARY.get(str(verdict))
    if score is None:
        raise ValueError('give it the mark that the judge should give: "score", or "verdict" on the binary scale')
    given = verdict if verdict is not None or type(score) is not int else scale.verdict(score)
    reply = {"nonce": "", "evidence": row.get("evidence", ""), "score": score, "verdict": given}
    said = read(json.dumps(reply), nonce="", candidate=material.candidate, scale=scale)
    if isinstance(said, Unreadable):
        raise ValueError(said.why)  # noqa: TRY004 - as above
    return FewShot(material, said.score, said.evidence)
