"""``pytest-evalgate watch``: run the affected suites again when a file that they depend on changes.

Flow: find the files of the suites; wait for changes (watchfiles); map each change to the suites that it affects; run
``pytest --eval-gate`` for these in a separate process. The files are found anew after each change.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from pytest_evalgate import config
from pytest_evalgate.app.watched import WatchedFiles, watched_files
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.errors import SettingsError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import files
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.redaction import mask_keys
from pytest_evalgate.text.wording import count, did_you_mean, first_few

if TYPE_CHECKING:
    import argparse
    import threading

Stream = Callable[[WatchedFiles], Iterator[Collection[Path]]]
"""Opens a stream of batches of changed files."""

_DEBOUNCE_MS: Final = 1_600
_STEP_MS: Final = 200
_INTERRUPT_TIMEOUT_S: Final = 15.0
_SHOWN: Final = 5


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("suites", nargs="*", metavar="SUITE", help="suites to watch (default: all configured ones)")
    option(
        "--pytest-args",
        default="",
        metavar="ARGS",
        help='further arguments of pytest, as in --pytest-args "--eval-sample 20 -q"',
    )


def _run(args: argparse.Namespace) -> int:
    root = config.find_root(Path.cwd())
    names = tuple(args.suites)
    try:
        extra = shlex.split(args.pytest_args)
    except ValueError as error:
        raise SettingsError(f"--pytest-args {args.pytest_args}: {error}") from None
    watcher = Watcher(
        root,
        names,
        extra,
        print_event=_print_json if args.json else _print_event,
        execute=partial(_execute, stdout=sys.stderr if args.json else None),
    )
    _require_watchfiles()
    watcher.announce()
    with contextlib.suppress(KeyboardInterrupt):
        watcher.run(changes_of)
    print("watch ended", file=sys.stderr)
    return 0


VERB: Final = Verb(
    "Watch the files that suites depend on: configuration, golden sets, prompts, rubrics, recorded outputs, and the "
    "Python files of targets. When one changes, run pytest --eval-gate for the suites that it affects. Ctrl-C ends "
    "it. Needs watchfiles: pip install 'pytest-evalgate[watch]'",
    "pytest-evalgate watch support",
    _run,
    _add_arguments,
    json="print one JSON object for each run, and the output of pytest to standard error",
)


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """A run because of a change; ``exit_code`` is None before it."""

    changed: tuple[str, ...]
    suites: tuple[str, ...]
    command: tuple[str, ...]
    exit_code: int | None = None


def _print_event(event: WatchEvent) -> None:
    if event.exit_code is None:
        changed, suites = first_few(event.changed, _SHOWN), ", ".join(event.suites)
        print(f"\n{datetime.now().astimezone():%H:%M:%S} changed: {one_line(changed)}; affected: {one_line(suites)}")
        print(f"$ {one_line(shlex.join(event.command))}", flush=True)


def _print_json(event: WatchEvent) -> None:
    if event.exit_code is not None:
        value = {
            "changed": event.changed,
            "suites": event.suites,
            "command": shlex.join(event.command),
            "exit_code": event.exit_code,
        }
        print(json.dumps(value), flush=True)


class Watcher:
    """Watcher of a project: it maps changes to suites, and runs these."""

    def __init__(
        self,
        root: Path,
        names: Sequence[str],
        extra: Sequence[str] = (),
        *,
        print_event: Callable[[WatchEvent], None],
        execute: Callable[[Sequence[str], Path], int],
    ) -> None:
        """Read the configuration.

        Args:
            root: Root folder of the project.
            names: Suites to watch; none for all configured ones.
            extra: Further arguments of pytest.
            print_event: Prints a run, before and after it.
            execute: Runs a command in a folder and returns its exit code.

        Raises:
            SettingsError: the configuration cannot be used, or has no such suite.
        """
        self._root = root
        self._names = names
        self._extra = extra
        self._print_event = print_event
        self._execute = execute
        self._settings, self.watched = self._read()

    def _read(self) -> tuple[config.Settings, WatchedFiles]:
        settings = config.load(self._root)
        for name in self._names:
            if name not in settings.suites:
                known = ", ".join(settings.suites) or "none"
                near = did_you_mean(name, settings.suites)
                raise SettingsError(f"no suite is named {name!r}{near} (configured: {known})")
        if not settings.suites:
            raise SettingsError(f"{self._root}: no suite is configured: pytest-evalgate init writes a first one")
        return settings, watched_files(self._root, settings, self._names or settings.suites)

    def announce(self) -> None:
        """Print what is watched."""
        watched = self.watched
        suites = f"{count(len(watched.suites), 'suite')} ({first_few(watched.suites, _SHOWN)})"
        print(
            f"watching {count(len(watched.by_file), 'file')} of {one_line(suites)} and the configuration; Ctrl-C ends",
            file=sys.stderr,
        )

    def run(self, stream: Stream) -> None:
        """Handle the batches of a stream until it ends. A new one is opened whenever other files are to be watched."""
        while True:
            for paths in stream(self.watched):
                if self.handle(paths):
                    break
            else:
                return

    def handle(self, paths: Collection[Path]) -> bool:
        """Run the suites that a batch of changes affects; return whether other files are to be watched from now on."""
        before = self.watched
        changed = sorted(path for path in paths if before.affected(path))
        if not changed:
            return False
        try:
            self._settings, self.watched = self._read()
        except UserError as error:
            print(mask_keys(f"watch: {error}"), file=sys.stderr)
            return False
        affected = {name for path in changed for name in (*before.affected(path), *self.watched.affected(path))}
        suites = tuple(name for name in self.watched.suites if name in affected)
        if suites:
            command = ("pytest", "--eval-gate", *self._paths(suites), *self._extra)
            event = WatchEvent(tuple(files.relative_name(path, self._root) for path in changed), suites, command)
            self._print_event(event)
            code = self._execute(command[1:], self._root)
            self._print_event(WatchEvent(event.changed, suites, command, code))
        return self.watched != before

    def _paths(self, suites: Sequence[str]) -> tuple[str, ...]:
        """Return the golden sets to run; none, which means everything, if a marked test runs one of the suites."""
        if set(suites) & set(self.watched.in_code):
            return ()
        return tuple(dict.fromkeys(path for name in suites for path in self._settings.suites[name].golden))


def _execute(arguments: Sequence[str], folder: Path, stdout: TextIO | None = None) -> int:
    """Run pytest in a separate process. On Ctrl-C, wait until it has ended: it stores what was answered."""
    command = [sys.executable, "-m", "pytest", *arguments]
    process = subprocess.Popen(command, cwd=folder, stdout=stdout)  # noqa: S603 - the tests of this project
    try:
        return process.wait()
    except KeyboardInterrupt:
        try:
            process.wait(_INTERRUPT_TIMEOUT_S)  # the terminal has interrupted it, too
        except subprocess.TimeoutExpired:
            process.terminate()
        raise


# -- changes of files


def _require_watchfiles() -> None:
    try:
        import watchfiles  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise SettingsError("watch needs watchfiles: pip install 'pytest-evalgate[watch]'") from None


def changes_of(watched: WatchedFiles, stop: threading.Event | None = None) -> Iterator[Collection[Path]]:
    """Yield batches of changed files that affect a suite, until ``stop`` is set or Ctrl-C raises KeyboardInterrupt.

    Folders are watched rather than files: editors replace a file by a new one.
    """
    import watchfiles  # noqa: PLC0415 - an extra

    batches = watchfiles.watch(
        *watched.folders,
        watch_filter=lambda _, path: bool(watched.affected(Path(path))),
        debounce=_DEBOUNCE_MS,
        step=_STEP_MS,
        stop_event=stop,
        raise_interrupt=True,  # otherwise the library logs a warning
        recursive=False,
    )
    for batch in batches:
        yield {Path(path) for _, path in batch}
