from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import config
from pytest_evalgate.errors import MissingOutput, SettingsError
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.targets import TargetFailure
from pytest_evalgate.targets.command import CommandTargetRunner, load_command

if TYPE_CHECKING:
    from collections.abc import Sequence

_CASE = Case("c1", input={"q": "größer?"}, vars={"a": 1}, context=("one",), metadata={"m": True})
_ECHO = "import sys; sys.stdout.write(sys.stdin.read())"
_NEVER_REACHED_S = 60.0
"""A timeout in seconds that is never reached, even if an interpreter starts slowly on a busy machine."""


def _target(script: str, root: Path, *more: str, timeout_s: float = _NEVER_REACHED_S) -> CommandTargetRunner:
    spec = config.CommandTarget(command=(sys.executable, "-c", script, *more), timeout_s=timeout_s)
    return load_command(spec, root=root, place="suites.s.target")


def _run(script: str, root: Path, case: Case = _CASE, *, timeout_s: float = _NEVER_REACHED_S) -> Output:
    return asyncio.run(_target(script, root, timeout_s=timeout_s).answer(case, 2))


def _failure(script: str, root: Path, *, timeout_s: float = _NEVER_REACHED_S) -> str:
    with pytest.raises(TargetFailure) as caught:
        _run(script, root, timeout_s=timeout_s)
    assert "\n" not in str(caught.value), "a reason is one line"
    return str(caught.value)


def test_the_program_reads_the_case_as_json(tmp_path: Path) -> None:
    assert json.loads(_run(_ECHO, tmp_path).value) == {
        "id": "c1",
        "input": {"q": "größer?"},
        "messages": [],
        "vars": {"a": 1},
        "context": ["one"],
        "metadata": {"m": True},
        "trial": 2,
    }


def test_expected_values_are_not_sent_to_the_program(tmp_path: Path) -> None:
    case = Case("a", input="q", expected="CANARY", rubric="CANARY", reference_context=("CANARY",))
    assert "CANARY" not in _run(_ECHO, tmp_path, case).value


@pytest.mark.parametrize(
    ("written", "output"),
    [
        ("text\n", Output("text")),
        ("text\r\n", Output("text")),
        ("two\n\n", Output("two\n")),
        ("", Output("")),
        ("grün ✓", Output("grün ✓")),
        ('{"output": "yes"}\n', Output("yes")),
        ('{"output": {"a": [1]}, "metadata": {"cost": 2}, "log": 3}', Output({"a": [1]}, {"cost": 2})),
        ('{"output": false, "metadata": "no table"}', Output(False)),  # noqa: FBT003 - a value, not a flag
        ('{"answer": 1}', Output('{"answer": 1}')),
        ("[1]", Output("[1]")),
        ("{{ 7 * 7 }} {0.__class__}", Output("{{ 7 * 7 }} {0.__class__}")),
    ],
)
def test_stdout_is_the_output(tmp_path: Path, written: str, output: Output) -> None:
    (tmp_path / "answer").write_bytes(written.encode())
    made = _run("import sys, pathlib; sys.stdout.buffer.write(pathlib.Path('answer').read_bytes())", tmp_path)
    assert (made.value, made.metadata) == (output.value, output.metadata)
    assert made.latency_s is not None
    assert made.latency_s > 0


def test_it_runs_in_the_root_folder_and_without_a_shell(tmp_path: Path) -> None:
    target = _target("import os, sys; print(os.getcwd(), sys.argv[1:])", tmp_path, "$HOME; touch x", "*")
    output = asyncio.run(target.answer(_CASE, 0))
    assert output.value == f"{tmp_path.resolve()} ['$HOME; touch x', '*']"
    left = [path.name for path in tmp_path.iterdir()]
    assert [name for name in left if not name.startswith(".coverage")] == []  # which a measured program leaves


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import sys; print('out'); sys.exit(3)", "exit code 3"),
        (
            "import sys; print('a\\n\\n  b\\x1b[31m', file=sys.stderr); sys.exit(1)",
            "exit code 1; stderr: a | b\\x1b[31m",
        ),
        ("import os; os.kill(os.getpid(), 9)", "ended by SIGKILL"),
        ("import sys; sys.stdout.buffer.write(b'ab\\xff')", "the stdout of the program is not UTF-8, at byte 2"),
        ("print('{\"output\": null}')", 'the "output" that the program wrote is null'),
        ("import sys\nwhile True: sys.stdout.write('x' * 65536)", "the program wrote more than 4,194,304 bytes"),
    ],
)
def test_a_failing_program_is_a_miss_with_its_reason(tmp_path: Path, script: str, message: str) -> None:
    assert _failure(script, tmp_path) == message


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_the_end_of_a_program_that_writes_too_much_is_awaited(tmp_path: Path) -> None:
    """What it wrote before it was killed may arrive after that, and does not count as its end."""
    ended: list[int | None] = []

    async def flood() -> None:
        loop, start = asyncio.get_running_loop(), asyncio.BaseEventLoop.subprocess_exec

        async def watched(*args: Any, **options: Any) -> Any:
            transport, protocol = await start(loop, *args, **options)  # type: ignore[arg-type]
            transports.append(transport)
            return transport, protocol

        transports: list[asyncio.SubprocessTransport] = []
        loop.subprocess_exec = watched  # type: ignore[method-assign]
        with pytest.raises(TargetFailure, match="wrote more than"):
            await _target("import sys\nwhile True: sys.stdout.write('x' * 65536)", tmp_path).answer(_CASE, 0)
        ended.append(transports[0].get_returncode())

    for _ in range(10):
        asyncio.run(flood())
    assert ended == [-signal.SIGKILL] * 10


def test_only_the_end_of_a_long_stderr_is_kept(tmp_path: Path) -> None:
    message = _failure("import sys; sys.stderr.write('é' * 50_000 + 'the end'); sys.exit(1)", tmp_path)
    assert message.endswith("éthe end")
    assert len(message) < 2100


def test_a_program_may_ignore_its_stdin(tmp_path: Path) -> None:
    assert _run("print('done')", tmp_path, Case("a", input="x" * 500_000)).value == "done"
    message = "import sys, os; os.close(0); print('done')"
    assert _run(message, tmp_path, Case("a", input="x" * 500_000)).value == "done"


def test_much_in_and_much_out_at_the_same_time(tmp_path: Path) -> None:
    copy = "import sys\nfor part in iter(lambda: sys.stdin.read(1000), ''): sys.stdout.write(part)"
    case = Case("a", input="x" * 1_000_000)
    assert json.loads(_run(copy, tmp_path, case).value)["input"] == case.input


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes under /proc")
def test_a_timeout_names_itself_and_ends_the_whole_group(tmp_path: Path) -> None:
    script = (
        "import pathlib, subprocess, sys, time, os\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "pathlib.Path('pids').write_text(f'{os.getpid()} {child.pid}')\n"
        "print('thinking', file=sys.stderr, flush=True)\n"
        "time.sleep(600)"
    )
    assert _failure(script, tmp_path, timeout_s=2) == "no output within timeout_s = 2; stderr: thinking"
    _require_ended(tmp_path)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes under /proc")
def test_a_child_that_keeps_the_pipe_open_is_ended_too(tmp_path: Path) -> None:
    script = (
        "import pathlib, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "pathlib.Path('pids').write_text(str(child.pid))\n"
    )
    assert _failure(script, tmp_path, timeout_s=2).startswith("no output within timeout_s = 2")
    _require_ended(tmp_path)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes under /proc")
def test_a_cancelled_answer_leaves_nothing_running(tmp_path: Path) -> None:
    script = "import os, pathlib, time; pathlib.Path('pids').write_text(str(os.getpid())); time.sleep(600)"

    async def cancel() -> None:
        task = asyncio.create_task(_target(script, tmp_path).answer(_CASE, 0))
        while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text("ascii"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    _require_ended(tmp_path)


def _require_ended(folder: Path) -> None:
    pids = [int(pid) for pid in (folder / "pids").read_text("ascii").split()]
    until = time.monotonic() + 60
    while any(map(_runs, pids)) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(map(_runs, pids))


def test_no_more_run_at_a_time_than_allowed(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, time\n"
        "mark = pathlib.Path(f'run-{os.getpid()}'); mark.touch()\n"
        "print(len(list(pathlib.Path().glob('run-*'))))\n"
        "time.sleep(0.05); mark.unlink()"
    )
    spec = config.CommandTarget(command=(sys.executable, "-c", script), max_concurrency=2, timeout_s=60)
    target = load_command(spec, root=tmp_path, place="p")

    async def ask_all() -> list[Output]:
        return await asyncio.gather(*(target.answer(_CASE, trial) for trial in range(6)))

    assert max(int(output.value) for output in asyncio.run(ask_all())) <= 2


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("no-such-program-here", "x"), "p.command: no-such-program-here is not a program on PATH: write its path"),
        (
            ("bin/bot",),
            "p.command: {root}/bin/bot is not an executable file: write its path, relative to {root}",
        ),
        (("./data.txt",), "p.command: {root}/data.txt is not an executable file"),
        (("",), "p.command:  is not a program on PATH"),
    ],
)
def test_a_program_that_is_not_there_is_refused(tmp_path: Path, command: Sequence[str], message: str) -> None:
    (tmp_path / "data.txt").write_text("no program")
    with pytest.raises(SettingsError) as caught:
        load_command(config.CommandTarget(command=tuple(command)), root=tmp_path, place="p")
    assert str(caught.value).startswith(message.format(root=tmp_path))


@pytest.mark.skipif(os.name != "posix", reason="writes a script that starts with #!")
def test_a_relative_path_is_taken_from_the_root(tmp_path: Path) -> None:
    bot = tmp_path / "bin" / "bot"
    bot.parent.mkdir()
    bot.write_text("#!/bin/sh\necho from the bot\n")
    bot.chmod(0o755)
    target = load_command(config.CommandTarget(command=("bin/bot",)), root=tmp_path, place="p")
    assert asyncio.run(target.answer(_CASE, 0)).value == "from the bot"


def test_a_program_that_cannot_be_started_is_a_miss(tmp_path: Path) -> None:
    target: Any = CommandTargetRunner((str(tmp_path / "gone"),), tmp_path, 1.0, asyncio.Semaphore(1))
    with pytest.raises(TargetFailure, match="gone could not be started"):
        asyncio.run(target.answer(_CASE, 0))
    with pytest.raises(TargetFailure, match="could not be started: embedded null byte"):
        asyncio.run(_target("", tmp_path, "a\0b").answer(_CASE, 0))


@pytest.mark.parametrize(
    "error", [OSError(errno.EAGAIN, "Resource temporarily unavailable"), RuntimeError("can't start new thread")]
)
def test_a_machine_that_can_start_no_program_is_no_failure_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(asyncio.SelectorEventLoop, "subprocess_exec", refuse)
    with pytest.raises(MissingOutput, match=r"could not be started: .*: raise the limit of processes"):
        _run("print('yes')", tmp_path)
