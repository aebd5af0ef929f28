"""One run of a program: text in, text out, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import jsonl
from pytest_evalgate.targets.outputs import MOST_BYTES, TargetFailure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_TAIL: Final = 2000
_LAST_WAIT_S: Final = 2.0
_STDIN, _STDOUT = 0, 1


@dataclass(slots=True)
class _Conversation(asyncio.SubprocessProtocol):
    """Keeps what the program writes; ``over`` is set when it has ended and its pipes are closed, or said too much."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    is_closed: bool = False

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd != _STDOUT:
            self.stderr += data
            del self.stderr[: -4 * _TAIL]  # a character has at most four bytes
            return
        self.stdout += data
        if len(self.stdout) > MOST_BYTES:
            self.over.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self.is_closed = True
        self.over.set()


async def run_program(argv: Sequence[str], text: bytes, *, folder: Path, timeout_s: float) -> bytes:
    """Run ``argv`` in ``folder`` with ``text`` on its stdin, and return what it wrote on stdout, at most 4 MiB.

    It has a process group of its own, which is killed as a whole where the program does not end by itself.

    Raises:
        TargetFailure: it could not be started, did not end within ``timeout_s`` seconds, wrote too much, or ended with
            another code than 0; the message is one line and ends with what it wrote on stderr.

    """
    loop, options = asyncio.get_running_loop(), dict[str, Any](_OWN_GROUP)
    try:
        transport, talk = await loop.subprocess_exec(_Conversation, *argv, cwd=folder, **options)
    except (OSError, ValueError) as error:  # ValueError: an argument holds a NUL character
        raise TargetFailure(f"{argv[0]} could not be started: {error}") from None
    try:
        _say(transport, text)
        async with asyncio.timeout(timeout_s):
            await talk.over.wait()
    except TimeoutError:
        raise TargetFailure(f"no answer within timeout_s = {timeout_s:g}{_last_words(talk)}") from None
    finally:
        await _end(transport, talk)
    if len(talk.stdout) > MOST_BYTES:
        raise TargetFailure(f"it wrote more than {MOST_BYTES:,} bytes")
    if code := transport.get_returncode():
        raise TargetFailure(f"{_ending(code)}{_last_words(talk)}")
    return bytes(talk.stdout)


def _say(transport: asyncio.SubprocessTransport, text: bytes) -> None:
    stdin: Any = transport.get_pipe_transport(_STDIN)
    stdin.write(text)
    stdin.write_eof()


async def _end(transport: asyncio.SubprocessTransport, talk: _Conversation) -> None:
    """Kill what is still running, and wait until the system has said so."""
    if not talk.is_closed:
        talk.over.clear()
        _kill_group(transport)
        transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WAIT_S):
                await talk.over.wait()
    transport.close()


def _last_words(talk: _Conversation) -> str:
    """Return the end of stderr in one line."""
    lines = talk.stderr.decode("utf-8", "replace")[-_TAIL:].splitlines()
    said = " | ".join(line.strip() for line in lines if line.strip())
    return f"; stderr: {jsonl.visible(said, _TAIL)}" if said else ""


if sys.platform == "win32":
    _OWN_GROUP = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}

    def _kill_group(transport: asyncio.SubprocessTransport) -> None:
        """Kill the program; those that it has started end by themselves when their pipes break."""
        with contextlib.suppress(ProcessLookupError):
            transport.kill()

    def _ending(code: int) -> str:
        return f"exit code {code}"

else:
    _OWN_GROUP = {"start_new_session": True}

    def _kill_group(transport: asyncio.SubprocessTransport) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(transport.get_pid(), signal.SIGKILL)

    def _ending(code: int) -> str:
        return f"exit code {code}" if code > 0 else f"ended by {signal.Signals(-code).name}"
