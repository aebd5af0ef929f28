"""What labelled rows leave out, from the golden set and from the outputs that they are about."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_evalgate import golden
from pytest_evalgate.errors import LineProblem
from pytest_evalgate.judging.labels import LabelsError
from pytest_evalgate.targets import recorded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.data import Case, Output
    from pytest_evalgate.judging.labels import Labelled


def join(
    rows: Sequence[Labelled], *, golden_file: Path | None, outputs_file: Path | None, root: Path
) -> tuple[Labelled, ...]:
    """Complete labelled rows by id, so that a judge can be asked about them; a claim has the id of its row as cluster.

    Raises:
        GoldenSetError: the golden set cannot be read.
        RecordingError: the outputs cannot be read.
        LabelsError: a row has no output, or the golden set has no such case; lists all.

    """
    cases = _cases(golden_file, root)
    outputs = {} if outputs_file is None else recorded.load([outputs_file], root=root).recordings[0].outputs
    joined = [_joined(row, cases, outputs) for row in rows]
    bare = [row for row in joined if row.output.value is None]
    lost = [row for row in rows if golden_file is not None and _known(row, cases) is None]
    problems = [_problem(row, "output", "there is none to be judged: name their file, --outputs FILE") for row in bare]
    problems += [_problem(row, "id", f"{golden_file} holds no such case") for row in lost]
    if problems:
        raise LabelsError(problems)
    return tuple(joined)


def _cases(path: Path | None, root: Path) -> dict[str, Case]:
    sets = () if path is None else golden.load([path], root=root)
    return {case.id: case for held in sets for case in held}


def _known(row: Labelled, cases: Mapping[str, Case]) -> Case | None:
    return cases.get(row.case.id) or (None if row.cluster is None else cases.get(row.cluster))


def _joined(row: Labelled, cases: Mapping[str, Case], outputs: Mapping[str, Output]) -> Labelled:
    case = _known(row, cases)
    whole = row.case if case is None else _completed(row.case, case)
    output = outputs.get(row.case.id, row.output) if row.output.value is None else row.output
    return replace(row, case=replace(whole, fingerprint=golden.fingerprint(whole)), output=output)


def _completed(own: Case, known: Case) -> Case:
    """Return the golden set's case, under the row's own id and with the context that the row was labelled by."""
    return replace(known, id=own.id, place=own.place, context=own.context or known.context)


def _problem(row: Labelled, field: str, message: str) -> LineProblem:
    return LineProblem(row.case.place.file, row.case.place.line, field, message)
