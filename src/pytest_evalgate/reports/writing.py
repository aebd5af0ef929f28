"""Writers of report files, one for each format. A renderer is imported only if its format is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """Write the reports of a run atomically, in the order of ``formats``; create ``folder`` if it does not exist.

    Raises:
        StorageError: A file cannot be written.
    """
    paths: list[Path] = []
    notes: tuple[str, ...] = ()
    for format_name in dict.fromkeys(formats):
        if format_name == "html":
            html = _write_html(view, folder)
            paths += html.paths
            notes = html.notes
        else:
            paths += [_write(folder / name, map(str.encode, parts)) for name, parts in _render(format_name, view)]
    return WrittenReports(tuple(paths), notes)


def write_files(texts: Mapping[str, str], folder: Path) -> tuple[Path, ...]:
    """Write the files that a ``pytest_evalgate_report`` hook returned, by name.

    Raises:
        StorageError: A file cannot be written.
        ValueError: A name is not a plain file name.
    """
    for name in texts:
        if not name or name != name.strip() or set(name) & set("/\\:") or name.startswith("."):
            raise ValueError(f"{name!r} is not a plain file name: leave out folders and a leading dot")
    return tuple(_write(folder / name, [text.encode()]) for name, text in texts.items())


def _write_html(view: ReportView, folder: Path) -> WrittenReports:
    from pytest_evalgate.reports.html import render_html  # noqa: PLC0415 - jinja2 takes 40 ms

    spilled: list[Path] = []
    notes: list[str] = []

    def spill(name: str, data: Iterable[bytes]) -> None:
        spilled.append(_write(folder / name, data))

    def page() -> Iterator[bytes]:
        notes.extend((yield from render_html(view, spill)))

    path = _write(folder / HTML_FILE, page())
    return WrittenReports((path, *spilled), tuple(f"{HTML_FILE}: {note}" for note in notes))


def _render(format_name: ReportFormat, view: ReportView) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield the name and the text of each file of a format, the text in pieces."""
    if format_name == "markdown":
        from pytest_evalgate.reports.markdown import render_comment, render_summary  # noqa: PLC0415 - if configured

        yield "summary.md", [render_summary(view)]
        yield "comment.md", [render_comment(view)]
    elif format_name == "junit":
        from pytest_evalgate.reports.junit import render_junit  # noqa: PLC0415 - if configured

        yield "junit.xml", render_junit(view)
    else:
        from pytest_evalgate.reports.tables import render_csv, render_json  # noqa: PLC0415 - if configured

        yield ("cases.csv", render_csv(view)) if format_name == "csv" else ("report.json", render_json(view))


def _write(path: Path, data: Iterable[bytes]) -> Path:
    files.write_atomically(path, data)
    return path
