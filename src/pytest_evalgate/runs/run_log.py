"""Structured log of a run: one JSON object for each event, beside the run file.

``log.jsonl`` has an event ``trial`` for each trial, ``case`` for each case without a trial, ``stage`` for each stage
of the session, and ``end`` as its last line::

    {"event":"trial","suite":"faq","case":"a","trial":0,"outcome":"passed","target_s":0.81,"score_s":0.0002,
     "attempts":2,"limited":1,"waited_s":1.0,"cached":0,"tokens_in":12,"tokens_out":5,"judge_s":0.4}
    {"event":"stage","stage":"run","seconds":12.1}
    {"event":"end","run":"20261121T101500Z-3f9c","verdict":"pass","exit_code":0,"seconds":12.6,"peak_mib":141.2}

It is advice only: no verdict depends on it.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import StorageError
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.verdicts import Verdict

LOG_FILE: Final = "log.jsonl"
_LONGEST_REASON: Final = 500
_BLOCK: Final = 2_000  # lines in memory: 0.4 MB
_SUMS: Final = ("attempts", "limited", "waited_s", "tokens_in", "tokens_out", "cost_usd")
_encode: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def path_of_log(run_file: Path) -> Path:
    """Return the log beside a run file."""
    return run_file.with_name(LOG_FILE)


class RunLog:
    """The log of one run. The file is made when the first lines are written; errors are kept until `close`."""

    def __init__(self, path: Path) -> None:
        """Write to ``path``, which is replaced."""
        self._path = path
        self._lines: list[str] = []
        self._has_begun = False
        self._problem: StorageError | None = None

    def add_case(self, suite: str, case: str, row: Mapping[str, Json]) -> None:
        """Add the trials of a case, from its row of the run file."""
        outcome, trials = row["outcome"], row.get("trials", ())
        if not trials:
            reason = {"reason": row["reason"][:_LONGEST_REASON]} if row.get("reason") else {}
            self._add({"event": "case", "suite": suite, "case": case, "outcome": outcome, **reason})
        for index, trial in enumerate(trials):
            event = {"event": "trial", "suite": suite, "case": case, "trial": index, "outcome": _outcome(trial)}
            if (latency := trial.get("latency_s")) is not None:
                event["target_s"] = latency
            if (score_s := trial.get("score_s")) is not None:
                event["score_s"] = score_s
            if calls := trial.get("calls"):
                event |= _of_calls(calls)
            if event["outcome"] != "passed" and trial.get("reason"):
                event["reason"] = trial["reason"][:_LONGEST_REASON]
            self._add(event)

    def add_stage(self, stage: str, seconds: float) -> None:
        """Add a stage of the session and its duration."""
        self._add({"event": "stage", "stage": stage, "seconds": round(seconds, 3)})

    def close(self, verdict: Verdict) -> None:
        """Add the end of the run, and write what is left.

        Raises:
            StorageError: The log could not be written.
        """
        self._add(
            {
                "event": "end",
                "run": verdict.run_id,
                "verdict": verdict.verdict,
                "exit_code": verdict.exit_code,
                "seconds": round(verdict.duration_s, 3),
                "peak_mib": peak_mib(),
            }
        )
        self._flush()
        if self._problem is not None:
            raise self._problem

    def _add(self, event: dict[str, Json]) -> None:
        self._lines.append(_encode(event))
        if len(self._lines) >= _BLOCK:
            self._flush()

    def _flush(self) -> None:
        """Append the lines so far, without fsync: a log is no reason to wait for a disk."""
        lines, self._lines = self._lines, []
        if self._problem is not None:
            return
        try:
            files.make_folder(self._path.parent)
            with files.storing(self._path), self._path.open("ab" if self._has_begun else "wb") as file:
                file.write(("\n".join(lines) + "\n").encode("ascii"))
            self._has_begun = True
        except StorageError as error:
            self._problem = error


def _outcome(trial: Mapping[str, Json]) -> str:
    value = trial["value"]
    return "errored" if value is None else "passed" if value else "missed"


def _of_calls(calls: list[dict[str, Json]]) -> dict[str, Json]:
    """Return the sums over the calls of a trial, without those that are 0, and the seconds of its judges."""
    sums: dict[str, Json] = {}
    for name in _SUMS:
        total = 0.0
        for call in calls:
            total += call.get(name) or 0
        if total:
            sums[name] = round(total, 9) if total % 1 else int(total)
    if cached := sum(not call["attempts"] for call in calls):
        sums["cached"] = cached
    judges = [call.get("latency_s") or 0.0 for call in calls if call["purpose"] != "target"]
    return sums | ({"judge_s": round(sum(judges), 6)} if judges else {})


def peak_mib() -> float | None:
    """Return the peak memory of this process and of its ended children; None if the system does not tell."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(most / ((1 << 20) if sys.platform == "darwin" else (1 << 10)), 1)  # macOS counts bytes


def read_log(path: Path, *, errored: bool = False) -> Iterator[dict[str, Json]]:
    """Yield the events of a log in order; with ``errored`` only trials and cases without a result (the dead letters).

    Lines that cannot be read are skipped; a missing file has no events.
    """
    try:
        files.require_regular(path)
        with path.open("rb") as file:
            for line in file:
                try:
                    event = jsonl.loads(line)
                except ValueError:
                    continue
                if isinstance(event, dict) and (not errored or event.get("outcome") == "errored"):
                    yield event
    except OSError:
        return
