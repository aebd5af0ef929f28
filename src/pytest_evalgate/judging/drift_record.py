"""What the last check of a judge's anchors found: a file beside its calibration, which a failed check takes away."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from pytest_evalgate import files, jsonl
from pytest_evalgate.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.data import Calibration

SCHEMA: Final = 1
_KIND: Final = "evalgate-drift"
_DRIFTED: Final = "drifted"
_AGAIN: Final = "check again with pytest-evalgate drift"


class DriftRecordError(UserError):
    """The record of a check that cannot be read."""


@dataclass(frozen=True, slots=True)
class DriftRecord:
    """One check: of which judge, when (UTC, ISO 8601), on which anchors, and what it found."""

    judge: str
    checked: str
    anchors: str
    finding: str


def file_of(calibration: Path) -> Path:
    """Return the file that stands beside a calibration."""
    return calibration.with_name(f"{calibration.stem}.drift.json")


def write(record: DriftRecord, path: Path) -> None:
    """Write a record whole or not at all."""
    held = {"schema": SCHEMA, "kind": _KIND, **asdict(record)}
    files.write_atomically(path, jsonl.canonical(held).encode("ascii") + b"\n")


def read(path: Path) -> DriftRecord | None:
    """Read a record; None where nobody has checked.

    Raises:
        DriftRecordError: it cannot be read, or is no such record.

    """
    try:
        value = jsonl.loads(path.read_bytes())
        known = value["kind"] == _KIND and value["schema"] <= SCHEMA
        record = DriftRecord(*(str(value[name]) for name in ("judge", "checked", "anchors", "finding")))
    except FileNotFoundError:
        return None
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise DriftRecordError(f"{path}: malformed ({error}); {_AGAIN}") from None
    if not known:
        raise DriftRecordError(f"{path}: not a check of anchors that this version knows; {_AGAIN}")
    return record


def why_stale(record: DriftRecord | None, calibration: Calibration | None) -> str | None:
    """Say why a calibration does not hold any more, if its anchors drifted after it was made."""
    if record is None or calibration is None or record.finding != _DRIFTED or record.checked < calibration.created:
        return None
    return (
        f"its anchors ({record.anchors}) have drifted: the check of {record.checked[:10]} found more flips than "
        "chance explains. Calibrate again"
    )
