"""Reader of sources: the format is recognised by the content, and each format has one reader."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.importing.column_plan import is_known_name
from pytest_evalgate.importing.delimited import decode, read_delimited
from pytest_evalgate.importing.documents import is_json, read_json, read_placed
from pytest_evalgate.importing.imported import Imported, ImportingError, ImportOptions
from pytest_evalgate.importing.mapping import map_rows
from pytest_evalgate.importing.sheets import read_source
from pytest_evalgate.importing.table_header import name_rows
from pytest_evalgate.importing.workbook import other_kind, read_workbook
from pytest_evalgate.text import foreign, jsonl
from pytest_evalgate.text.files import relative_name

if TYPE_CHECKING:
    from pytest_evalgate.importing.documents import Document
    from pytest_evalgate.importing.sheets import Sheet

_YAML: Final = frozenset({".yaml", ".yml"})
_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0"


def read(path: Path, options: ImportOptions | None = None, *, root: Path | None = None) -> Imported:
    """Read a source. Places name it relative to ``root``, the working folder by default.

    Raises:
        ImportingError: It cannot be imported; lists all problems.
    """
    options = options or ImportOptions()
    root = root or Path.cwd()
    file = relative_name(path, root)
    if path.is_dir():
        from pytest_evalgate.importing.saved_dataset import read_saved  # noqa: PLC0415 - rarely needed

        return _from_document(path, file, read_saved(path, file, options.sheet), options)
    content = read_source(path, file)
    if kind := other_kind(path.suffix):
        raise ImportingError([(file, f"{kind}: save it as .xlsx, or as CSV")])
    if content.startswith((_ZIP, _OLE)):
        return _from_table(path, read_workbook(content, file, options.sheet), "xlsx", options)
    if options.sheet is not None:
        raise ImportingError([(file, "--sheet is for workbooks and saved datasets: remove it")])
    if (message := _foreign(content)) is not None:
        raise ImportingError([(file, message)])
    text, notes = decode(content, file)
    if path.suffix.lower() in _YAML or (not is_json(text) and _looks_like_yaml(text)):
        return _from_yaml(path, file, options, root)
    if text.lstrip().startswith("{") and (found := _from_promptfoo(path, text, options, root)) is not None:
        return found
    if is_json(text) and path.suffix.lower() not in {".csv", ".tsv"}:
        return _from_document(path, file, read_json(text, path, file), options, notes)
    sheet = read_delimited(content, file, partial(is_known_name, columns=options.columns), options.delimiter)
    return _from_table(path, sheet, "tsv" if sheet.dialect.startswith("tab") else "csv", options)


def _foreign(content: bytes) -> str | None:
    """Return what a file is if it is not text; UTF-16 is read."""
    message = foreign.name_foreign(content[: foreign.HEAD], free_text=True)
    return None if message is not None and "UTF-16" in message else message


_YAML_START: Final = re.compile(r"---\s*$|- [\w\"'{]|[\w-]+:(?:[ \t]|$)", re.MULTILINE)


def _looks_like_yaml(text: str) -> bool:
    lines = [line for line in text[:4096].splitlines() if line.strip() and not line.startswith("#")]
    return bool(lines) and _YAML_START.match(lines[0]) is not None


def _from_yaml(path: Path, file: str, options: ImportOptions, root: Path) -> Imported:
    from pytest_evalgate.importing.yaml_document import place_of, read_document  # noqa: PLC0415 - few sources are YAML

    document = read_document(path, file)
    if _is_promptfoo(document):
        return _read_promptfoo(path, options, root)
    return _from_document(path, file, read_placed(document, file, place_of), options)


def _from_promptfoo(path: Path, text: str, options: ImportOptions, root: Path) -> Imported | None:
    """Read a configuration of promptfoo that is JSON; None for any other document."""
    try:
        document = jsonl.loads(text)
    except ValueError:  # reported by the reader of documents, or it is JSON Lines
        return None
    return _read_promptfoo(path, options, root) if _is_promptfoo(document) else None


_PROMPTFOO: Final = frozenset(
    {"prompts", "providers", "targets", "tests", "scenarios", "defaultTest", "assertionTemplates", "redteam"}
)


def _is_promptfoo(document: object) -> bool:
    """Return whether a document has two of the keys that make a configuration of promptfoo."""
    return isinstance(document, dict) and len(_PROMPTFOO.intersection(document)) > 1


def _read_promptfoo(path: Path, options: ImportOptions, root: Path) -> Imported:
    from pytest_evalgate.importing.promptfoo import read_config  # noqa: PLC0415 - imports Jinja, 30 ms

    if options.columns or options.sheet or options.delimiter:
        raise ImportingError(
            [(str(path), "is a configuration of promptfoo: --map, --sheet and --delimiter are for tables")]
        )
    return read_config(path, project=root, golden=options.golden)


def _from_table(path: Path, sheet: Sheet, form: str, options: ImportOptions) -> Imported:
    table = name_rows(sheet, options.columns)
    mapped = map_rows(table.rows, sheet.file, options.columns, is_table=True)
    return Imported(
        path,
        f"{form} ({mapped.dialect})" if mapped.dialect else form,
        mapped.mapping,
        mapped.cases,
        (*table.left_out, *mapped.left_out),
        notes=(f"read as {sheet.dialect}", *sheet.notes, *table.notes, *mapped.notes),
    )


def _from_document(
    path: Path, file: str, document: Document, options: ImportOptions, notes: tuple[str, ...] = ()
) -> Imported:
    mapped = map_rows(document.rows, file, options.columns, is_table=False)
    if document.format == "jsonl" and mapped.dialect and not mapped.left_out:
        notes = (*notes, "these rows also load unchanged, if a suite names this file as its golden set")
    return Imported(
        path,
        f"{document.format} ({mapped.dialect})" if mapped.dialect else document.format,
        mapped.mapping,
        mapped.cases,
        (*document.left_out, *mapped.left_out),
        notes=(*notes, *mapped.notes),
    )
