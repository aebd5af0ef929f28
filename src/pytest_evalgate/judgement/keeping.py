"""Keeps beside a run what its reports are made of: verdict, baselines and their outputs, calibrations, history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate import files
from pytest_evalgate.errors import BaselineError
from pytest_evalgate.runs import baseline_outputs, history
from pytest_evalgate.runs.baseline import file_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.data import Baseline, Json, Verdict
    from pytest_evalgate.judgement.judge import Judgement
    from pytest_evalgate.redaction import Redactor
    from pytest_evalgate.runs.kept import KeptRun


def keep(judgement: Judgement, verdict: Verdict, kept: KeptRun, redactor: Redactor) -> Verdict:
    """Keep what the reports of a judged run are made of, and return the verdict as it is kept.

    Args:
        judgement: What judged it.
        verdict: Its verdict, with the exit code that the session ends with.
        kept: The folder of its run file.
        redactor: Takes out the keys that a message may hold.

    Raises:
        OSError: a file cannot be written.

    """
    found = {name: baseline for name, baseline in judgement.baselines.items() if baseline is not None}
    compared = {name: (baseline, _outputs(judgement, name, baseline)) for name, baseline in found.items()}
    rows = history.read(history.file_of(judgement.settings.history, root=judgement.root, state=judgement.state)).rows
    for judge in {judge.name for suite in verdict.suites.values() for judge in suite.judges}:
        _keep_calibration(judgement, judge, kept)
    return kept.keep(verdict, compared, rows, redactor)


def outputs_of(judgement: Judgement, suite: str) -> Mapping[str, Json]:
    """Return what the cases of the baseline of a suite answered, by id; nothing where that is not known."""
    baseline = judgement.baselines.get(suite)
    return {} if baseline is None else baseline_outputs.parse(_outputs(judgement, suite, baseline))


def _outputs(judgement: Judgement, name: str, baseline: Baseline) -> bytes:
    suite = judgement.suite_of(name)
    configured = None if suite is None else suite.baseline
    try:
        file = file_of(configured, suite=name, root=judgement.root, state=judgement.state)
    except BaselineError:
        return b""
    return baseline_outputs.find(baseline, file=file, root=judgement.root, state=judgement.state)


def _keep_calibration(judgement: Judgement, judge: str, kept: KeptRun) -> None:
    configured = judgement.settings.judges.get(judge)
    path = None if configured is None or configured.calibration is None else judgement.root / configured.calibration
    if path is not None and path.exists():
        files.write_atomically(kept.calibration_file(judge), path.read_bytes())
