"""Datasets of Hugging Face, saved to a folder by ``save_to_disk``: read by ``datasets`` if that is installed."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.importing.documents import Document, object_rows
from pytest_evalgate.importing.imported import ImportingError, LeftOut
from pytest_evalgate.importing.sheets import LIMITS
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.records.cases import Json

_MARKS: Final = ("dataset_dict.json", "state.json")
_INSTALL: Final = "a saved dataset of Hugging Face: to read it, pip install datasets"


def read_saved(path: Path, file: str, split: str | None) -> Document:
    """Read the rows of a saved dataset. ``split`` is needed if it has several.

    Raises:
        ImportingError: The folder is no saved dataset, the library is not installed, or the split does not exist.
    """
    if not any((path / mark).is_file() for mark in _MARKS):
        raise ImportingError([(file, "a folder, but not a saved dataset: name a file")])
    try:
        import datasets  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415 - optional, and takes a second
    except ImportError:
        raise ImportingError([(file, _INSTALL)]) from None
    try:
        loaded: Any = datasets.load_from_disk(str(path))
    except Exception as error:  # noqa: BLE001 - any exception of a damaged folder
        raise ImportingError([(file, f"cannot be read: {jsonl.escape_text(str(error), 200)}")]) from None
    name = file
    if isinstance(loaded, datasets.DatasetDict):
        chosen = _choose(list(loaded), split, file)
        loaded, name = loaded[chosen], f"{file}: {chosen}"
    elif split is not None:
        raise ImportingError([(file, "it has no splits: remove --sheet")])
    if loaded.num_rows > LIMITS.rows:
        raise ImportingError([(name, f"{loaded.num_rows:,} rows, at most {LIMITS.rows:,}: select some of them first")])
    dropped: dict[str, str] = {}
    rows = [_plain_row(row, dropped) for row in loaded]
    places = [f"{name}[{index}]" for index in range(len(rows))]
    left_out = tuple(LeftOut(name, f"the column {jsonl.quote_text(one)}", why) for one, why in dropped.items())
    return Document("datasets", object_rows(rows, places, name), left_out)


def _choose(splits: list[str], wanted: str | None, file: str) -> str:
    names = ", ".join(f"--sheet {name}" for name in splits)
    if wanted is None and len(splits) != 1:
        raise ImportingError([(file, f"{len(splits)} splits: choose one with {names}")])
    if wanted is not None and wanted not in splits:
        raise ImportingError([(file, f"no split {jsonl.quote_text(wanted)}{did_you_mean(wanted, splits)}: {names}")])
    return wanted or splits[0]


def _plain_row(row: dict[str, Any], dropped: dict[str, str]) -> dict[str, Json]:
    """Return the row with JSON values; columns of other types, such as images, are recorded in ``dropped``."""
    made: dict[str, Json] = {}
    for name, value in row.items():
        try:
            made[name] = _plain(value)
        except TypeError as error:
            dropped.setdefault(name, f"it contains {error}, which is not a JSON value")
    return made


def _plain(value: Any) -> Json:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    raise TypeError(type(value).__name__)
