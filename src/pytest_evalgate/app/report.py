"""Report of a decided run: store what the reports need beside the run, then write the configured reports.

The folder of a run holds the verdict, the baselines with their outputs, the calibrations and the history as they were
when the run was decided, so that ``pytest-evalgate report`` renders the same bytes again.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate.errors import BaselineError, SettingsError, StorageError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports.view import TextPolicy
from pytest_evalgate.reports.writing import HTML_FILE, write_reports
from pytest_evalgate.runs import baseline as runs_baseline
from pytest_evalgate.runs.baseline import file_of
from pytest_evalgate.runs.kept import RunFolder
from pytest_evalgate.runs.run_file import path_of
from pytest_evalgate.runs.state import storage_message
from pytest_evalgate.text import files
from pytest_evalgate.text.exceptions import describe_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pytest_evalgate.app.decide import RunDecider
    from pytest_evalgate.config import Report
    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import Run
    from pytest_evalgate.records.verdicts import Baseline, Verdict
    from pytest_evalgate.reports.view import Links, ReportView
    from pytest_evalgate.reports.writing import WrittenReports
    from pytest_evalgate.runs.run_file import RunInfo
    from pytest_evalgate.runs.state import StateFolder
    from pytest_evalgate.text.redaction import Redactor


def keep(decider: RunDecider, verdict: Verdict, kept: RunFolder, redactor: Redactor) -> Verdict:
    """Store what the reports of a decided run need, and return the verdict as stored.

    Args:
        decider: The decider of the run, with the baselines that it read.
        verdict: The verdict, with the exit code of the session.
        kept: The folder of the run file.
        redactor: Removes API keys from messages.

    Raises:
        StorageError: a file cannot be written.
    """
    found = {name: baseline for name, baseline in decider.baselines.items() if baseline is not None}
    compared = {name: (baseline, _outputs(decider, name, baseline)) for name, baseline in found.items()}
    rows = [row for row in decider.past if not row.stopped]
    for judge in {judge.name for suite in verdict.suites.values() for judge in suite.judges}:
        _copy_calibration(decider, judge, kept)
    return kept.keep(verdict, compared, rows, redactor)


def baseline_outputs_of(decider: RunDecider, suite: str) -> Mapping[str, Json]:
    """Return the outputs of a suite's baseline by case id; none if they were not stored."""
    baseline = decider.baselines.get(suite)
    return {} if baseline is None else runs_baseline.parse_outputs(_outputs(decider, suite, baseline))


def _outputs(decider: RunDecider, name: str, baseline: Baseline) -> bytes:
    suite = decider.suite_of(name)
    configured = None if suite is None else suite.baseline
    try:
        file = file_of(configured, suite=name, root=decider.root, state=decider.state)
    except BaselineError:
        return b""
    return runs_baseline.find_outputs(baseline, file=file, root=decider.root, state=decider.state)


def _copy_calibration(decider: RunDecider, judge: str, kept: RunFolder) -> None:
    configured = decider.settings.judges.get(judge)
    path = (
        None
        if configured is None or configured.calibration is None
        else decider.judge_root(judge) / configured.calibration
    )
    if path is not None and path.exists():
        files.write_atomically(kept.calibration_file(judge), files.read_bytes(path))


@dataclass
class ReportWriter:
    """Writer of the configured reports.

    Args:
        root: Root folder of the project.
        state: State folder.
        report_settings: Formats, and how much text they contain.
        folder_option: Value of ``--eval-report``, if given.
        print_line: Writes a line to the log of the job.
        hook: Calls the hook ``pytest_evalgate_report``; by default there is none.
    """

    root: Path
    state: StateFolder
    report_settings: Report
    folder_option: str | None
    print_line: Callable[[str], None]
    hook: Callable[[ReportView], Iterable[Mapping[str, str]]] = lambda _: ()

    @cached_property
    def folder(self) -> Path:
        """The folder of the reports.

        Raises:
            SettingsError: the path is a file.
        """
        if self.folder_option is None:
            return self.state.path
        folder = Path(self.folder_option)
        if folder.exists() and not folder.is_dir():
            raise SettingsError(f"--eval-report {self.folder_option}: this is a file, give a folder")
        return folder

    @property
    def html_file(self) -> str | None:
        """Path of the HTML report for messages; None if it is not configured."""
        return (
            files.relative_name(self.folder / HTML_FILE, self.root) if "html" in self.report_settings.formats else None
        )

    def remove_old_report(self) -> None:
        """Remove the HTML report of an earlier session, so that it is not mistaken for the report of this run."""
        files.remove(self.folder / HTML_FILE)

    def load(self) -> None:
        """Import what the reports need: 0.2 s that cost nothing while outputs are awaited."""
        import pytest_evalgate.app.view  # noqa: F401, PLC0415 - the gates, and with them scipy

        if "html" in self.report_settings.formats:
            from pytest_evalgate.reports.html import prepare  # noqa: PLC0415 - the same

            prepare()

    def report(
        self,
        verdict: Verdict,
        decider: RunDecider,
        made: tuple[Run, RunInfo],
        redactor: Redactor,
        core: ReportView | None = None,
    ) -> Iterator[str]:
        """Store what the reports need, write the reports, and yield the problems.

        A report that fails never changes the verdict. ``core`` is the view that the session has built, if it has.
        """
        try:
            view, written = self._write(verdict, decider, made, redactor, core)
            self._publish(view, redactor)
        except StorageError as error:
            yield f"the reports could not be written: {storage_message(error)}"
            return
        except Exception as error:  # noqa: BLE001 - a failed report does not change the verdict
            yield f"the reports could not be written: {describe_error(error)}"
            return
        yield from written.notes
        yield from self._write_hook_reports(view, redactor)

    def _write(
        self,
        verdict: Verdict,
        decider: RunDecider,
        made: tuple[Run, RunInfo],
        redactor: Redactor,
        core: ReportView | None,
    ) -> tuple[ReportView, WrittenReports]:
        from pytest_evalgate.app.view import DecidedRun, ReportOptions, view_of  # noqa: PLC0415 - scipy

        kept = RunFolder(path_of(self.state.path, verdict.run_id).parent)
        decided = DecidedRun(*made, keep(decider, verdict, kept, redactor), decider.baselines)
        texts = TextPolicy.by(self.report_settings)
        view = view_of(kept, decided, ReportOptions(self.root, texts, self._links(), self.html_file), core)
        return view, write_reports(view, self.report_settings.formats, self.folder)

    def _links(self) -> Links | None:
        if not _on_github():
            return None
        from pytest_evalgate.reports.github import links_of  # noqa: PLC0415 - only on GitHub Actions

        return links_of(os.environ, self.root)

    def _publish(self, view: ReportView, redactor: Redactor) -> None:
        if not _on_github():
            return
        from pytest_evalgate.reports.github import write_github  # noqa: PLC0415 - only on GitHub Actions

        write_github(view, os.environ, self.print_line, redactor)

    def _write_hook_reports(self, view: ReportView, redactor: Redactor) -> Iterator[str]:
        from pytest_evalgate.reports.writing import write_files  # noqa: PLC0415 - wanted once, at the end

        try:
            for made in self.hook(view):
                write_files({name: redactor.redact(text) for name, text in made.items()}, self.folder)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a failed user report does not change the verdict
            yield f"pytest_evalgate_report: {describe_error(error)}"


def _on_github() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"
