"""How large the page is: from where on a reader is warned, and where the texts of the cases stand beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.wording import count

if TYPE_CHECKING:
    from pytest_evalgate.reports.html.packing import PackedCases

FOLDER: Final = "report_files"

_MB: Final = 1_000_000
_WARN: Final = 25 * _MB
_SPILL: Final = 50 * _MB


def is_too_large(cases: PackedCases) -> bool:
    """Tell whether the texts of the cases should stand in files beside the page."""
    return cases.size > _SPILL


def file_names(cases: PackedCases) -> list[str]:
    """Return the names of the files that the chunks go to, relative to the page."""
    return [f"{FOLDER}/texts-{number:04}.json.gz" for number, _ in enumerate(cases.sizes)]


def size_notes(cases: PackedCases, *, spilled: bool) -> tuple[str, ...]:
    """Say what a reader, and whoever keeps the report, should know of its size."""
    size = f"the cases take {cases.size / _MB:.0f} MB"
    if spilled:
        files = count(len(cases.sizes), "file")
        return (f"{size}: their texts stand in {files} in {FOLDER}/ beside the report; keep them together",)
    if cases.size > _WARN:
        return (f'{size}: the report opens slowly; with report.content = "excerpt" it is smaller',)
    return ()
