"""What is kept beside a run file, so that its reports come out the same when baselines and history have moved on.

``<state>/runs/<run id>/``: ``run.jsonl``, the verdict, and by the number of each suite its baseline, what the cases of
the baseline answered, and its last runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.runs import baseline_outputs, history, verdict_file
from pytest_evalgate.runs.run_file import RUN_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_evalgate.data import Baseline, HistoryRow, Json, Verdict
    from pytest_evalgate.redaction import Redactor

SHOWN: Final = 60
"""Runs of a suite that reports show; the history keeps more."""


@dataclass(frozen=True, slots=True)
class KeptRun:
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
                baseline_outputs.write(outputs, file)
            last = [row for row in rows if row.suite == name][-SHOWN:]
            history.append(file.with_suffix(".history.jsonl"), last)
        return verdict_file.write(verdict, self.verdict_file, redactor)

    def verdict(self) -> Verdict:
        """Read the verdict.

        Raises:
            RunFileError: it cannot be used.

        """
        return verdict_file.read(self.verdict_file)

    def baseline(self, verdict: Verdict, suite: str) -> Baseline | None:
        """Read the baseline that a suite was compared with; None where there was none.

        Raises:
            BaselineError: it cannot be used.

        """
        return baselines.find(None, suite=suite, file=self._file_of(verdict, suite), root=self.folder)

    def outputs(self, verdict: Verdict, suite: str) -> Mapping[str, Json]:
        """Read what the cases of a suite's baseline answered, by id; nothing where that is not known."""
        return baseline_outputs.read(self._file_of(verdict, suite))

    def history(self, verdict: Verdict, suite: str) -> tuple[HistoryRow, ...]:
        """Read the last runs of a suite, oldest first."""
        return history.read(self._file_of(verdict, suite).with_suffix(".history.jsonl")).rows

    def _file_of(self, verdict: Verdict, suite: str) -> Path:
        """Return where the baseline of a suite is: its name may hold anything, its number does not."""
        return self.folder / "suites" / f"{list(verdict.suites).index(suite)}.json"
