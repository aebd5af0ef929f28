"""A program as the target: the case as JSON on its stdin, the output on its stdout; no shell is involved."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate import jsonl
from pytest_evalgate.data import Output
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.targets.outputs import TargetFailure, as_output
from pytest_evalgate.targets.program import run_program

if TYPE_CHECKING:
    from pytest_evalgate import settings
    from pytest_evalgate.data import Case


@dataclass(frozen=True, slots=True)
class CommandTarget:
    """Runs ``argv`` in ``root`` once a trial; ``slots`` bounds how many run at a time."""

    argv: tuple[str, ...]
    root: Path
    timeout_s: float
    slots: asyncio.Semaphore

    async def answer(self, case: Case, trial: int) -> Output:
        """Return what the program wrote.

        Raises:
            TargetFailure: it failed, did not end in time, or wrote what is no output.

        """
        async with self.slots:
            start = time.perf_counter()
            written = await run_program(self.argv, _asked(case, trial), folder=self.root, timeout_s=self.timeout_s)
            return replace(_read(written), latency_s=time.perf_counter() - start)


def load_command(spec: settings.CommandTarget, *, root: Path, place: str) -> CommandTarget:
    """Find the program, and make a target of it; a relative path with a folder in it is taken from ``root``.

    Where the program lies is not restricted: an argument list can name any code anyway, and stands in the
    configuration alone.

    Raises:
        SettingsError: there is no such program.

    """
    name = spec.command[0]
    wanted = str(root / name) if Path(name).name != name else name
    found = shutil.which(wanted)
    if found is None:
        where = "a program that can be run" if wanted != name else "a program on PATH"
        raise SettingsError(f"{place}.command: {wanted} is not {where}: write its path, relative to {root}")
    slots = asyncio.Semaphore(spec.max_concurrency)
    return CommandTarget((found, *spec.command[1:]), root, spec.timeout_s, slots)


def _asked(case: Case, trial: int) -> bytes:
    asked = {
        "id": case.golden_id,
        "input": case.input,
        "messages": case.messages,
        "vars": case.vars,
        "context": case.context,
        "metadata": case.metadata,
        "trial": trial,
    }
    return jsonl.canonical(asked).encode("ascii") + b"\n"


def _read(written: bytes) -> Output:
    """Read an object with an ``output``; anything else is the output itself, without one line end."""
    try:
        text = written.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TargetFailure(f"it wrote what is not UTF-8, at byte {error.start}") from None
    answered = _answered(text)
    if answered is None:
        return as_output(text.removesuffix("\n").removesuffix("\r"))
    if answered["output"] is None:
        raise TargetFailure("the output that it wrote is null")
    metadata = answered.get("metadata")
    return as_output(Output(answered["output"], metadata if isinstance(metadata, dict) else {}))


def _answered(text: str) -> dict[str, object] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = jsonl.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) and "output" in value else None
