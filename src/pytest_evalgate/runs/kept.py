"""Folder of a decided run. Its reports stay the same after baselines and history have changed.

``<state>/runs/<run id>/`` contains the run file, the verdict and, in ``suites/`` under the number of each suite, its
baseline, the outputs of that baseline, and its last runs. CI reads a copy of the verdict, ``<state>/verdict.json``.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import RunFileError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.verdicts import Verdict
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import history
from pytest_evalgate.runs.record_file import RecordFile, adapter, check_filled
from pytest_evalgate.runs.run_file import RUN_FILE
from pytest_evalgate.text import files
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.verdicts import Accounting, Baseline, HistoryRow

SHOWN_RUNS: Final = 60
"""Runs of a suite that reports show; the history contains more."""

_NO_REDACTION: Final = Redactor()


def _encode(verdict: Verdict) -> dict[str, Json]:
    value = dataclasses.asdict(verdict)
    if not verdict.calls.local:  # verdicts of earlier versions lack it
        del value["calls"]["local"]
    for counted in (value, *value["suites"].values()):  # as above
        if not counted["accounting"]["unscored"]:
            del counted["accounting"]["unscored"]
    for suite in value["suites"].values():
        if not suite["coverage"]:  # as above
            del suite["coverage"]
        for score in suite["scores"].values():
            if score["se"] is None:
                del score["se"]
    if verdict.base_problem is None:
        del value[_OPTIONAL]
    return value


_OPTIONAL: Final = "base_problem"


def _check(verdict: Verdict) -> None:
    check_filled(run_id=verdict.run_id, tier=verdict.tier, commit=verdict.commit)
    if verdict.exit_code < 0 or verdict.duration_s < 0:
        raise ValueError("exit_code and duration_s must be at least 0")
    _check_accounting("accounting", verdict.accounting)
    for name, suite in verdict.suites.items():
        _check_accounting(f"suites.{name}.accounting", suite.accounting)
        if min(suite.cases, suite.trials, suite.passed) < 0 or not 0 <= (suite.pass_rate or 0.0) <= 1:
            raise ValueError(f"suites.{name}: cases, trials and passed must be at least 0, pass_rate in [0, 1]")
    if any(number < 0 for number in dataclasses.astuple(verdict.calls)):
        raise ValueError("calls: numbers must be at least 0")


def _check_accounting(place: str, accounting: Accounting) -> None:
    planned, *outcomes = dataclasses.astuple(accounting)
    if min(outcomes) < 0 or sum(outcomes) != planned:
        raise ValueError(f"{place}: the outcomes do not add up to {planned} planned cases")


_VERDICT: Final = RecordFile(
    Verdict,
    noun="a verdict",
    error=RunFileError,
    next_step="run again with: pytest --eval-gate",
    encode=_encode,
    check=_check,
)


def encode(verdict: Verdict) -> dict[str, Json]:
    """Return the content of ``verdict.json``."""
    return _VERDICT.to_json(verdict)


def write(verdict: Verdict, path: Path, redactor: Redactor = _NO_REDACTION) -> Verdict:
    """Write ``verdict.json`` atomically, and return the verdict as written.

    ``redactor`` removes secrets that messages may contain.
    """
    text = json.dumps(encode(verdict), indent=1, ensure_ascii=True, allow_nan=False)
    redacted = redactor.redact(text)
    files.write_atomically(path, redacted.encode("ascii") + b"\n")
    return verdict if redacted == text else read(path)


def read(path: Path) -> Verdict:
    """Read ``verdict.json``.

    Raises:
        RunFileError: It is missing, cut, malformed or of a newer schema.
    """
    return _VERDICT.read(path)


def json_schema() -> dict[str, Json]:
    """Return the JSON Schema of ``verdict.json``."""
    schema = adapter(Verdict).json_schema(mode="serialization")
    required = [name for name in schema["required"] if name != _OPTIONAL]
    properties = {"schema": {"const": _VERDICT.schema}, **schema["properties"]}
    return {**schema, "properties": properties, "required": required}


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of a decided run."""

    folder: Path

    @property
    def run_file(self) -> Path:
        """The file of its results."""
        return self.folder / RUN_FILE

    @property
    def verdict_file(self) -> Path:
        """The file of its verdict."""
        return self.folder / "verdict.json"

    def calibration_file(self, judge: str) -> Path:
        """Return the file of a judge's calibration."""
        return self.folder / "calibrations" / f"{judge}.json"

    def keep(
        self,
        verdict: Verdict,
        compared: Mapping[str, tuple[Baseline, bytes]],
        rows: Iterable[HistoryRow],
        redactor: Redactor,
    ) -> Verdict:
        """Write the files that the reports of a decided run need, and return the verdict as written.

        ``compared`` has the baseline of each suite that has one, with its outputs as lines; ``rows`` are the history,
        oldest first.

        Raises:
            StorageError: A file cannot be written.
        """
        rows = list(rows)
        for name in verdict.suites:
            file = self._file_of(verdict, name)
            if name in compared:
                baseline, outputs = compared[name]
                baselines.write(baseline, file)
                baselines.write_outputs(outputs, file)
            last = [row for row in rows if row.suite == name][-SHOWN_RUNS:]
            history.append(file.with_suffix(".history.jsonl"), last)
        return write(verdict, self.verdict_file, redactor)

    def verdict(self) -> Verdict:
        """Read the verdict; raises as `read`."""
        return read(self.verdict_file)

    def baseline(self, verdict: Verdict, suite: str) -> Baseline | None:
        """Read the baseline with which a suite was compared; None if it had none.

        Raises:
            BaselineError: It cannot be used.
        """
        return baselines.find(None, suite=suite, file=self._file_of(verdict, suite), root=self.folder)

    def outputs(self, verdict: Verdict, suite: str) -> Mapping[str, Json]:
        """Return the outputs of a suite's baseline, by case id; empty if they were not stored."""
        return baselines.read_outputs(self._file_of(verdict, suite))

    def history(self, verdict: Verdict, suite: str) -> tuple[HistoryRow, ...]:
        """Return the last runs of a suite, oldest first."""
        return history.read(self._file_of(verdict, suite).with_suffix(".history.jsonl")).rows

    def _file_of(self, verdict: Verdict, suite: str) -> Path:
        """Return the file of a suite's baseline, named by number: a suite's name may not be a valid file name.

        The suites are numbered by name: a verdict that was read from its file has them in that order.
        """
        return self.folder / "suites" / f"{sorted(verdict.suites).index(suite)}.json"
