"""Outputs that were recorded earlier, joined to the cases by id; one file a trial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate import files, jsonl
from pytest_evalgate.data import Output
from pytest_evalgate.errors import LineProblem, MissingAnswer, RecordingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.data import Case, Json


@dataclass(frozen=True, slots=True)
class Recording:
    """One file of recorded outputs."""

    name: str
    outputs: Mapping[str, Output]


@dataclass(frozen=True, slots=True)
class RecordedTarget:
    """Answers trial ``i`` from recording ``i``."""

    recordings: tuple[Recording, ...]

    @property
    def trials(self) -> int:
        """How many trials were recorded."""
        return len(self.recordings)

    async def answer(self, case: Case, trial: int) -> Output:
        """Return what was recorded; a case without a row, or with a null output, is missing."""
        recording = self.recordings[trial]
        output = recording.outputs.get(case.id)
        if output is None:
            raise MissingAnswer(f"no recorded output in {recording.name}")
        if output.value is None:
            raise MissingAnswer(f"the recorded output in {recording.name} is null")
        return output


@dataclass(frozen=True, slots=True)
class RowTarget:
    """Answers with the ``output`` that stands in the golden line itself."""

    trials: int = 1

    async def answer(self, case: Case, trial: int) -> Output:  # noqa: ARG002 - one row, one output
        """Return the row's output; a row without one is missing."""
        if case.output is None:
            raise MissingAnswer('the golden line holds no recorded "output"')
        return Output(case.output)


def load(paths: Sequence[Path], *, root: Path, output: str = "output") -> RecordedTarget:
    """Read one recording a file; ``output`` is the dotted path of the output inside a row.

    Raises:
        RecordingError: malformed lines, rows without an id or an output, ids that stand twice; all are listed.

    """
    problems: list[LineProblem] = []
    recordings = tuple(_read(path, files.relative_name(path, root), output, problems) for path in paths)
    if problems:
        raise RecordingError("\n".join(map(str, problems)))
    return RecordedTarget(recordings)


def _read(path: Path, name: str, output: str, problems: list[LineProblem]) -> Recording:
    lines, bad = jsonl.read(path, name=name)
    problems.extend(bad)
    outputs: dict[str, Output] = {}
    first_at: dict[str, int] = {}
    for line in lines:
        problem = _add(line.value, output, outputs)
        if problem is None:
            first_at[str(line.value["id"])] = line.number
            continue
        field, message = problem
        first = first_at.get(str(line.value.get("id")))
        problems.append(
            LineProblem(name, line.number, field, message + (f" (first at line {first})" if first else ""))
        )
    return Recording(name, outputs)


def _add(row: Mapping[str, Json], path: str, outputs: dict[str, Output]) -> tuple[str, str] | None:
    """Add a row to ``outputs``, or say which field is wrong and why."""
    case_id = row.get("id")
    if not isinstance(case_id, str | int) or isinstance(case_id, bool) or case_id == "":
        return "id", "a recorded output needs the id of its case"
    if str(case_id) in outputs:
        return "id", f'duplicate id "{case_id}"'
    value: Json = row
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return path, f"missing; the row has {', '.join(row)}"
        value = value[key]
    metadata = row.get("metadata")
    outputs[str(case_id)] = Output(value, metadata if isinstance(metadata, dict) else {})
    return None
