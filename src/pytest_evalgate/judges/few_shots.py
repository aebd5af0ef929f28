"""Few-shots of a judge: graded examples for its prompt, read from a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import LineProblem, SettingsError
from pytest_evalgate.golden.record import parse_row
from pytest_evalgate.judges.material import material_of
from pytest_evalgate.judges.question import FewShot
from pytest_evalgate.judges.reply import Unreadable, read
from pytest_evalgate.judges.scale import SCALES, ScoreScale
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import Output
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_evalgate import config
    from pytest_evalgate.records.cases import Case, Json

_GRADE_FIELDS: Final = ("score", "verdict", "evidence", "rationale")
_BINARY: Final = {"pass": 1, "fail": 0}
_MAX_FEW_SHOTS: Final = 20


def few_shots_of(judge: config.Judge, *, root: Path) -> tuple[FewShot, ...]:
    """Return the few-shots of a judge in the order of its file; none if it has no file.

    Raises:
        SettingsError: the file is outside ``root`` or malformed; lists every problem as ``file:line``.
    """
    if judge.few_shots is None:
        return ()
    path = files.configured_path(root, judge.few_shots, f"few_shots {judge.few_shots}")
    return load_few_shots(path, name=judge.few_shots, scale=SCALES[judge.scale])


def load_few_shots(path: Path, *, name: str, scale: ScoreScale) -> tuple[FewShot, ...]:
    """Read graded examples: golden-set lines with an ``output``, its ``score`` or ``verdict``, and ``evidence``.

    Each example must satisfy the rules for replies of the judge: for instance, the evidence must occur in the output.

    Raises:
        SettingsError: the file is malformed; lists every problem as ``file:line``.
    """
    lines, problems = jsonl.read(path, name=name)
    shots = []
    for line in lines:
        place = Place(name, line.number)
        parsed = parse_row({key: value for key, value in line.value.items() if key not in _GRADE_FIELDS}, place)
        problems += parsed.problems
        if parsed.case is not None:
            try:
                shots.append(_few_shot(parsed.case, line.value, scale))
            except ValueError as error:
                problems.append(LineProblem(place.file, place.line, "", str(error)))
    if not problems and not 0 < len(shots) <= _MAX_FEW_SHOTS:
        problems.append(LineProblem(name, 0, "", f"{len(shots)} examples; a judge needs 1 to {_MAX_FEW_SHOTS}"))
    if problems:
        raise SettingsError("\n".join(map(str, problems)))
    return tuple(shots)


def _few_shot(case: Case, row: Mapping[str, Json], scale: ScoreScale) -> FewShot:
    if case.output is None:
        raise ValueError("output: missing")
    score, verdict = row.get("score"), row.get("verdict")
    if score is None and scale.name == "binary":
        score = _BINARY.get(str(verdict))
    if score is None:
        raise ValueError('add the correct "score", or on the binary scale the correct "verdict"')
    if verdict is None and type(score) is int:
        verdict = scale.verdict(score)
    material = material_of(case, Output(case.output))
    given = {name: row[name] for name in ("evidence", "rationale") if row.get(name) is not None}
    reply = {"nonce": "", "evidence": "", **given, "score": score, "verdict": verdict}
    parsed = read(json.dumps(reply), nonce="", candidate=material.candidate, scale=scale)
    if isinstance(parsed, Unreadable):
        raise ValueError(parsed.reason)  # noqa: TRY004 - a problem of the line, not of the type
    return FewShot(material, parsed.score, parsed.evidence, parsed.rationale)
