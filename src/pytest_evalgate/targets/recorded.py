"""Outputs that were recorded earlier, joined to the cases by id; one file a trial."""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.errors import LineProblem, MissingOutput, RecordingError
from pytest_evalgate.records.results import Output
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.records.results import Case, Json


@dataclass(frozen=True, slots=True)
class Recording:
    """One file of recorded outputs."""

    name: str
    outputs: dict[str, Output]


@dataclass(frozen=True, slots=True)
class RecordedTarget:
    """Answers trial ``i`` from recording ``i``."""

    recordings: tuple[Recording, ...]

    @property
    def trials(self) -> int:
        """How many trials were recorded."""
        return len(self.recordings)

    def discard_outputs(self) -> None:
        """Forget the outputs: all cases have theirs, and the gates need the room."""
        for recording in self.recordings:
            recording.outputs.clear()

    async def answer(self, case: Case, trial: int) -> Output:
        """Return what was recorded; a case without a row, or with a null output, is missing."""
        recording = self.recordings[trial]
        output = recording.outputs.get(case.golden_id)
        if output is None:
            raise MissingOutput(f"no recorded output in {recording.name}")
        if output.value is None:
            raise MissingOutput(f"the recorded output in {recording.name} is null")
        return output


@dataclass(frozen=True, slots=True)
class RowTarget:
    """Answers with the ``output`` that stands in the golden line itself."""

    trials: int = 1

    async def answer(self, case: Case, trial: int) -> Output:  # noqa: ARG002 - one row, one output
        """Return the row's output; a row without one is missing."""
        if case.output is None:
            raise MissingOutput('the golden line holds no recorded "output"')
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
        try:
            case_id = _id_of(line.value, first_at)
            first_at[case_id] = line.number
            outputs[case_id] = _output_of(line.value, output)
        except _InvalidRow as refused:
            problems.append(LineProblem(name, line.number, refused.field, str(refused)))
    return Recording(name, outputs)


class _InvalidRow(Exception):  # noqa: N818 - private, and always turned into a problem
    """Why a row is refused, and in which field."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


def _id_of(row: Mapping[str, Json], first_at: Mapping[str, int]) -> str:
    given = row.get("id")
    if not isinstance(given, str | int) or isinstance(given, bool) or given == "":
        raise _InvalidRow("id", "a recorded output needs the id of its case")
    case_id = unicodedata.normalize("NFC", str(given))  # as the ids of golden sets are
    if case_id in first_at:
        raise _InvalidRow("id", f"duplicate id {jsonl.quote_text(case_id)} (first at line {first_at[case_id]})")
    return sys.intern(case_id)


def _output_of(row: Mapping[str, Json], path: str) -> Output:
    value: Json = row
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            raise _InvalidRow(path, f"missing; the row has {', '.join(row)}")
        value = value[key]
    metadata = row.get("metadata")
    return Output(value, metadata) if isinstance(metadata, dict) else Output(value)
