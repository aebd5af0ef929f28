"""Which tests stay with one worker of xdist: the controller collects nothing, so its workers leave word for it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from pytest_evalgate import files

if TYPE_CHECKING:
    from pathlib import Path

_NAME = "pins.json"


@dataclass(frozen=True, slots=True)
class Pins:
    """What the collection found.

    Args:
        nodeids: The in-code tests of which work starts before their items run.
        serial: Why tests with ``concurrent=True`` run one after the other, a line a test.

    """

    nodeids: tuple[str, ...] = ()
    serial: tuple[str, ...] = ()


def write(state: Path, run: str, pins: Pins) -> None:
    """Leave word below the run's folder; every worker writes the same.

    Raises:
        OSError: it cannot be written.

    """
    files.write_atomically(_path(state, run), json.dumps(asdict(pins)).encode("ascii"))


def read(state: Path, run: str) -> Pins:
    """Return what the workers found; nothing where they left no word."""
    try:
        value = json.loads(_path(state, run).read_bytes())
    except FileNotFoundError:
        return Pins()
    return Pins(tuple(value["nodeids"]), tuple(value["serial"]))


def _path(state: Path, run: str) -> Path:
    return state / "runs" / run / _NAME
