"""``pytest-evalgate sample``: a golden set drawn from the log of an application.

Flow: read the log once, and keep the places of a random sample of each stratum; divide the cases among the strata;
read the drawn rows again; represent near-duplicates by one case; mask; write the set and its plan.
"""

from __future__ import annotations

import argparse
import json
import os
from contextlib import nullcontext
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from pytest_evalgate.app.project import Project
from pytest_evalgate.cli.options import add_seed, whole_number
from pytest_evalgate.cli.printing import print_result, wrapped
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.config import key_variables
from pytest_evalgate.curation.drawing import DrawOptions, draw, reserve_of
from pytest_evalgate.curation.log_files import FORMATS, open_log
from pytest_evalgate.curation.row_scores import PREFIX, row_scorer
from pytest_evalgate.curation.sample_plan import (
    SampleDesign,
    check_pilot,
    effective_cases,
    plan_record,
    plan_sample,
)
from pytest_evalgate.curation.strata import LogQuestion, scan
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.importing.column_plan import parse_map
from pytest_evalgate.stats.allocation import Allocation
from pytest_evalgate.text import files
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import align
from pytest_evalgate.text.redaction import Redactor
from pytest_evalgate.text.wording import count, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from pytest_evalgate.curation.drawing import DrawnSet
    from pytest_evalgate.curation.log_files import LogFile
    from pytest_evalgate.curation.row_fields import Row
    from pytest_evalgate.curation.sample_plan import PilotCheck, PilotSums
    from pytest_evalgate.curation.strata import LogScan, StratumKey
    from pytest_evalgate.records.cases import Json

_MOST_CASES: Final = 100_000
_LISTED: Final = 20
_RUN: Final = "run:"


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _lowest(text: str) -> tuple[str, int]:
    name, colon, number = text.rpartition(":")
    if (
        not colon
        or not name
        or not number.isascii()
        or not number.isdecimal()
        or not 0 < int(number[:9]) <= _MOST_CASES
    ):
        raise argparse.ArgumentTypeError(f"{text!r} is not FIELD:N, such as score:50")
    return name, int(number)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not FIELD=VALUE, such as type=GENERATION")
    return name, value


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("logs", nargs="+", type=Path, metavar="LOG", help="JSON Lines, CSV, Parquet, or an export of traces")
    option("--n", type=whole_number(_MOST_CASES), required=True, help="number of cases")
    option("--by", type=_names, default=(), metavar="FIELD,...", help="fields whose values make the strata")
    option(
        "--min", type=whole_number(_MOST_CASES), default=1, metavar="K", help="fewest cases of a stratum (default: 1)"
    )
    option(
        "--allocation",
        choices=get_args(Allocation),
        default="proportional",
        help="cases of a stratum: in proportion to its rows, equally many, or by Neyman's rule: more where "
        "results vary more (default: proportional)",
    )
    option("--pilot", metavar="FIELD", help="field with results, or run:ID for those of a stored run: for neyman")
    option(
        "--weight", metavar="FIELD", help="field with the number of interactions that a row stands for (default: 1)"
    )
    option(
        "--lowest",
        type=_lowest,
        metavar="FIELD:N",
        help="draw the N rows with the lowest scores for certain; scorer:KIND:N or scorer:pkg.mod:function:N grades "
        "the outputs instead of reading a field",
    )
    option(
        "--only",
        type=_pair,
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="skip all other rows; * stands for any value, so input=* skips rows without a question; repeatable",
    )
    option(
        "--near-duplicates",
        choices=("drop", "keep"),
        default="drop",
        help="let one case stand for rows that share 80 %% of their word pairs, or keep each (default: drop)",
    )
    option("--redact", action="store_true", help="mask secrets and personal data")
    option(
        "--map", action="append", default=[], metavar="FIELD=NAME,...", help="fields to read, such as input=question"
    )
    option("--format", choices=[one.name for one in FORMATS], help="format of the records (default: recognised)")
    option("--skip-malformed", action="store_true", help="skip lines that cannot be read, and list them in the plan")
    add_seed(parser, "the draw")
    option("--out", type=Path, required=True, metavar="FILE.jsonl", help="golden set to write")
    option("--force", action="store_true", help="replace FILE if it exists")


def _run(args: argparse.Namespace) -> int:
    project = Project.find()
    out, plan = _targets(project.root, args)
    logs = [open_log(path, files.relative_name(path, project.root), args.format) for path in args.logs]
    run = args.pilot if args.pilot is not None and args.pilot.startswith(_RUN) else None
    field = None if run else args.pilot
    columns = _columns(args.map)
    drop = args.near_duplicates == "drop"
    with _score(args.lowest, project.root, columns) as score:
        question = LogQuestion(args.by, field, args.weight, args.lowest, tuple(args.only), score)
        found = scan(logs, question, reserve_of(args.n, drop=drop), args.seed, skip_malformed=args.skip_malformed)
    lowest = None if args.lowest is None else f"{args.lowest[0]}:{args.lowest[1]}"
    only = tuple(f"{name}={value}" for name, value in args.only)
    design = SampleDesign(args.n, args.by, args.min, args.allocation, args.seed, args.pilot, lowest, only)
    allocated = plan_sample(found, design, None if run is None else _run_results(project, run, args.by))
    redactor = Redactor.of(key_variables(project.settings), os.environ) if args.redact else None
    drawn = draw(logs, found, allocated.cases, DrawOptions(args.by, columns, drop, redactor))
    record = plan_record(logs, found, design, allocated, drawn)
    files.write_atomically(plan, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())
    files.write_atomically(out, (_line(case.row) for case in drawn.cases))
    names = [files.relative_name(path, project.root) for path in (out, plan)]
    print_result(
        args,
        {"file": names[0], "plan": names[1], **record, "cases": len(drawn.cases)},
        _lines(logs, found, drawn, check_pilot(found, drawn, field), names, args),
    )
    return 0


VERB: Final = Verb(
    "Draw a golden set from the log of an application: a random sample of each stratum, with the weight of each case, "
    "so that weighted rates estimate those of the log. Reads JSON Lines, CSV, Parquet (extra warehouse), spans of "
    "OpenTelemetry, and exports of Langfuse and Phoenix. Writes FILE.jsonl and FILE.plan.json; the same seed gives "
    "the same bytes. Sends nothing.",
    "pytest-evalgate sample log.jsonl --n 500 --out golden/drawn.jsonl",
    _run,
    _add_arguments,
    json="print the plan as JSON",
)


def _targets(root: Path, args: argparse.Namespace) -> tuple[Path, Path]:
    out = files.configured_path(root, args.out.absolute(), "--out")
    name = files.relative_name(out, root)
    if out.suffix.lower() not in (".jsonl", ".ndjson"):
        raise SettingsError(f"--out {name}: a golden set ends in .jsonl")
    if any(out == path.resolve() for path in args.logs):
        raise SettingsError(f"--out {name} is the log itself: choose another file")
    if out.exists() and not args.force:
        raise SettingsError(f"{name} exists: choose another file with --out, or replace it with --force")
    return out, out.with_suffix(".plan.json")


def _score(
    lowest: tuple[str, int] | None, root: Path, columns: Mapping[str, str]
) -> AbstractContextManager[Callable[[Row], Json] | None]:
    """Return the context of the scorer that `--lowest` names; of None if it names a field."""
    if lowest is None or not lowest[0].startswith(PREFIX):
        return nullcontext()
    return row_scorer(lowest[0], root, columns)


def _columns(texts: Sequence[str]) -> dict[str, str]:
    try:
        return parse_map(texts)
    except ValueError as error:
        raise SettingsError(f"--map: {error}") from None


def _run_results(project: Project, name: str, by: Sequence[str]) -> dict[StratumKey, PilotSums]:
    """Return the results of a stored run by stratum: the number of cases, passes, and passes again (their squares)."""
    found: dict[StratumKey, PilotSums] = {}
    run = project.run(name.removeprefix(_RUN))
    known = {slice_by for suite in run.suites for case in suite.plan.cases for slice_by, _ in case.slices}
    if missing := [one for one in by if one not in known]:
        raise SettingsError(
            f"--pilot {name}: its suites have no slices by {', '.join(missing)}: set slices of the suite, run again"
        )
    for suite in run.suites:
        for result in suite.results:
            if result.outcome in ("passed", "missed"):
                slices = dict(result.case.slices)
                key = tuple(slices.get(one, "(none)") for one in by)
                n, total, squares = found.get(key, (0.0, 0.0, 0.0))
                value = result.lowest
                found[key] = (n + 1, total + value, squares + value * value)
    return found


def _line(row: dict[str, Json]) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def _lines(
    logs: Sequence[LogFile],
    found: LogScan,
    drawn: DrawnSet,
    check: PilotCheck | None,
    names: Sequence[str],
    args: argparse.Namespace,
) -> Iterator[str]:
    kinds = ", ".join(dict.fromkeys(log.container if log.format.rows is None else log.format.name for log in logs))
    left_out = f", {count(found.skipped, 'row')} skipped" if found.skipped else ""
    left_out += f", {count(len(found.problems), 'malformed line')} skipped" if found.problems else ""
    yield f"read {count(found.rows, 'row')} ({kinds}){left_out}"
    for name, into in drawn.columns if args.map or len(drawn.columns) <= _LISTED else ():
        if into != "metadata":
            yield one_line(f"  {into} <- {name}")
    yield ""
    yield from map(one_line, _table(drawn, args.by))
    edges = sum(case.is_edge for case in drawn.cases)
    if edges:
        yield f"{count(edges, 'case')} with the lowest {args.lowest[0]}, tagged edge-case"
    if short := [one for one in drawn.strata if one.cases < one.allocated]:
        lacking = sum(one.allocated - one.cases for one in short)
        yield from wrapped(
            f"{count(lacking, 'case')} fewer than allocated in {len(short)} strata: their other candidates are "
            "near-duplicates",
            "",
        )
    if found.rows < args.n:
        yield f"{count(found.rows, 'row')} are fewer than the {args.n:,} cases of --n: every row is drawn"
    if drawn.merged:
        yield f"{count(len(drawn.merged), 'near-duplicate')} represented by another case, which has their weight"
    if args.redact:
        masked = ", ".join(starmap(_masked, drawn.masked.items()))
        yield f"masked: {masked}" if masked else "masked: nothing found"
    yield f"effective number of cases, by their weights: {effective_cases(drawn):,.0f}"
    if check is not None:
        yield one_line(f"mean of {args.pilot}: {percent(check.log)} of the log, {percent(check.sample)} of the sample")
    yield ""
    yield f"wrote {names[0]} ({count(len(drawn.cases), 'case')}) and {names[1]}"
    yield f"next: pytest-evalgate lint {names[0]}"


def _masked(kind: str, number: int) -> str:
    return f"{number:,} x {kind}"


def _table(drawn: DrawnSet, by: Sequence[str]) -> Iterator[str]:
    total = sum(one.rows for one in drawn.strata)
    weights: dict[StratumKey, float] = {}
    for case in drawn.cases:
        if not case.is_edge:
            weights[case.stratum] = weights.get(case.stratum, 0.0) + case.weight
    largest = sorted(drawn.strata, key=lambda one: (-one.rows, one.key))
    rows = [[", ".join(by) or "stratum", "rows", "share", "cases", "each stands for"]]
    for one in largest[:_LISTED]:
        mean = weights.get(one.key, 0.0) / one.cases if one.cases else 0.0
        name = ", ".join(one.key) or "all rows"
        rows.append([name, f"{one.rows:,}", percent(one.rows / total), f"{one.cases:,}", f"{mean:,.1f}"])
    yield from align(rows)
    if len(largest) > _LISTED:
        rest = largest[_LISTED:]
        yield f"and {len(rest):,} more strata with {count(sum(one.cases for one in rest), 'case')}"
