"""``verdict.json``: the contract that other tools read."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from pytest_evalgate import files

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.data import Json, Verdict

SCHEMA = 1


def encode(verdict: Verdict) -> dict[str, Json]:
    """Return what the file holds."""
    return {"schema": SCHEMA, **dataclasses.asdict(verdict)}


def write(verdict: Verdict, path: Path) -> None:
    """Write the verdict whole or not at all."""
    text = json.dumps(encode(verdict), indent=1, ensure_ascii=True, allow_nan=False)
    files.write_atomically(path, text.encode("ascii") + b"\n")
