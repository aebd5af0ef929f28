"""``pytest-evalgate coverage``: how a golden set represents the log of an application.

Flow: read the cases; count the values of the fields in the log, and the length of its questions; print the values
that are missing or too few, and how far both distributions are apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate import golden
from pytest_evalgate.app.project import Project
from pytest_evalgate.cli.options import add_seed
from pytest_evalgate.cli.printing import print_result, wrapped
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.curation.coverage_map import log_coverage
from pytest_evalgate.curation.log_files import FORMATS, open_log
from pytest_evalgate.errors import GoldenSetError, SettingsError
from pytest_evalgate.text import files
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import align
from pytest_evalgate.text.wording import count, first_few, p_value, percent

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pytest_evalgate.curation.coverage_map import FieldCoverage, LogCoverage, ValueCoverage
    from pytest_evalgate.records.cases import Case, Json

_LISTED: Final = 20
_EXIT_FOUND: Final = 1


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("golden", nargs="+", type=Path, metavar="SET", help="golden sets, which count together")
    option("--log", nargs="+", type=Path, required=True, metavar="LOG", help="log, as sample reads it")
    option("--by", type=_names, required=True, metavar="FIELD,...", help="fields to compare, such as lang,domain")
    option("--format", choices=[one.name for one in FORMATS], help="format of the log (default: recognised)")
    add_seed(parser, "the rows whose lengths are compared, if there are more than 100,000")
    option("--strict", action="store_true", help="exit with 1 if a value of the log has no case, or too few")


def _run(args: argparse.Namespace) -> int:
    root = Project.find().root
    cases = _cases(root, args.golden)
    logs = [open_log(path, files.relative_name(path, root), args.format) for path in args.log]
    found = log_coverage(cases, logs, args.by, args.seed)
    print_result(args, _as_json(found), map(one_line, _lines(found)))
    lacking = any(field.of_state("missing") or field.of_state("few") for field in found.fields)
    return _EXIT_FOUND if args.strict and lacking else 0


VERB: Final = Verb(
    "Compare golden sets with a log: values of fields, such as languages, that have no case or less than half of "
    "their share, the Jensen-Shannon distance of each field, and the lengths of the questions "
    "(Kolmogorov-Smirnov test). Sends nothing.",
    "pytest-evalgate coverage golden/faq.jsonl --log log.jsonl --by lang",
    _run,
    _add_arguments,
    json="print all values as JSON",
)


def _cases(root: Path, paths: list[Path]) -> list[Case]:
    sets = []
    for path in paths:
        read = golden.read_file(path, files.relative_name(path, root))
        if read.problems:
            raise GoldenSetError(read.problems)
        sets.append(read.golden)
    cases = [case for one in sets for case in one]
    if not cases:
        raise SettingsError(f"{paths[0]}: the golden set has no case")
    return cases


def _as_json(found: LogCoverage) -> Json:
    return {
        "cases": found.cases,
        "rows": found.rows,
        "fields": [
            {
                "by": field.by,
                "distance": field.distance,
                "values": [
                    {
                        "value": one.value,
                        "cases": one.cases,
                        "share": one.share,
                        "rows": one.rows,
                        "log_share": one.log_share,
                        "state": one.state,
                    }
                    for one in field.values
                ],
            }
            for field in found.fields
        ],
        "lengths": None
        if found.lengths is None
        else {
            "statistic": found.lengths.statistic,
            "p": found.lengths.p,
            "median_cases": found.lengths.medians[0],
            "median_rows": found.lengths.medians[1],
        },
    }


def _lines(found: LogCoverage) -> Iterator[str]:
    yield f"{count(found.cases, 'case')}, {count(found.rows, 'row')} of the log"
    for field in found.fields:
        yield ""
        yield from _field_lines(field)
    if found.lengths is not None:
        one, other = found.lengths.medians
        yield ""
        yield from wrapped(
            f"length of the questions in words: median {one:g} of the cases, {other:g} of the log; largest difference "
            f"of the distributions {found.lengths.statistic:.2f} (p {p_value(found.lengths.p)})",
            "",
        )


def _field_lines(field: FieldCoverage) -> Iterator[str]:
    rows = [[field.by, "log", "golden set", "cases", ""]]
    rows += [_row(one) for one in field.values[:_LISTED]]
    yield from align(rows)
    if len(field.values) > _LISTED:
        yield f"and {len(field.values) - _LISTED:,} more values: --json lists all"
    for state, text in (("missing", "no case has"), ("few", "less than half of their share")):
        if values := [one.value for one in field.values if one.state == state]:
            yield from wrapped(f"{text}: {first_few(values, 10)}", "")
    yield f"Jensen-Shannon distance: {field.distance:.2f} (0: the same shares, 1: nothing in common)"


def _row(one: ValueCoverage) -> list[str]:
    state = {"missing": "MISSING", "few": "few", "not in the log": "not in the log"}.get(one.state, "")
    return [one.value, percent(one.log_share), percent(one.share), f"{one.cases:,}", state]
