"""``pytest-evalgate add``: one more case for a golden set, from production, from a stored run, or typed in.

Flow: read the case, in any dialect that golden sets know; add its origin; mask secrets and personal data; refuse a
duplicate; append one line. All other lines keep their bytes.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate import config, golden
from pytest_evalgate.app.accepting import values_to_accept, why_still_missed
from pytest_evalgate.app.project import Project, suites_of
from pytest_evalgate.cli.options import whole_number
from pytest_evalgate.cli.printing import print_result
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.config import key_variables
from pytest_evalgate.errors import GoldenSetError, SettingsError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.edit import GoldenText, row_of, same_case
from pytest_evalgate.golden.lint import strings
from pytest_evalgate.golden.masking import mask_row
from pytest_evalgate.golden.record import parse_row
from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.results import Output
from pytest_evalgate.text import files, jsonl
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.redaction import Redactor
from pytest_evalgate.text.wording import count, did_you_mean

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.config import Suite
    from pytest_evalgate.golden.masking import MaskedValue
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import SuiteRun

_MOST_BYTES: Final = 8 << 20
_MOST_TRIALS: Final = 1_000
_STDIN: Final = "standard input"
_SUFFIXES: Final = (".jsonl", ".ndjson")
_MANY: Final = ("cases", "examples", "goldens", "tests")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("golden", metavar="GOLDEN|SUITE", help="golden set, new or existing, or a suite that has only one")
    option(
        "--from",
        dest="source",
        metavar="FILE",
        help="JSON object with the case, in any dialect that golden sets know; - for standard input "
        "(default: standard input, or questions on a terminal)",
    )
    option("--run", dest="run_id", metavar="ID", help="stored run that contains the case; last for the newest")
    option("--case", dest="case_id", metavar="ID", help="id of the case in the run")
    option("--suite", metavar="NAME", help="suite of the case in the run (default: the only one with that case)")
    option(
        "--trial",
        type=whole_number(_MOST_TRIALS),
        default=1,
        metavar="N",
        help="trial of the run (default: the first)",
    )
    option("--accept", action="store_true", help="take the output as the expected value")
    option("--expected", metavar="TEXT", help="the expected value")
    option("--id", dest="new_id", metavar="ID", help="id of the new case (default: its own, else a digest)")
    option("--tag", dest="tags", action="append", default=[], metavar="TAG", help="tag of the new case; repeatable")
    option("--incident", metavar="ID", help="incident that the case comes from: adds the tag incident:ID")
    option("--keep", action="store_true", help="keep secrets and personal data, which otherwise are masked")
    option("--dry-run", action="store_true", help="print the line, and write nothing")


@dataclass(frozen=True, slots=True)
class NewCase:
    """A canonical row for a golden set, with its origin; ``output`` is what the application returned, if known."""

    row: dict[str, Json]
    origin: dict[str, Json]
    output: Json = None


def _run(args: argparse.Namespace) -> int:
    project = Project.find()
    others = _golden_sets(project, args.golden)
    target = others[0]
    new = _complete(_read(args, project), args, _suite_of(project, target))
    redactor = Redactor.of(key_variables(project.settings), os.environ)
    masked: tuple[MaskedValue, ...] = ()
    row = new.row
    if not args.keep:
        row, masked = mask_row(row, redactor)
    case = _case_of(row, target.name)
    for text in others:
        if (same := same_case(case, text.cases)) is not None:
            raise UserError(_duplicate(case, *same))
    made = target.with_case(replace(case, place=Place("", 0)))
    line = made.cases[-1].place.line
    if not args.dry_run:
        made.write()
    found = {
        "file": target.name,
        "line": line,
        "id": case.id,
        "masked": [{"field": one.field, "kind": one.kind} for one in masked],
        "row": row_of(case),
        "written": not args.dry_run,
    }
    print_result(args, found, _lines(case, f"{target.name}:{line}", masked, written=not args.dry_run))
    return 0


VERB: Final = Verb(
    "Add one case to a golden set: from a JSON object, from a case of a stored run, or typed in on a terminal. "
    "Secrets and personal data are masked, a case with the same id or the same input is refused, and all other lines "
    "keep their bytes. Sends nothing.",
    "pytest-evalgate add support --from ticket.json --incident INC-42",
    _run,
    _add_arguments,
    json="print the file, the line and the row as JSON",
)


def _golden_sets(project: Project, named: str) -> tuple[GoldenText, ...]:
    """Return the golden set that gets the case, then those that share a suite with it: ids are unique in a suite.

    Raises:
        SettingsError: it is neither a suite nor a golden set, or a suite with several files.
        GoldenSetError: a golden set has problems.
    """
    suites = project.settings.suites
    if named in suites:
        if len(suites[named].golden) > 1:
            raise SettingsError(f"suite {named} has {', '.join(suites[named].golden)}: name one of these files")
        path = project.root / suites[named].golden[0]
    else:
        path = Path(named).absolute()
        if not path.exists() and path.suffix.lower() not in _SUFFIXES:
            known = f"; suites: {', '.join(suites)}" if suites else ""
            raise SettingsError(
                f"{one_line(named)}: neither a suite nor a golden set{did_you_mean(named, suites)}{known}; "
                "a new golden set ends in .jsonl"
            )
    target = files.configured_path(project.root, path, "GOLDEN")
    paths = {target: None}
    for suite in suites.values():
        mine = _paths_of(project, suite)
        if target in mine:
            paths |= dict.fromkeys(mine)
    return tuple(GoldenText.read(one, files.relative_name(one, project.root)) for one in paths)


# -- reading


def _read(args: argparse.Namespace, project: Project) -> NewCase:
    if args.run_id is not None or args.case_id is not None:
        if args.source is not None:
            raise SettingsError("--from and --run are two sources of one case: give one of them")
        return _from_run(args, project)
    if args.source is None and sys.stdin.isatty():
        return _ask()
    return _from_json(args.source)


def _from_json(source: str | None) -> NewCase:
    """Read a JSON object in any dialect of golden sets.

    Raises:
        UserError: it cannot be read, or is not one case.
    """
    name, data = _bytes_of(source)
    try:
        value = jsonl.loads(data)
    except ValueError as error:
        raise UserError(f'{name}: {error}: give one JSON object, such as {{"input": "…"}}') from None
    if not isinstance(value, dict) or any(isinstance(value.get(key), list) for key in _MANY):
        kind = "a list" if isinstance(value, list) else "not one case"
        raise UserError(f"{name}: {kind}: give one JSON object; for many cases: pytest-evalgate import FILE")
    case = _translated(value, name)
    row = row_of(case)
    output = row.pop("output", None)
    if "id" not in value and case.id not in strings(value):
        row.pop("id")  # a digest of the content, which masking and --expected change
    return NewCase(row, {"source": name}, output)


def _bytes_of(source: str | None) -> tuple[str, bytes]:
    """Return the name and the content of ``--from``."""
    if source in (None, "-"):
        data = sys.stdin.buffer.read(_MOST_BYTES + 1)
        name = _STDIN
        if not data.strip():
            raise UserError("standard input is empty: give the case as JSON, or --from FILE, or --run ID --case ID")
    else:
        name = str(source)
        try:
            path = Path(name)
            files.require_regular(path)
            with path.open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
        except OSError as error:
            raise UserError(f"{one_line(name)}: cannot be read: {error.strerror or error}") from None
    if len(data) > _MOST_BYTES:
        raise UserError(f"{name}: larger than {_MOST_BYTES >> 20} MiB: give one case")
    return one_line(name), data


def _translated(value: dict[str, Any], name: str) -> Case:
    from pytest_evalgate.golden.dialects.known import recognise  # noqa: PLC0415 - only JSON in another dialect
    from pytest_evalgate.golden.dialects.translate import translate_row  # noqa: PLC0415 - the same

    dialect, problems = recognise([jsonl.JsonLine(0, value)], name)
    if problems:
        raise GoldenSetError(problems)
    place = Place(name, 0)
    parsed = parse_row(value, place) if dialect is None else translate_row(value, place, dialect).parsed
    if parsed.case is None:
        raise GoldenSetError(parsed.problems)
    return parsed.case


def _from_run(args: argparse.Namespace, project: Project) -> NewCase:
    """Read a case of a stored run, with the fields of its golden row if that has not changed since.

    Raises:
        UserError: the run has no such case, or the case has no such trial.
    """
    if args.case_id is None:
        raise SettingsError("--run needs the case: add --case ID")
    run = project.run(None if args.run_id in (None, "last") else args.run_id)
    found = [
        (suite, result)
        for suite in suites_of(run, args.suite)
        for result in suite.results
        if args.case_id in (result.case.id, result.case.golden_id)
    ]
    if not found:
        known = (result.case.id for suite in suites_of(run, args.suite) for result in suite.results)
        raise UserError(
            f"run {run.id} has no case {jsonl.quote_text(args.case_id)}{did_you_mean(args.case_id, known)}"
        )
    if len({suite.plan.name for suite, _ in found}) > 1:
        names = ", ".join(suite.plan.name for suite, _ in found)
        raise UserError(f"run {run.id} has case {jsonl.quote_text(args.case_id)} in {names}: add --suite NAME")
    suite, result = found[0]
    if len(result.trials) < args.trial:
        raise UserError(
            f"run {run.id}: case {jsonl.quote_text(args.case_id)} has {count(len(result.trials), 'trial')}"
        )
    output = result.trials[args.trial - 1].output
    origin: dict[str, Json] = {"source": f"run of {suite.plan.name}", "run": run.id, "case": result.case.golden_id}
    row = _golden_row(project, run.id, suite, result.case.golden_id, dict(result.question))
    return NewCase(row, origin, None if output is None else output.value)


def _golden_row(
    project: Project, run_id: str, suite: SuiteRun, case_id: str, question: Mapping[str, Json]
) -> dict[str, Json]:
    """Return the row of a case of a run; only its question and expected value if the golden set lacks it by now."""
    for name in suite.plan.golden:
        read = golden.read_file(files.configured_path(project.root, name, f"run {run_id}"), name)
        for case in read.golden:
            if case.id == case_id and jsonl.canonical(case.question) == jsonl.canonical(question):
                return {field: value for field, value in row_of(case).items() if field != "output"}
    asked = question.get("input")
    is_dialogue = isinstance(asked, list) and all(isinstance(one, dict) and "role" in one for one in asked)
    return {"id": case_id, "messages" if is_dialogue else "input": asked} | (
        {"expected": question["expected"]} if "expected" in question else {}
    )


def _ask() -> NewCase:
    """Ask for a case on the terminal."""
    print("A new case; an empty input ends. For longer texts: --from FILE", file=sys.stderr)
    try:
        text = input("input: ").strip()
        if not text:
            raise UserError("no input: nothing was added")
        expected = input("expected (empty for none): ").strip()
        tags = [tag.strip() for tag in input("tags (separated by commas): ").split(",")]
    except EOFError:
        raise UserError("the input ended: nothing was added") from None
    row: dict[str, Json] = {"input": text}
    row |= {"expected": expected} if expected else {}
    row |= {"tags": given} if (given := [tag for tag in tags if tag]) else {}
    return NewCase(row, {"source": "typed in"})


# -- the row


def _suite_of(project: Project, target: GoldenText) -> Suite | None:
    """Return the first configured suite with a golden set."""
    return next(
        (suite for suite in project.settings.suites.values() if target.path in _paths_of(project, suite)), None
    )


def _paths_of(project: Project, suite: Suite) -> list[Path]:
    return [files.configured_path(project.root, name, "golden") for name in suite.golden]


def _accepted(row: Mapping[str, Json], output: Json, suite: Suite | None, root: Path) -> Json:
    """Return the output, or the first part of it with which the rules of the suite would pass it."""
    for value in values_to_accept(suite, output, row.get("expected")):
        case = parse_row({**row, "expected": value}, Place("", 0)).case
        if case is not None and why_still_missed(suite, root, case, Output(output)) is None:
            return value
    return output


def _complete(new: NewCase, args: argparse.Namespace, suite: Suite | None) -> NewCase:
    """Return the case with the values of the options, and its origin in the metadata."""
    row = dict(new.row)
    if args.accept:
        if new.output is None:
            raise UserError("--accept: the case has no output: give --expected TEXT")
        row.pop("expected_any", None)
        row["expected"] = _accepted(row, new.output, suite, config.find_root(Path.cwd()))
    if args.expected is not None:
        row["expected"] = args.expected
    if args.new_id is not None:
        row["id"] = args.new_id
    tags = [*row.get("tags", ()), *args.tags, *([f"incident:{args.incident}"] if args.incident else ())]
    if tags:
        row["tags"] = list(dict.fromkeys(tags))
    metadata = {**row.get("metadata", {})}
    for name, value in {**new.origin, "created": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}.items():
        metadata.setdefault(name, value)
    if new.output is not None and not args.accept:
        metadata.setdefault("output", new.output)  # not a field: a suite would take it for a recorded output
    row["metadata"] = metadata
    return replace(new, row=row)


def _case_of(row: Mapping[str, Json], name: str) -> Case:
    parsed = parse_row(row, Place(name, 0))
    if parsed.case is None:
        raise GoldenSetError(parsed.problems)
    return parsed.case


def _duplicate(case: Case, other: Case, what: str) -> str:
    if what == "id":
        return f"{other.place}: the id {jsonl.quote_text(case.id)} is taken: give another one with --id ID"
    return (
        f"{other.place}: case {jsonl.quote_text(other.id)} has the same input: nothing was added; "
        "edit that line if its expected value is wrong"
    )


def _lines(case: Case, place: str, masked: Sequence[MaskedValue], *, written: bool) -> Iterator[str]:
    yield f"{'added' if written else 'would add'} {one_line(case.id)}: {place}"
    if masked:
        yield f"masked: {', '.join(map(str, masked))} (--keep keeps them)"
    if case.expected is None and not (case.expected_any or case.rubric or case.asserts):
        yield "it has no expected value: most scorers need one; --expected TEXT sets it"
    if written:
        yield f"next: git diff {place.rpartition(':')[0]}"
