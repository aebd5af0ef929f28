"""What is kept beside a run file, so that its reports come out the same when baselines and history have moved on.

``<state>/runs/<run id>/``: ``run.jsonl``, the verdict, and by the number of each suite its baseline, what the cases of
the baseline answered, and its last runs.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import RunFileError
from pytest_evalgate.records.results import Verdict
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import baseline as runs_baseline
from pytest_evalgate.runs import history
from pytest_evalgate.runs.run_file import RUN_FILE
from pytest_evalgate.text import files
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_evalgate.records.results import Baseline, HistoryRow, Json

SCHEMA = 1
_NO_KEYS = Redactor()


def encode(verdict: Verdict) -> dict[str, Json]:
    """Return what the file holds."""
    return {"schema": SCHEMA, **dataclasses.asdict(verdict)}


def write(verdict: Verdict, path: Path, redactor: Redactor = _NO_KEYS) -> Verdict:
    """Write the verdict whole or not at all, and return it as it stands there.

    ``redactor`` takes out the keys that a message may hold.
    """
    text = json.dumps(encode(verdict), indent=1, ensure_ascii=True, allow_nan=False)
    cleaned = redactor.redact(text)
    files.write_atomically(path, cleaned.encode("ascii") + b"\n")
    return verdict if cleaned == text else read(path)


def read(path: Path) -> Verdict:
    """Read a verdict back.

    Raises:
        RunFileError: it is missing, torn, malformed or of a newer schema.

    """
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise RunFileError(f"{path}: no verdict ({error.strerror}): the run was not judged") from None
    except ValueError as error:
        raise RunFileError(f"{path}: not a verdict: {error}") from None
    schema = value.get("schema") if isinstance(value, dict) else None
    if not isinstance(schema, int):
        raise RunFileError(f"{path}: not a verdict of pytest-evalgate")
    if schema > SCHEMA:
        raise RunFileError(f"{path}: schema {schema} is newer than {SCHEMA}: upgrade pytest-evalgate")
    return _decode(value, path)


def json_schema() -> dict[str, Json]:
    """Return the JSON Schema of the file."""
    from pydantic import TypeAdapter  # noqa: PLC0415 - few processes read a verdict

    schema = TypeAdapter(Verdict).json_schema(mode="serialization")
    return {**schema, "properties": {"schema": {"const": SCHEMA}, **schema["properties"]}}


def _decode(value: Json, path: Path) -> Verdict:
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - few processes read a verdict

    try:
        return TypeAdapter(Verdict).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise RunFileError(f"{path}: {place}: {first['msg']}") from None


SHOWN_RUNS: Final = 60
"""Runs of a suite that reports show; the history keeps more."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of a judged run."""

    folder: Path

    @property
    def run_file(self) -> Path:
        """Where its results are."""
        return self.folder / RUN_FILE

    @property
    def verdict_file(self) -> Path:
        """Where its verdict is."""
        return self.folder / "verdict.json"

    def calibration_file(self, judge: str) -> Path:
        """Return where the calibration of a judge is."""
        return self.folder / "calibrations" / f"{judge}.json"

    def keep(
        self,
        verdict: Verdict,
        compared: Mapping[str, tuple[Baseline, bytes]],
        rows: Iterable[HistoryRow],
        redactor: Redactor,
    ) -> Verdict:
        """Keep what the reports of a judged run are made of, and return the verdict as it is kept.

        Args:
            verdict: Its verdict.
            compared: The baseline of each suite that has one, and its outputs as their file holds them.
            rows: The history, oldest first.
            redactor: Takes out the keys that a message may hold.

        Raises:
            OSError: a file cannot be written.

        """
        rows = list(rows)
        for name in verdict.suites:
            file = self._file_of(verdict, name)
            if name in compared:
                found, outputs = compared[name]
                baselines.write(found, file)
                runs_baseline.write_outputs(outputs, file)
            last = [row for row in rows if row.suite == name][-SHOWN_RUNS:]
            history.append(file.with_suffix(".history.jsonl"), last)
        return write(verdict, self.verdict_file, redactor)

    def verdict(self) -> Verdict:
        """Read the verdict.

        Raises:
            RunFileError: it cannot be used.

        """
        return read(self.verdict_file)

    def baseline(self, verdict: Verdict, suite: str) -> Baseline | None:
        """Read the baseline that a suite was compared with; None where there was none.

        Raises:
            BaselineError: it cannot be used.

        """
        return baselines.find(None, suite=suite, file=self._file_of(verdict, suite), root=self.folder)

    def outputs(self, verdict: Verdict, suite: str) -> Mapping[str, Json]:
        """Read what the cases of a suite's baseline answered, by id; nothing where that is not known."""
        return runs_baseline.read(self._file_of(verdict, suite))

    def history(self, verdict: Verdict, suite: str) -> tuple[HistoryRow, ...]:
        """Read the last runs of a suite, oldest first."""
        return history.read(self._file_of(verdict, suite).with_suffix(".history.jsonl")).rows

    def _file_of(self, verdict: Verdict, suite: str) -> Path:
        """Return where the baseline of a suite is: its name may hold anything, its number does not."""
        return self.folder / "suites" / f"{list(verdict.suites).index(suite)}.json"
