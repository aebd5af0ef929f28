"""The reports of one judged run. Nothing that goes wrong here changes the verdict: it is said, and that is all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate import files
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.reports.links import links_of, on_github
from pytest_evalgate.reports.writing import HTML_FILE, write_reports
from pytest_evalgate.runs.kept import KeptRun
from pytest_evalgate.runs.run_file import path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pytest_evalgate.data import Run, Verdict
    from pytest_evalgate.judgement import Judgement
    from pytest_evalgate.redaction import Redactor
    from pytest_evalgate.reports.view import ReportView
    from pytest_evalgate.reports.writing import Written
    from pytest_evalgate.runs.origin import Origin
    from pytest_evalgate.runs.state import StateFolder
    from pytest_evalgate.settings import Report


@dataclass
class Reporting:
    """Writes what the configuration asks for.

    Args:
        root: The root folder.
        state: The state folder.
        wanted: Which reports, and how much stands in them.
        asked: What ``--eval-report`` says; None where it is silent.
        print_line: Writes a line to the log of the job.
        hook: Calls ``pytest_evalgate_report``; where no pytest runs, there is none.

    """

    root: Path
    state: StateFolder
    wanted: Report
    asked: str | None
    print_line: Callable[[str], None]
    hook: Callable[[ReportView], Iterable[Mapping[str, str]]] = lambda _: ()

    @cached_property
    def folder(self) -> Path:
        """Where the reports go.

        Raises:
            SettingsError: it is a file.

        """
        if self.asked is None:
            return self.state.path
        folder = Path(self.asked)
        if folder.exists() and not folder.is_dir():
            raise SettingsError(f"--eval-report {self.asked}: it is a file; name a folder")
        return folder

    @property
    def html_file(self) -> str | None:
        """The HTML report as messages name it; None where none is written."""
        return files.relative_name(self.folder / HTML_FILE, self.root) if "html" in self.wanted.formats else None

    def forget(self) -> None:
        """Remove the HTML report of an earlier session: that must not be read as one of this run."""
        (self.folder / HTML_FILE).unlink(missing_ok=True)

    def load(self) -> None:
        """Load what the reports are written with: 0.2 s that are free while answers are awaited."""
        import pytest_evalgate.judgement.keeping  # noqa: PLC0415 - wanted once, at the end
        import pytest_evalgate.reports.stored_run  # noqa: F401, PLC0415 - the same

        if "html" in self.wanted.formats:
            from pytest_evalgate.reports.html import prepare  # noqa: PLC0415 - the same

            prepare()

    def report(
        self, verdict: Verdict, judgement: Judgement, made: tuple[Run, Origin], redactor: Redactor
    ) -> Iterator[str]:
        """Keep what the reports are made of, write them, and yield what could not be done."""
        try:
            view, written = self._write(verdict, judgement, made, redactor)
            self._publish(view, redactor)
        except Exception as error:  # noqa: BLE001 - the verdict stands, whatever a report trips over
            yield f"the reports could not be written: {type(error).__name__}: {error}"
            return
        yield from written.notes
        yield from self._of_hooks(view, redactor)

    def _write(
        self, verdict: Verdict, judgement: Judgement, made: tuple[Run, Origin], redactor: Redactor
    ) -> tuple[ReportView, Written]:
        from pytest_evalgate.judgement.keeping import keep  # noqa: PLC0415 - wanted once, at the end
        from pytest_evalgate.reports.stored_run import JudgedRun, Setting, view_of  # noqa: PLC0415 - the same
        from pytest_evalgate.reports.texts import Texts  # noqa: PLC0415 - the same

        kept = KeptRun(path_of(self.state.path, verdict.run_id).parent)
        judged = JudgedRun(*made, keep(judgement, verdict, kept, redactor), judgement.baselines)
        setting = Setting(self.root, Texts.by(self.wanted), links_of(os.environ, self.root), self.html_file)
        view = view_of(kept, judged, setting)
        return view, write_reports(view, self.wanted.formats, self.folder)

    def _publish(self, view: ReportView, redactor: Redactor) -> None:
        if not on_github(os.environ):
            return
        from pytest_evalgate.reports.github import write_github  # noqa: PLC0415 - wanted once, at the end

        write_github(view, os.environ, self.print_line, redactor)

    def _of_hooks(self, view: ReportView, redactor: Redactor) -> Iterator[str]:
        from pytest_evalgate.reports.writing import write_made  # noqa: PLC0415 - wanted once, at the end

        try:
            for made in self.hook(view):
                write_made({name: redactor.clean(text) for name, text in made.items()}, self.folder)
        except Exception as error:  # noqa: BLE001 - a report of the user's own does not decide the build
            yield f"pytest_evalgate_report: {type(error).__name__}: {error}"
