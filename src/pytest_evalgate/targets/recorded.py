"""Recorded outputs as the target: one file a trial, joined to the cases by id; or the ``output`` of a golden row."""

from __future__ import annotations

import sys
import unicodedata
from contextlib import suppress
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_evalgate.errors import LineProblem, MissingOutput, RecordingError, group_problems
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.calls import FINISH_MESSAGES
from pytest_evalgate.records.results import Output
from pytest_evalgate.targets.beside import beside_output
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.records.cases import Case, Json


@dataclass(frozen=True, slots=True)
class Recording:
    """Recorded outputs of one file, or of one trial of a stored run, by case id.

    A stored run also has ``failures``, which are raised again, and the ``questions`` that its outputs answer.
    """

    name: str
    outputs: dict[str, Output]
    failures: dict[str, Exception] = field(default_factory=dict)
    questions: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordedTargetRunner:
    """A target that returns the output of trial ``i`` from recording ``i``."""

    recordings: tuple[Recording, ...]

    @property
    def trials(self) -> int:
        """Number of recorded trials."""
        return len(self.recordings)

    def discard_outputs(self) -> None:
        """Free the memory of the outputs for the gates. Call this when all cases have their outputs."""
        for recording in self.recordings:
            recording.outputs.clear()

    async def answer(self, case: Case, trial: int) -> Output:
        """Return the recorded output.

        Raises:
            MissingOutput: There is no row for the case, its output is null, or it answers another question.
            Exception: The target failed in the stored run.
        """
        recording = self.recordings[trial]
        key = case.id if case.id in recording.questions else case.golden_id
        if key in recording.questions and not _is_same(recording.questions[key], case.question.get("input")):
            raise MissingOutput(f"the question has changed since {recording.name}", is_final=True)
        if key in recording.failures:
            raise recording.failures[key]
        output = recording.outputs.get(key)
        if output is None:
            several = trial and key in self.recordings[0].outputs
            advice = ": set trials of the suite, or of the row, to the number that is recorded" if several else ""
            raise MissingOutput(f"no recorded output in {recording.name}{advice}", is_final=True)
        if output.value is None:
            raise MissingOutput(f"the recorded output in {recording.name} is null", is_final=True)
        return output


def _is_same(before: Json, now: Json) -> bool:
    return before == now or jsonl.canonical(before) == jsonl.canonical(now)


@dataclass(frozen=True, slots=True)
class RowTargetRunner:
    """A target that returns the ``output`` of the golden row."""

    trials: int = 1

    async def answer(self, case: Case, trial: int) -> Output:  # noqa: ARG002 - one row, one output
        """Return the row's output with its trajectory; raise MissingOutput if it has none."""
        output = row_output(case)
        if output is None:
            raise MissingOutput('the golden row has no recorded "output"', is_final=True)
        return output


def row_output(case: Case) -> Output | None:
    """Return the recorded output of a golden row, with its trajectory as metadata; None if the row has no output."""
    if case.output is None:
        return None
    return Output(case.output, {} if case.trajectory is None else {"trajectory": list(case.trajectory)})


def load(
    paths: Sequence[Path], *, root: Path, output: str = "output", only: Collection[str] | None = None
) -> RecordedTargetRunner:
    """Load one recording from each file; ``output`` is the dotted path of the output in a row.

    With ``only``, rows with other ids are left out. They are not checked, except that they are JSON.

    Raises:
        RecordingError: Lines are malformed, rows have no id or no output, or ids are duplicate; lists all problems.
    """
    problems: list[LineProblem] = []
    read = _read if only is None else partial(_read_part, only=only)
    recordings = tuple(read(path, files.relative_name(path, root), output, problems) for path in paths)
    if problems:
        raise RecordingError("\n".join(group_problems(problems)))
    return RecordedTargetRunner(recordings)


class _InvalidRow(Exception):  # noqa: N818 - private, and always turned into a problem
    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


def _read(path: Path, name: str, output: str, problems: list[LineProblem]) -> Recording:
    found: list[LineProblem] = []
    with suppress(OSError, ValueError):
        recording = _recording(jsonl.valid_lines(path), name, output, found)
        if not found:
            return recording
    lines, bad = jsonl.read(path, name=name)  # again, for all problems
    problems.extend(bad)
    return _recording(((line.number, line.value) for line in lines), name, output, problems)


def _read_part(path: Path, name: str, output: str, problems: list[LineProblem], *, only: Collection[str]) -> Recording:
    """Read the rows with the ids in ``only``; the whole file if a row is out of the ordinary."""
    try:
        lines = [
            (line.number, line.parse().value)
            for line in jsonl.skim(path)
            if (given := str(line.skim()["id"])) in only or unicodedata.normalize("NFC", given) in only
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return _read(path, name, output, problems)
    return _recording(lines, name, output, problems)


def _recording(
    rows: Iterable[tuple[int, dict[str, Json]]], name: str, path: str, problems: list[LineProblem]
) -> Recording:
    """Return the outputs at ``path`` of numbered rows, each of which is dropped at once."""
    outputs: dict[str, Output] = {}
    first_at: dict[str, int] = {}
    plain = {"id", path} if path == "output" else None  # most rows have nothing else
    for number, row in rows:
        try:
            case_id = _id_of(row, first_at)
            first_at[case_id] = number
            outputs[case_id] = Output(row[path]) if row.keys() == plain else _output_of(row, path)
        except _InvalidRow as error:
            problems.append(LineProblem(name, number, error.field, str(error)))
    return Recording(name, outputs)


def _id_of(row: Mapping[str, Json], first_at: Mapping[str, int]) -> str:
    given = row.get("id")
    if not isinstance(given, str | int) or isinstance(given, bool) or given == "":
        raise _InvalidRow("id", "missing or not a string or whole number; write the id of the case")
    text = str(given)
    case_id = text if text.isascii() else unicodedata.normalize("NFC", text)  # as golden/record.py does with case ids
    if case_id in first_at:
        raise _InvalidRow("id", f"duplicate id {jsonl.quote_text(case_id)} (first at line {first_at[case_id]})")
    return sys.intern(case_id)  # the cases and the results contain the same id


def _output_of(row: Mapping[str, Json], path: str) -> Output:
    value: Json = row
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            raise _InvalidRow(path, f"missing; the row has {', '.join(row)}")
        value = value[key]
    metadata = row.get("metadata")
    own = metadata if isinstance(metadata, dict) else {}
    output = Output(value, {**beside_output(row, path), **own})
    # written by `pytest-evalgate record` for an output that is not complete
    finish = next((known for known in FINISH_MESSAGES if known == row.get("finish")), None)
    return output if finish is None else replace(output, finish=finish)
