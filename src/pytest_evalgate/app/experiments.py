"""Export of decided runs to an MLflow experiment, through the ``mlflow`` or ``mlflow-skinny`` that is installed.

Each run becomes one run of MLflow: its pass rates, changes and costs as metrics, its configuration as parameters, its
labels as tags, ``verdict.json`` and the reports as artefacts. Outputs and run files are not sent; the reports contain
as much text as ``report.content`` allows.
"""

from __future__ import annotations

import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.runs import kept

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.app.view import DecidedRun
    from pytest_evalgate.records.verdicts import SuiteVerdict, Verdict
    from pytest_evalgate.runs.kept import RunFolder
    from pytest_evalgate.text.redaction import Redactor

RUN_TAG: Final = "evalgate.run_id"
"""Tag by which a run is found again, so that it is exported once."""

SECRETS: Final = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_URI")
"""Variables of MLflow that may contain a secret."""

_MISSING: Final = "export to MLflow needs its client: pip install mlflow-skinny"
_NOT_ALLOWED: Final = re.compile(r"[^\w\-. /]")
_LONGEST_VALUE: Final = 500  # older servers accept no longer parameters
_BATCH: Final = 100  # parameters or tags of one request; MLflow accepts 100, and 1,000 metrics
_FINISHED: Final = "FINISHED"


@dataclass(frozen=True, slots=True)
class ExportedRun:
    """A run and its id in MLflow; ``is_new`` is False if an earlier export has sent it."""

    run_id: str
    mlflow_id: str
    is_new: bool


class Experiment:
    """An experiment of MLflow, on the server or in the folder that ``MLFLOW_TRACKING_URI`` names."""

    def __init__(self, name: str, redactor: Redactor) -> None:
        """Find the experiment, or create it.

        Raises:
            SettingsError: MLflow is not installed, cannot be reached, or refuses.
        """
        try:
            from mlflow.exceptions import MlflowException  # noqa: PLC0415 - 1.3 s, only for this verb
            from mlflow.tracking import MlflowClient  # noqa: PLC0415 - the same
        except ImportError as error:
            raise SettingsError(f"{_MISSING} ({error})") from None
        self.name = name
        self._redactor = redactor
        self._refusal: type[Exception] = MlflowException
        try:
            self._client: Any = MlflowClient()
            found = self._client.get_experiment_by_name(name)
            self._id: str = self._client.create_experiment(name) if found is None else found.experiment_id
        except MlflowException as error:
            raise self._refused(error) from None

    def add(self, folder: RunFolder, project: Project) -> ExportedRun:
        """Send a decided run, unless it was sent. The rest of an interrupted export is deleted and sent again.

        Raises:
            RunFileError: The run cannot be read.
            SettingsError: MLflow cannot be reached, or refuses.
        """
        from pytest_evalgate.app.view import read_decided  # noqa: PLC0415 - imports scipy

        decided = read_decided(folder)
        run_id = decided.run.id
        try:
            for earlier in self._client.search_runs([self._id], f"tags.`{RUN_TAG}` = '{run_id}'"):
                if earlier.info.status == _FINISHED:
                    return ExportedRun(run_id, earlier.info.run_id, is_new=False)
                self._client.delete_run(earlier.info.run_id)
            return ExportedRun(run_id, self._send(folder, decided, project), is_new=True)
        except self._refusal as error:
            raise self._refused(error) from None

    def _send(self, folder: RunFolder, decided: DecidedRun, project: Project) -> str:
        from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415 - the same

        run, client = decided.run, self._client
        ended = int(datetime.strptime(run.created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp() * 1000)
        started = ended - int(run.duration_s * 1000)
        made: str = client.create_run(self._id, started, {RUN_TAG: run.id}, run.id).info.run_id
        redact = self._redactor.redact
        metrics = [Metric(name, value, ended, 0) for name, value in metrics_of(decided.verdict)]
        params = [Param(name, redact(value)[:_LONGEST_VALUE]) for name, value in params_of(decided)]
        tags = [RunTag(name, redact(value)) for name, value in tags_of(decided)]
        for start in range(0, max(map(len, (metrics, params, tags))), _BATCH):
            batch = slice(start, start + _BATCH)
            client.log_batch(made, metrics[batch], params[batch], tags[batch])
        with tempfile.TemporaryDirectory() as name:
            self._write_artefacts(folder, decided, project, Path(name))
            client.log_artifacts(made, name)
        client.set_terminated(made, _FINISHED, ended)
        return made

    def _write_artefacts(self, folder: RunFolder, decided: DecidedRun, project: Project, to: Path) -> None:
        from pytest_evalgate.app.view import ReportOptions, view_of  # noqa: PLC0415 - imports scipy
        from pytest_evalgate.reports.view import TextPolicy  # noqa: PLC0415 - the same
        from pytest_evalgate.reports.writing import write_reports  # noqa: PLC0415 - the same

        kept.write(decided.verdict, to / folder.verdict_file.name, self._redactor)
        report = project.settings.report
        view = view_of(folder, decided, ReportOptions(project.root, TextPolicy.by(report), None, None))
        write_reports(view, report.formats, to)

    def _refused(self, error: Exception) -> SettingsError:
        text = self._redactor.redact(str(error).strip().partition("\n")[0])
        return SettingsError(f"MLflow: {text}; check MLFLOW_TRACKING_URI")


def metrics_of(verdict: Verdict) -> Iterator[tuple[str, float]]:
    """Yield the metrics of a run by name; those of a suite begin with its name, as in ``faq/pass_rate``."""
    for name, suite in verdict.suites.items():
        prefix = _allowed(name)
        yield from ((f"{prefix}/{_allowed(key)}", value) for key, value in _suite_metrics(suite))
    yield "cost_usd", verdict.calls.cost_usd
    yield "tokens_in", verdict.calls.tokens_in
    yield "tokens_out", verdict.calls.tokens_out
    yield "calls_sent", verdict.calls.sent
    yield "duration_s", verdict.duration_s
    yield "exit_code", verdict.exit_code


def _suite_metrics(suite: SuiteVerdict) -> Iterator[tuple[str, float]]:
    """Yield the figures of a suite, each with its interval if it has one."""
    if suite.pass_rate is not None:
        yield from _with_interval("pass_rate", suite.pass_rate, suite.interval)
    if suite.corrected is not None:
        yield from _with_interval("corrected_pass_rate", suite.corrected.value, suite.corrected.interval)
    if suite.delta is not None:
        yield from _with_interval("delta", suite.delta.delta, (suite.delta.lower, suite.delta.upper))
        yield "delta_p", suite.delta.p
    for outcome in ("passed", "missed", "errored", "skipped", "not_run"):
        yield outcome, getattr(suite.accounting, outcome)
    for name, score in suite.scores.items():
        if score.mean is not None:
            yield f"score {name}", score.mean
    for metric in suite.metrics:
        for figure in metric.figures:
            if figure.value is not None:
                name = " ".join(filter(None, (metric.name or metric.kind, figure.name, figure.of)))
                yield from _with_interval(name, figure.value, figure.interval)


def _with_interval(name: str, value: float, interval: Sequence[float | None] | None) -> Iterator[tuple[str, float]]:
    yield name, value
    for end, bound in zip(("lower", "upper"), interval or (), strict=False):
        if bound is not None:
            yield f"{name}.{end}", bound


def params_of(decided: DecidedRun) -> Iterator[tuple[str, str]]:
    """Yield the parameters of a run: its tier, commit and branch, and the facts of its reports."""
    yield "tier", decided.info.tier
    if decided.run.commit is not None:
        yield "commit", decided.run.commit
    if decided.info.branch is not None:
        yield "branch", decided.info.branch
    facts: Mapping[str, str] = decided.info.facts
    yield from ((_allowed(name), value) for name, value in facts.items() if value)


def tags_of(decided: DecidedRun) -> Iterator[tuple[str, str]]:
    """Yield the tags of a run: its verdict, those of its suites, and its labels."""
    yield "evalgate.verdict", decided.verdict.verdict
    yield from ((f"evalgate.verdict.{_allowed(name)}", one.verdict) for name, one in decided.verdict.suites.items())
    yield from ((_allowed(name), value) for name, value in decided.info.labels.items())
    if decided.run.commit is not None:
        yield "mlflow.source.git.commit", decided.run.commit


def _allowed(name: str) -> str:
    """Return a name that MLflow accepts."""
    return _NOT_ALLOWED.sub("_", name)
