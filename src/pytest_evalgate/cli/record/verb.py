"""Options and flow of ``pytest-evalgate record``: check the files, estimate, send, write what was answered."""

from __future__ import annotations

import json
import shlex
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.project import Project
from pytest_evalgate.app.recording import OutputRecorder, RecordingOptions, suite_to_record
from pytest_evalgate.cli.options import number, whole_number
from pytest_evalgate.cli.printing import WIDTH, print_result, wrapped
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.config import CONFIG_FILE, PYPROJECT_FILE
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import files
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.wording import count, usd

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.app.recording import RecordedOutputs, UnrecordedTrial
    from pytest_evalgate.records.cases import Json

_EXIT_MISSING: Final = 11
_EXIT_REFUSED: Final = 12
_MOST_TRIALS: Final = 1_000
_MOST_USD: Final = 1e9
_MOST_CONCURRENT: Final = 10_000
_LISTED: Final = 20
_LINE_EVERY_S: Final = 30.0
_COLUMNS: Final = 79
_OFFLINE: Final = "--eval-offline: "


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("suite", metavar="SUITE", help="configured suite whose cases are sent")
    option("--out", type=Path, metavar="FILE", help="file for the outputs (default: outputs/SUITE.jsonl)")
    option("--trials", type=whole_number(_MOST_TRIALS), metavar="K", help="outputs of each case, one file for each")
    option("--target", metavar="SPEC", help="another target than the suite's own, as for --eval-target")
    option("--offline", action="store_true", help="use cached replies only, and send nothing")
    option("--budget-usd", type=number(0, _MOST_USD), metavar="X", help="the most that the calls may cost")
    option("--max-concurrency", type=whole_number(_MOST_CONCURRENT), metavar="N", help="the most calls at once")
    option("--estimate", action="store_true", help="print what would be sent and cost, and send nothing")
    option("--force", action="store_true", help="replace existing files")


def _run(args: argparse.Namespace) -> int:
    project = Project.find()
    options = RecordingOptions(
        args.suite, args.trials, args.target, args.offline, args.budget_usd, args.max_concurrency
    )
    suite_to_record(project, args.suite)  # before the state folder is made
    project.state.make()
    with project.state.locked(), redirect_stdout(sys.stderr):  # what the application prints is not our output
        code, result = _record(project, options, args)
    if result is not None:
        print_result(args, result.as_json(), result.lines())
    return code


VERB: Final = Verb(
    "Send the cases of a suite to its target, and write the outputs to a file that later runs grade without calls. "
    "Replies come from the cache if they are there. Exits with 11 if answers are missing, and with 12 if calls were "
    "refused (budget, --offline); what was answered is written.",
    "pytest-evalgate record support --out outputs/support.jsonl",
    _run,
    _add_arguments,
    json="print the files, the calls and the missing answers as JSON",
)


def _record(
    project: Project, options: RecordingOptions, args: argparse.Namespace
) -> tuple[int, RecordingResult | None]:
    """Return the exit code, and the result if anything was to be recorded."""
    with OutputRecorder(project, options) as recorder:
        for note in recorder.key_notes:
            _log(note)
        paths = [] if args.estimate else _paths(project, args, recorder.trials)
        refused = _estimate(recorder, args)
        if refused is not None:
            _log(f"refused: {refused}")
        if args.estimate or refused is not None:
            return 0 if refused is None else _EXIT_REFUSED, None
        progress = _Progress(recorder)
        answers = recorder.record(progress)
        progress.clear()
        written = [(path, rows) for path, rows in zip(paths, answers.rows, strict=True) if rows]
        for path, rows in written:
            lines = (f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
            files.write_atomically(path, "".join(lines).encode("utf-8", "replace"))
        _log_warnings(recorder)
        reason = recorder.wiring.refused_reason
    names = tuple(files.relative_name(path, project.root) for path, _ in written)
    code = 0 if not answers.missing else _EXIT_MISSING if reason is None else _EXIT_REFUSED
    heading = f"[suites.{options.suite}] of {CONFIG_FILE}"
    if not (project.root / CONFIG_FILE).exists():
        heading = f"[tool.evalgate.suites.{options.suite}] of {PYPROJECT_FILE}"
    return code, RecordingResult(options.suite, names, answers, reason, heading, recorder.suite.plan.golden)


def _paths(project: Project, args: argparse.Namespace, trials: int) -> list[Path]:
    """Return the file of each trial: ``out.jsonl``, or ``out.1.jsonl``, ``out.2.jsonl`` for several.

    Raises:
        SettingsError: one is outside of the root folder, or exists.
    """
    given = project.root / "outputs" / f"{args.suite}.jsonl" if args.out is None else args.out.absolute()
    out = files.configured_path(project.root, given, "--out")
    paths = [out] if trials == 1 else [out.with_suffix(f".{number}{out.suffix}") for number in range(1, trials + 1)]
    for path in paths:
        if path.is_dir():
            raise SettingsError(f"--out {path}: it is a folder: name a file")
        if path.exists() and not args.force:
            raise SettingsError(
                f"{files.relative_name(path, Path.cwd())} exists: choose another --out, or add --force"
            )
    return paths


def _estimate(recorder: OutputRecorder, args: argparse.Namespace) -> str | None:
    """Print the estimate, and return why nothing may be sent; None if it may."""
    from pytest_evalgate.reports.estimate import render_estimate, total_line  # noqa: PLC0415 - imports the layout
    from pytest_evalgate.reports.phrases import local_calls  # noqa: PLC0415 - the same

    if args.offline:
        return None
    estimate = recorder.estimate()
    if estimate is None:
        own = recorder.count_own_calls()
        _log(f"this run will make {local_calls(own)}" if own else "all outputs are cached: nothing is called")
        return None
    for line in (
        render_estimate(estimate, recorder.wiring.budget_usd, WIDTH) if args.estimate else (total_line(estimate),)
    ):
        _log(line)
    return None if args.estimate else recorder.budget_problem(estimate)


class _Progress:
    """Progress on standard error: one line that is rewritten on a terminal, else a line every 30 s."""

    def __init__(self, recorder: OutputRecorder) -> None:
        self._recorder = recorder
        self._planned = len(recorder.suite.cases) * recorder.trials
        self._next = time.monotonic() + _LINE_EVERY_S
        self._is_terminal = sys.stderr.isatty()

    def __call__(self, done: int) -> None:
        text = f"{done:,} of {self._planned:,} {self._recorder.wiring.usage_text()}".rstrip()
        if self._is_terminal:
            print(f"\r{text:<{_COLUMNS}.{_COLUMNS}}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + _LINE_EVERY_S
            _log(text)

    def clear(self) -> None:
        """Remove the line of a terminal."""
        if self._is_terminal:
            print(f"\r{'':<{_COLUMNS}}\r", end="", file=sys.stderr, flush=True)


def _log_warnings(recorder: OutputRecorder) -> None:
    if recorder.wiring.stop_reason is not None:
        _log(f"stopped: {recorder.wiring.stop_reason}")
    for warning in recorder.wiring.warnings:
        _log(warning)


def _log(line: str) -> None:
    print(line, file=sys.stderr)


# -- the result


@dataclass(frozen=True, slots=True)
class RecordingResult:
    """What was recorded.

    Args:
        suite: The suite.
        files: The files, relative to the root folder.
        answers: What was answered, and what is missing.
        reason: The reason why calls were refused; None if all were sent.
        table: The table of the suite in the configuration.
        golden: Its golden sets.
    """

    suite: str
    files: tuple[str, ...]
    answers: RecordedOutputs
    reason: str | None
    table: str
    golden: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Yield the screen."""
        answers = self.answers
        if self.files:
            outputs = count(sum(map(len, answers.rows)), "output")
            yield f"{self.suite}: recorded {outputs} in {', '.join(self.files)}"
        else:
            yield f"{self.suite}: no output was recorded, and no file written"
        cost = "cost unknown" if answers.cost_usd is None else usd(answers.cost_usd)
        yield f"  {answers.sent:,} sent ({cost}), {answers.cached:,} cached"
        if answers.missing:
            yield from _missing_lines(answers.missing)
        if self.reason is not None:
            yield from wrapped(one_line(self.reason.removeprefix(_OFFLINE)))
        elif answers.missing:
            again = "with --force " if self.files else ""
            yield f"  fix the reasons, then run the same command again {again}(cached replies are not sent again)"
        if self.files:
            yield f"to grade them without calls, in {self.table}:"
            yield f"  target = {{ recorded = {_toml(self.files)} }}"
            words = ("pytest", "--eval-gate", "--eval-target", f"recorded:{','.join(self.files)}", *self.golden)
            yield f"or once: {shlex.join(words)}"

    def as_json(self) -> dict[str, Json]:
        """Return the result as JSON."""
        answers = self.answers
        return {
            "suite": self.suite,
            "files": list(self.files),
            "recorded": sum(map(len, answers.rows)),
            "missing": [
                {
                    "id": one.case.id,
                    "trial": one.trial,
                    "file": one.case.place.file,
                    "line": one.case.place.line,
                    "reason": one.reason,
                }
                for one in answers.missing
            ],
            "calls": {"sent": answers.sent, "cached": answers.cached, "cost_usd": answers.cost_usd},
            "target": {"recorded": self.files[0] if len(self.files) == 1 else list(self.files)}
            if self.files
            else None,
        }


def _toml(names: Sequence[str]) -> str:
    quoted = [json.dumps(name, ensure_ascii=False) for name in names]
    return quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"


def _missing_lines(missing: Sequence[UnrecordedTrial]) -> Iterator[str]:
    yield f"  {count(len(missing), 'answer')} missing:"
    for one in missing[:_LISTED]:
        trial = f", trial {one.trial + 1}" if one.trial else ""
        yield from wrapped(f"{one.case.place} {one_line(one.case.id)}{trial}: {one_line(one.reason)}", indent="    ")
    if len(missing) > _LISTED:
        yield f"    ... {len(missing) - _LISTED:,} more: --json lists all"
