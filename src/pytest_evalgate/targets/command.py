"""Program as the target, which reads the case as JSON from stdin and writes the output to stdout. No shell is used."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.errors import MissingOutput, SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.traces import TRACE_HEADER, TRACE_VARIABLE
from pytest_evalgate.targets.envelope import read_output
from pytest_evalgate.targets.outputs import MAX_BYTES, TargetFailure
from pytest_evalgate.targets.reach import foreign_arguments
from pytest_evalgate.text import jsonl
from pytest_evalgate.usercode.outcome import MORE_THREADS
from pytest_evalgate.waits import report_expired

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_evalgate import config
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Output

    TraceContext = Callable[[Case, int], str]

_STDERR_CHARS: Final = 2000
_KILL_WAIT_S: Final = 2.0  # until a killed program has ended and its pipes are closed
_STDIN, _STDOUT = 0, 1
_EXHAUSTED: Final = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})


def load_command(
    spec: config.CommandTarget, *, root: Path, place: str, trace_context: TraceContext | None = None
) -> CommandTargetRunner:
    """Find the program and return the target that runs it. A relative path with a folder in it starts at ``root``.

    The program may be in any folder: only the configuration can name it, and its arguments could name any code anyway.

    Raises:
        SettingsError: There is no such program.
    """
    name = spec.command[0]
    for text in foreign_arguments(spec.command):
        raise SettingsError(
            f"{place}.command: {jsonl.quote_text(text)} is passed to the program unchanged: remove it; the program "
            "reads the case from stdin, as JSON"
        )
    wanted = str(root / name) if Path(name).name != name else name
    found = shutil.which(wanted)
    if found is None:
        kind = "an executable file" if wanted != name else "a program on PATH"
        raise SettingsError(f"{place}.command: {wanted} is not {kind}: write its path, relative to {root}")
    slots = asyncio.Semaphore(spec.max_concurrency)
    return CommandTargetRunner((found, *spec.command[1:]), root, spec.timeout_s, slots, trace_context)


@dataclass(frozen=True, slots=True)
class CommandTargetRunner:
    """A target that runs ``argv`` in ``root`` for each trial.

    ``slots`` limits the concurrent programs. ``trace_context`` returns the trace context of a trial, which the program
    gets in its environment and in its request; None if the run has no trace.
    """

    argv: tuple[str, ...]
    root: Path
    timeout_s: float
    slots: asyncio.Semaphore
    trace_context: TraceContext | None = None

    async def answer(self, case: Case, trial: int) -> Output:
        """Return the output that the program wrote.

        Raises:
            MissingOutput: This machine can start no more programs.
            TargetFailure: The program failed, did not end in time, or wrote no usable output.
        """
        async with self.slots:
            start = time.perf_counter()
            traceparent = "" if self.trace_context is None else self.trace_context(case, trial)
            request = _request(case, trial, traceparent)
            written = await run_program(
                self.argv, request, folder=self.root, timeout_s=self.timeout_s, traceparent=traceparent
            )
            return replace(read_output(written), latency_s=time.perf_counter() - start)


def _request(case: Case, trial: int, traceparent: str = "") -> bytes:
    request = {
        "id": case.golden_id,
        "input": case.input,
        "messages": case.messages,
        "vars": case.vars,
        "context": case.context,
        "metadata": case.metadata,
        "trial": trial,
        **({TRACE_HEADER: traceparent} if traceparent else {}),
    }
    return jsonl.canonical(request).encode("ascii") + b"\n"


@dataclass(slots=True)
class _ProgramProtocol(asyncio.SubprocessProtocol):
    """The output of a program; ``done`` is set when it has ended or has written too much.

    It has ``exited`` when its exit code is known, and ``ended`` when its pipes are closed, too.
    """

    done: asyncio.Event = field(default_factory=asyncio.Event)
    exited: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd != _STDOUT:
            self.stderr += data
            del self.stderr[: -4 * _STDERR_CHARS]  # UTF-8 has at most four bytes a character
            return
        self.stdout += data
        if len(self.stdout) > MAX_BYTES:
            self.done.set()

    def process_exited(self) -> None:
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self.ended.set()
        self.done.set()


async def run_program(
    argv: Sequence[str], text: bytes, *, folder: Path, timeout_s: float, traceparent: str = ""
) -> bytes:
    """Run ``argv`` in ``folder`` with ``text`` on its stdin, and return its stdout, at most 4 MiB.

    The environment is that of this process, with ``traceparent`` in `TRACE_VARIABLE` if there is one.

    The program runs in a new process group. If it does not end by itself, the whole group is killed.

    Raises:
        MissingOutput: This machine can start no more programs.
        TargetFailure: The program could not be started, did not end within ``timeout_s`` seconds, wrote too much, or
            its exit code is not 0. The message is one line and ends with the end of its stderr.
    """
    loop, options = asyncio.get_running_loop(), dict[str, Any](_OWN_GROUP)
    if traceparent:
        options["env"] = {**os.environ, TRACE_VARIABLE: traceparent}
    # create_subprocess_exec() is simpler, but its communicate() reads any amount of output
    try:
        transport, protocol = await loop.subprocess_exec(_ProgramProtocol, *argv, cwd=folder, **options)
    except (OSError, ValueError, RuntimeError) as error:  # ValueError: an argument contains a NUL character
        message = f"{argv[0]} could not be started: {error}"
        if isinstance(error, RuntimeError) or getattr(error, "errno", None) in _EXHAUSTED:
            raise MissingOutput(f"{message}: {MORE_THREADS}") from None  # no thread that waits for it, or no process
        raise TargetFailure(message) from None
    try:
        stdin: Any = transport.get_pipe_transport(_STDIN)
        with contextlib.suppress(RuntimeError):  # of uvloop, if the program has ended by now; asyncio drops the text
            stdin.write(text)
            stdin.write_eof()
        async with asyncio.timeout(timeout_s):
            await protocol.done.wait()
    except TimeoutError:
        report_expired("a program", timeout_s)
        raise TargetFailure(f"no output within timeout_s = {timeout_s:g}{_stderr_tail(protocol)}") from None
    finally:
        await _terminate(transport, protocol)
    if len(protocol.stdout) > MAX_BYTES:
        raise TargetFailure(f"the program wrote more than {MAX_BYTES:,} bytes")
    if code := transport.get_returncode():
        raise TargetFailure(f"{_exit_message(code)}{_stderr_tail(protocol)}")
    return bytes(protocol.stdout)


async def _terminate(transport: asyncio.SubprocessTransport, protocol: _ProgramProtocol) -> None:
    """Kill the process group if the program still runs, and wait for its end."""
    if not protocol.ended.is_set():
        _kill_group(transport)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_KILL_WAIT_S):
                await protocol.exited.wait()  # close() would take the exit code away from the one that waits for it
                transport.close()
                await protocol.ended.wait()
    transport.close()


def _stderr_tail(protocol: _ProgramProtocol) -> str:
    """Return the end of stderr as one line."""
    lines = protocol.stderr.decode("utf-8", "replace")[-_STDERR_CHARS:].splitlines()
    text = " | ".join(line.strip() for line in lines if line.strip())
    return f"; stderr: {jsonl.escape_text(text, _STDERR_CHARS)}" if text else ""


if sys.platform == "win32":
    _OWN_GROUP = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}

    def _kill_group(transport: asyncio.SubprocessTransport) -> None:
        """Kill the program. Programs that it started end by themselves when their pipes break."""
        with contextlib.suppress(ProcessLookupError):
            transport.kill()

    def _exit_message(code: int) -> str:
        return f"exit code {code}"

else:
    _OWN_GROUP = {"start_new_session": True}  # so that killpg() also ends the programs that it started

    def _kill_group(transport: asyncio.SubprocessTransport) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(transport.get_pid(), signal.SIGKILL)

    def _exit_message(code: int) -> str:
        return f"exit code {code}" if code > 0 else f"ended by {signal.Signals(-code).name}"
