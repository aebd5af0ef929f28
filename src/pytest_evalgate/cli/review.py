"""``pytest-evalgate review``: walk through the regressed and missed cases of a run, and correct what they expect.

Flow: read the decided run; list its cases, regressed ones first; for each, print question, expected value, answers and
reasons, and ask what to do. An accepted answer is written to the golden set at once, as the expected value.
The baseline is never changed.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from pytest_evalgate import golden
from pytest_evalgate.app.accepting import values_to_accept, why_still_missed
from pytest_evalgate.app.project import Project
from pytest_evalgate.cli.options import add_suite
from pytest_evalgate.cli.printing import WIDTH, print_result, wrapped
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.config import key_variables
from pytest_evalgate.errors import SettingsError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.edit import GoldenText
from pytest_evalgate.runs.plan import golden_digest, planned_fingerprint
from pytest_evalgate.text import files
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.jsonl import canonical, quote_text
from pytest_evalgate.text.layout import truncate_columns
from pytest_evalgate.text.redaction import Redactor
from pytest_evalgate.text.wording import count, did_you_mean

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import CaseResult, Output, SuiteRun
    from pytest_evalgate.reports.view import CaseView

Action = Literal["accept", "keep", "skip", "open", "quit"]

_ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
_QUESTION: Final = "[a]ccept the new answer, [k]eep the expected value, [s]kip, [o]pen in the editor, [q]uit: "
_WIDEST_VALUE: Final = 60
_MOST_BYTES: Final = 1 << 20
_GOING_TO_LINE: Final = {"code": "--goto", "code-insiders": "--goto", "codium": "--goto", "cursor": "--goto"}
"""Editors that return at once and take ``file:line``; all others get ``+line file``."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("--run", dest="run_id", default="last", metavar="ID", help="id of a decided run (default: last)")
    add_suite(parser, "every suite of the run")
    option(
        "--answers",
        metavar="FILE",
        help=f"file with one answer a line, instead of questions: {', '.join(_ACTIONS)}; - for standard input",
    )


@dataclass(frozen=True, slots=True)
class ReviewCase:
    """A case to review: as reports show it, and as its run stored it."""

    view: CaseView
    result: CaseResult
    suite: SuiteRun

    @property
    def word(self) -> str:
        """The reason why the case is reviewed: ``regressed``, or its outcome."""
        return self.view.change if self.view.change == "regressed" else self.view.outcome

    @property
    def output(self) -> Output | None:
        """The output of the first trial that missed, if it is complete."""
        trials = sorted(self.result.trials, key=lambda trial: trial.value != 0)
        found = trials[0].output if trials else None
        return found if found is not None and found.value is not None and found.finish == "complete" else None


@dataclass(slots=True)
class ReviewLog:
    """What a review did: the places of cases by outcome, and the reasons why answers were not accepted."""

    accepted: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    left: int = 0


def _run(args: argparse.Namespace) -> int:
    answers = None if args.answers is None else _read_answers(args.answers)
    if answers is None and not sys.stdin.isatty():
        raise SettingsError(
            "review asks on a terminal, and standard input is none: run it in a terminal, or give --answers FILE with "
            f"one word a line ({', '.join(_ACTIONS)})"
        )
    project = Project.find()
    run_id, cases, errored = _cases_of(project, None if args.run_id == "last" else args.run_id, args.suite)
    screen = sys.stderr if args.json else sys.stdout
    redactor = Redactor.of(key_variables(project.settings), os.environ)

    def show(line: str) -> None:
        print(redactor.redact(line), file=screen)

    log = ReviewLog()
    if cases:
        sets = GoldenSets(project, {case.suite.plan.name: case.suite for case in cases})
        ask = _ask_terminal if answers is None else _reader(answers)
        review(cases, sets, Dialogue(ask, show, asks_again=answers is None), log)
    print_result(args, _as_json(run_id, log), _summary(run_id, log, len(cases), errored))
    return 0


VERB: Final = Verb(
    "Walk through the regressed and missed cases of a run. For each, accept the new answer as the expected value, "
    "keep the expected value, skip the case, or open the golden set in $EDITOR. Writes the golden sets, never a "
    "baseline. Sends nothing.",
    "pytest-evalgate review --suite support",
    _run,
    _add_arguments,
    json="print what was done as JSON, and the cases to standard error",
)


def _ask_terminal() -> Action:
    """Ask until the answer is one of the actions, or its first letter."""
    while True:
        try:
            words = input(_QUESTION).strip().lower()
        except EOFError:
            return "quit"
        if (action := _action_of(words)) is not None:
            return action
        print(f"  {one_line(words) or 'nothing'} is not an answer: type one of {', '.join(_ACTIONS)}")


def _reader(answers: Sequence[Action]) -> Callable[[], Action]:
    """Return a function that returns one answer after the other, and then ``quit``."""
    left = iter(answers)
    return lambda: next(left, "quit")


def _action_of(word: str) -> Action | None:
    return next((action for action in _ACTIONS if word in (action, action[0])), None)


def _read_answers(source: str) -> list[Action]:
    """Read the actions of ``--answers``, all of which are checked before the first one is carried out.

    Raises:
        UserError: the file cannot be read, or a line is not an action.
    """
    name = "standard input" if source == "-" else source
    try:
        if source == "-":
            data = sys.stdin.buffer.read(_MOST_BYTES)
        else:
            with Path(source).open("rb") as file:
                data = file.read(_MOST_BYTES)
        lines = data.decode("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{one_line(name)}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    found: list[Action] = []
    for number, line in enumerate(lines, start=1):
        word = line.strip().lower()
        if not word or word.startswith("#"):
            continue
        action = _action_of(word)
        if action is None:
            near = did_you_mean(word, _ACTIONS)
            raise UserError(
                f"{one_line(name)}:{number}: {quote_text(word, 40)} is not an answer{near}: write one of "
                f"{', '.join(_ACTIONS)}"
            )
        found.append(action)
    return found


def _cases_of(project: Project, run_id: str | None, suite: str | None) -> tuple[str, list[ReviewCase], int]:
    """Return the id of the run, its cases to review, and the number of cases without an answer."""
    from pytest_evalgate.app.view import ReportOptions, read_decided, view_of  # noqa: PLC0415 - the reports import scipy
    from pytest_evalgate.reports.view import TextPolicy  # noqa: PLC0415 - the same

    kept = project.decided(run_id)
    decided = read_decided(kept)
    suites = {one.plan.name: one for one in decided.run.suites}
    if suite is not None and suite not in suites:
        known = ", ".join(suites) or "none"
        raise SettingsError(f"run {decided.run.id} has no suite {suite!r}{did_you_mean(suite, suites)} (its: {known})")
    texts = replace(TextPolicy.by(project.settings.report), content="full")
    view = view_of(kept, decided, ReportOptions(project.root, texts))
    results = {(name, one.case.id): one for name, run in suites.items() for one in run.results}
    order = {(one.name, row.id): at for one in view.suites for at, row in enumerate(one.regressed)}
    found = [
        ReviewCase(case, results[case.suite, case.id], suites[case.suite])
        for case in view.cases
        if suite in (None, case.suite)
        and case.side != "base"
        and (case.outcome == "missed" or (case.suite, case.id) in order)
        and case.outcome not in ("errored", "not_run", "skipped", "unscored")
    ]
    names = list(suites)
    last = len(order)
    found.sort(key=lambda one: (names.index(one.view.suite), order.get((one.view.suite, one.view.id), last)))
    errored = sum(
        one.outcome == "errored" for name, run in suites.items() if suite in (None, name) for one in run.results
    )
    return decided.run.id, found, errored


# -- the golden sets


class GoldenSets:
    """The golden sets of the reviewed suites, and their cases as they were when the review began."""

    def __init__(self, project: Project, suites: Mapping[str, SuiteRun]) -> None:
        """Read the golden sets of ``suites``.

        Raises:
            UserError: one cannot be read, or has problems.
        """
        self._root = root = project.root
        self._settings = project.settings.suites
        self._at_start: dict[tuple[str, str], Case] = {}
        self._unchanged: set[str] = set()
        for name, suite in suites.items():
            sets = golden.load([self.path(file) for file in suite.plan.golden], root=root)
            if golden_digest(sets) == suite.plan.golden_sha256:
                self._unchanged.add(name)
            self._at_start |= {(one.path, case.id): case for one in sets for case in one}

    def path(self, name: str) -> Path:
        """Return the path of a golden set, which must be below the root folder."""
        return files.configured_path(self._root, name, "golden set of the run")

    def accept(self, case: ReviewCase, output: Output) -> Json:
        """Write an output, or the part of it that the suite's rules read, as the expected value; return the value.

        Raises:
            UserError: the case has changed since the run, has no expected value, or would still miss.
        """
        planned, suite = case.result.case, case.suite
        file = planned.place.file
        text = GoldenText.read(self.path(file), file)
        found = text.case(planned.golden_id)
        named = f"case {quote_text(planned.golden_id)}"
        if found is None:
            raise UserError(f"{file}: {named} is not in the golden set any more: run pytest --eval-gate again")
        before = self._at_start.get((file, found.id))
        is_as_run = suite.plan.name in self._unchanged or (
            planned_fingerprint(found, suite.plan.scorers_sha256) == planned.fingerprint
        )
        if before is None or before.fingerprint != found.fingerprint or not is_as_run:
            raise UserError(
                f"{found.place}: {named} has changed since the run, so the new answer may belong to another "
                "question: run pytest --eval-gate again, then review"
            )
        suite_settings = self._settings.get(suite.plan.name)
        reason: str | None = None
        for value in values_to_accept(suite_settings, output.value, found.expected):
            if value == found.expected or value in found.expected_any:
                continue
            made = text.with_expected(found, value)
            changed = made.case(found.id)
            problem = None if changed is None else why_still_missed(suite_settings, self._root, changed, output)
            if problem is None:
                made.write()
                return value
            reason = reason or problem
        why = "the answer already is an expected value" if reason is None else one_line(reason)
        raise UserError(
            f"{found.place}: {named} would miss with this answer as the expected value, too ({why}): edit it by hand"
        )

    def open(self, case: ReviewCase) -> bool:
        """Open the golden set of a case in the editor at its line; return whether the file changed."""
        file = case.result.case.place.file
        path = self.path(file)
        before = GoldenText.read(path, file)
        found = before.case(case.result.case.golden_id)
        open_editor(path, case.result.case.place.line if found is None else found.place.line)
        return GoldenText.read(path, file).data != before.data


def open_editor(path: Path, line: int) -> None:
    """Open a file at a line in ``$VISUAL`` or ``$EDITOR``, and wait until it is closed.

    Raises:
        UserError: no editor is set, or it cannot be run.
    """
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    if not command:
        raise UserError(f"no editor is set: export EDITOR=nano, or open {path} at line {line}")
    goto = _GOING_TO_LINE.get(Path(command[0]).stem)
    place = [f"+{line}", str(path)] if goto is None else ["--wait", goto, f"{path}:{line}"]
    try:
        subprocess.run([*command, *place], check=True)  # noqa: S603 - the user's own editor
    except (OSError, subprocess.CalledProcessError) as error:
        code = getattr(error, "returncode", None)
        why = getattr(error, "strerror", None) or f"exit code {code}"
        raise UserError(f"the editor {quote_text(command[0])} failed: {why}: set VISUAL or EDITOR") from None


# -- the walk


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A terminal, or a file of answers: ``ask`` returns the next action, ``show`` prints a line.

    ``asks_again`` asks about a case again if its answer could not be accepted; a file has one answer a case.
    """

    ask: Callable[[], Action]
    show: Callable[[str], None]
    asks_again: bool


def review(cases: Sequence[ReviewCase], sets: GoldenSets, dialogue: Dialogue, log: ReviewLog) -> None:
    """Show each case, ask what to do, do it, and record it in ``log``."""
    show = dialogue.show
    for number, case in enumerate(cases, start=1):
        show(f"-- {number:,} of {len(cases):,}: {case.word} in {one_line(case.view.suite)}")
        for line in _screen(case):
            show(line)
        while True:
            action = dialogue.ask()
            try:
                is_done = _do(action, case, sets, log)
            except UserError as error:
                is_done = not dialogue.asks_again
                if is_done:
                    log.refused.append(str(error))
                for line in wrapped(f"not done: {error}"):
                    show(line)
            if action == "quit":
                log.left = len(cases) - number + 1
                show("")
                return
            if is_done:
                break
        show("")


def _do(action: Action, case: ReviewCase, sets: GoldenSets, log: ReviewLog) -> bool:
    """Carry out an action; return whether the review goes on with the next case."""
    place = f"{case.result.case.place} {case.result.case.golden_id}"
    if action == "accept":
        output = case.output
        if output is None:
            raise UserError(f"{case.result.case.place}: there is no whole answer to accept: see its reason")
        value = sets.accept(case, output)
        log.accepted.append(f"{place}: expected is now {truncate_columns(one_line(canonical(value)), _WIDEST_VALUE)}")
    elif action == "open":
        if not sets.open(case):
            return False  # ask again: nothing was decided
        log.edited.append(place)
    elif action != "quit":
        (log.kept if action == "keep" else log.skipped).append(place)
    return action != "quit"


def _screen(case: ReviewCase) -> Iterator[str]:
    """Yield the case in full; without an answer of the baseline, the change is that from the expected value."""
    from pytest_evalgate.reports.diff import marked_diff  # noqa: PLC0415 - with the reports
    from pytest_evalgate.reports.terminal_cases import case_lines  # noqa: PLC0415 - the same

    view = case.view
    yield from (line.text for line in case_lines(view, WIDTH))
    output = next((trial.output for trial in view.trials if trial.value == 0), "")
    if view.baseline_output is None and view.expected and output:
        diff = marked_diff(view.expected, output)
        yield from wrapped(f"diff from the expected value: {one_line(diff)}", indent="") if diff else ()


def _summary(run_id: str, log: ReviewLog, cases: int, errored: int) -> Iterator[str]:
    if not cases:
        yield f"run {run_id}: no case regressed or missed"
    for word, places in (
        ("accepted", log.accepted),
        ("edited by hand", log.edited),
        ("not accepted", log.refused),
    ):
        if places:
            yield f"{word}:"
            yield from (line for place in places for line in wrapped(one_line(place)))
    if cases:
        done = {"accepted": log.accepted, "edited": log.edited, "kept": log.kept, "skipped": log.skipped}
        numbers = [f"{len(places):,} {word}" for word, places in (done | {"not accepted": log.refused}).items()]
        yield f"run {run_id}: {', '.join(numbers)}, {log.left:,} left"
    if errored:
        yield f"{count(errored, 'case')} without an answer {'is' if errored == 1 else 'are'} not part of the review"
    if log.accepted or log.edited:
        yield "the baseline is unchanged; next: git diff, then pytest --eval-gate"


def _as_json(run_id: str, log: ReviewLog) -> dict[str, Json]:
    return {
        "run_id": run_id,
        "accepted": log.accepted,
        "edited": log.edited,
        "kept": log.kept,
        "skipped": log.skipped,
        "refused": log.refused,
        "left": log.left,
    }
