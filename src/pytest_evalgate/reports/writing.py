"""Reports to files: each format says which files it is made of, and they are written whole or not at all."""

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
    """The files of a report, and what is to be said of them."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def write_reports(view: ReportView, formats: Sequence[ReportFormat], folder: Path) -> WrittenReports:
    """Write the reports of a run.

    Args:
        view: The run.
        formats: Which reports.
        folder: Where to; made where it is missing.

    Returns:
        What was written, in the order of ``formats``.

    Raises:
        OSError: a file cannot be written.

    """
    written = [_FORMATS[name](view, folder) for name in dict.fromkeys(formats)]
    return WrittenReports(
        tuple(path for one in written for path in one.paths), tuple(note for one in written for note in one.notes)
    )


def write_files(made: Mapping[str, str], folder: Path) -> tuple[Path, ...]:
    """Write what a hook made: the content of files by their plain names.

    Raises:
        OSError: a file cannot be written.
        ValueError: a name is not that of a file in ``folder``.

    """
    for name in made:
        if not name or name != name.strip() or set(name) & set("/\\:") or name.startswith("."):
            raise ValueError(f"{name!r} is not the plain name of a file")
    return tuple(_write(folder / name, [text.encode()]) for name, text in made.items())


def _html(view: ReportView, folder: Path) -> WrittenReports:
    from pytest_evalgate.reports.html import render_html  # noqa: PLC0415 - jinja2, where it is wanted

    spilled: list[Path] = []
    notes: list[str] = []

    def spill(name: str, data: Iterable[bytes]) -> None:
        spilled.append(_write(folder / name, data))

    def page() -> Iterator[bytes]:
        notes.extend((yield from render_html(view, spill)))

    path = _write(folder / HTML_FILE, page())
    return WrittenReports((path, *spilled), tuple(f"{HTML_FILE}: {note}" for note in notes))


def _markdown(view: ReportView, folder: Path) -> WrittenReports:
    from pytest_evalgate.reports.markdown import render_comment, render_summary  # noqa: PLC0415 - where it is wanted

    summary = _write(folder / "summary.md", [render_summary(view).encode()])
    return WrittenReports((summary, _write(folder / "comment.md", [render_comment(view).encode()])))


def _csv(view: ReportView, folder: Path) -> WrittenReports:
    from pytest_evalgate.reports.tables import render_csv  # noqa: PLC0415 - where it is wanted

    return WrittenReports((_write(folder / "cases.csv", map(str.encode, render_csv(view))),))


def _junit(view: ReportView, folder: Path) -> WrittenReports:
    from pytest_evalgate.reports.junit import render_junit  # noqa: PLC0415 - where it is wanted

    return WrittenReports((_write(folder / "junit.xml", map(str.encode, render_junit(view))),))


def _json(view: ReportView, folder: Path) -> WrittenReports:
    from pytest_evalgate.reports.tables import render_json  # noqa: PLC0415 - where it is wanted

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
