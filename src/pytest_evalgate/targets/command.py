"""A program as the target: the case as JSON on its stdin, the output on its stdout; no shell is involved."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.results import Output
from pytest_evalgate.targets.outputs import MAX_BYTES, TargetFailure, as_output
from pytest_evalgate.text import jsonl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_evalgate import config
    from pytest_evalgate.records.results import Case

_TAIL: Final = 2000
_KILL_WAIT_S: Final = 2.0
_STDIN, _STDOUT = 0, 1


@dataclass(slots=True)
class _ProgramProtocol(asyncio.SubprocessProtocol):
    """Keeps what the program writes; ``done`` is set when it has ended and its pipes are closed, or said too much."""

    done: asyncio.Event = field(default_factory=asyncio.Event)
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    is_closed: bool = False

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd != _STDOUT:
            self.stderr += data
            del self.stderr[: -4 * _TAIL]  # a character has at most four bytes
            return
        self.stdout += data
        if len(self.stdout) > MAX_BYTES:
            self.done.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self.is_closed = True
        self.done.set()


async def run_program(argv: Sequence[str], text: bytes, *, folder: Path, timeout_s: float) -> bytes:
    """Run ``argv`` in ``folder`` with ``text`` on its stdin, and return what it wrote on stdout, at most 4 MiB.

    It has a process group of its own, which is killed as a whole where the program does not end by itself.

    Raises:
        TargetFailure: it could not be started, did not end within ``timeout_s`` seconds, wrote too much, or ended with
            another code than 0; the message is one line and ends with what it wrote on stderr.

    """
    loop, options = asyncio.get_running_loop(), dict[str, Any](_OWN_GROUP)
    try:
        transport, protocol = await loop.subprocess_exec(_ProgramProtocol, *argv, cwd=folder, **options)
    except (OSError, ValueError) as error:  # ValueError: an argument holds a NUL character
        raise TargetFailure(f"{argv[0]} could not be started: {error}") from None
    try:
        _write_stdin(transport, text)
        async with asyncio.timeout(timeout_s):
            await protocol.done.wait()
    except TimeoutError:
        raise TargetFailure(f"no answer within timeout_s = {timeout_s:g}{_stderr_tail(protocol)}") from None
    finally:
        await _terminate(transport, protocol)
    if len(protocol.stdout) > MAX_BYTES:
        raise TargetFailure(f"it wrote more than {MAX_BYTES:,} bytes")
    if code := transport.get_returncode():
        raise TargetFailure(f"{_exit_message(code)}{_stderr_tail(protocol)}")
    return bytes(protocol.stdout)


def _write_stdin(transport: asyncio.SubprocessTransport, text: bytes) -> None:
    stdin: Any = transport.get_pipe_transport(_STDIN)
    stdin.write(text)
    stdin.write_eof()


async def _terminate(transport: asyncio.SubprocessTransport, protocol: _ProgramProtocol) -> None:
    """Kill what is still running, and wait until the system has said so."""
    if not protocol.is_closed:
        protocol.done.clear()
        _kill_group(transport)
        transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_KILL_WAIT_S):
                await protocol.done.wait()
    transport.close()


def _stderr_tail(protocol: _ProgramProtocol) -> str:
    """Return the end of stderr in one line."""
    lines = protocol.stderr.decode("utf-8", "replace")[-_TAIL:].splitlines()
    text = " | ".join(line.strip() for line in lines if line.strip())
    return f"; stderr: {jsonl.escape_text(text, _TAIL)}" if text else ""


if sys.platform == "win32":
    _OWN_GROUP = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}

    def _kill_group(transport: asyncio.SubprocessTransport) -> None:
        """Kill the program; those that it has started end by themselves when their pipes break."""
        with contextlib.suppress(ProcessLookupError):
            transport.kill()

    def _exit_message(code: int) -> str:
        return f"exit code {code}"

else:
    _OWN_GROUP = {"start_new_session": True}

    def _kill_group(transport: asyncio.SubprocessTransport) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(transport.get_pid(), signal.SIGKILL)

    def _exit_message(code: int) -> str:
        return f"exit code {code}" if code > 0 else f"ended by {signal.Signals(-code).name}"


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


def load_command(spec: config.CommandTarget, *, root: Path, place: str) -> CommandTarget:
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
    answered = _output_object(text)
    if answered is None:
        return as_output(text.removesuffix("\n").removesuffix("\r"))
    if answered["output"] is None:
        raise TargetFailure("the output that it wrote is null")
    metadata = answered.get("metadata")
    return as_output(Output(answered["output"], metadata if isinstance(metadata, dict) else {}))


def _output_object(text: str) -> dict[str, object] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = jsonl.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) and "output" in value else None
