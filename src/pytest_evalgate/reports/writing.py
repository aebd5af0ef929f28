"""Writers of report files, one for each format. A renderer is imported only if its format is configured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_evalgate.config import ReportFormat
    from pytest_evalgate.reports.view import ReportView

HTML_FILE = "report.html"


@dataclass(frozen=True, slots=True)
class WrittenReports:
    """The files that were written, and notes for their readers."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def write_reports(view: ReportView, formats: Sequence[ReportFormat], folder: Path) -> WrittenReports:
    """Write the reports of a run, each file atomically.

    Args:
        view: The run.
        formats: The formats to write.
        folder: The folder to write to; it is created if it does not exist.

    Returns:
        The files, in the order of ``formats``.

    Raises:
        OSError: A file cannot be written.

    """
    written = [_FORMATS[name](view, folder) for name in dict.fromkeys(formats)]
    return WrittenReports(
        tuple(path for one in written for path in one.paths), tuple(note for one in written for note in one.notes)
    )


def write_files(texts: Mapping[str, str], folder: Path) -> tuple[Path, ...]:
    """Write the files that a ``pytest_evalgate_report`` hook returned, by name.

    Raises:
        OSError: A file cannot be written.
        ValueError: A name is not a plain file name.

    """
    for name in texts:
        if not name or name != name.strip() or set(name) & set("/\\:") or name.startswith("."):
            raise ValueError(f"{name!r} is not a plain file name: leave out folders and a leading dot")
    return tuple(_write(folder / name, [text.encode()]) for name, text in texts.items())


def _html(view: ReportView, folder: Path) -> WrittenReports:
    from pytest_evalgate.reports.html import render_html  # noqa: PLC0415 - jinja2 takes 40 ms

    spilled: list[Path] = []
    notes: list[str] = []

    def spill(name: str, data: Iterable[bytes]) -> None:
        spilled.append(_write(folder / name, data))

    def page() -> Iterator[bytes]:
        notes.extend((yield from render_html(view, spill)))

    path = _write(folder / HTML_FILE, page())
    return WrittenReports((path, *spilled), tuple(f"{HTML_FILE}: {note}" for note in notes))


def _markdown(view: ReportView, folder: Path) -> WrittenReports:
    from pytest_evalgate.reports.markdown import render_comment, render_summary  # noqa: PLC0415 - if configured

    summary = _write(folder / "summary.md", [render_summary(view).encode()])
    return WrittenReports((summary, _write(folder / "comment.md", [render_comment(view).encode()])))


def _csv(view: ReportView, folder: Path) -> WrittenReports:
    from pytest_evalgate.reports.tables import render_csv  # noqa: PLC0415 - if configured

    return WrittenReports((_write(folder / "cases.csv", map(str.encode, render_csv(view))),))


def _junit(view: ReportView, folder: Path) -> WrittenReports:
    from pytest_evalgate.reports.junit import render_junit  # noqa: PLC0415 - if configured

    return WrittenReports((_write(folder / "junit.xml", map(str.encode, render_junit(view))),))


def _json(view: ReportView, folder: Path) -> WrittenReports:
    from pytest_evalgate.reports.tables import render_json  # noqa: PLC0415 - if configured

    return WrittenReports((_write(folder / "report.json", map(str.encode, render_json(view))),))


_FORMATS: Mapping[ReportFormat, Callable[[ReportView, Path], WrittenReports]] = {
    "html": _html,
    "markdown": _markdown,
    "csv": _csv,
    "junit": _junit,
    "json": _json,
}


def _write(path: Path, data: Iterable[bytes]) -> Path:
    files.write_atomically(path, data)
    return path
