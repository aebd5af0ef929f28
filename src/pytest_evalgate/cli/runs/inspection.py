"""Actions of ``pytest-evalgate runs``: list and show, from the store; logs and open, from the folder of a run."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.cli.options import add_run, add_suite
from pytest_evalgate.cli.printing import wrapped
from pytest_evalgate.cli.runs.run_files import add_logs, add_open, logs, open_report
from pytest_evalgate.cli.store_question import add_filters, asking, filter_of, print_answer
from pytest_evalgate.cli.verb import Actions, Verb
from pytest_evalgate.config import key_variables
from pytest_evalgate.store import questions
from pytest_evalgate.store.filters import RunFilter
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import align
from pytest_evalgate.text.redaction import Redactor
from pytest_evalgate.text.wording import percent

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_COLUMNS: Final = ("created", "run_id", "verdict", "tier", "branch", "commit_id", "cost_usd", "labels", "source")


def _add_list(parser: argparse.ArgumentParser) -> None:
    add_suite(parser, "any")
    add_filters(parser)


def _list(args: argparse.Namespace) -> int:
    with asking() as question:
        found = questions.runs(question.database, filter_of(args, question.name))
        return print_answer(args, found, _COLUMNS, question.project)


def _show(args: argparse.Namespace) -> int:
    with asking() as question:
        run = questions.find_run(question.database, RunFilter(question.name, run_id=args.run_id))
        found = questions.run_detail(question.database, run)
        redactor = Redactor.of(key_variables(question.project.settings), os.environ)
    print(redactor.redact(json.dumps(found, indent=1) if args.json else "\n".join(_screen(found))))
    return 0


def _screen(run: dict[str, Any]) -> Iterator[str]:
    """Yield the accounting of a run: its head, then a line for each suite and each gate."""
    commit = "" if run["commit_id"] is None else f", commit {run['commit_id'][:12]}"
    yield f"run {run['run_id']} of {run['created']}{commit}: {run['verdict']}, exit {run['exit_code']}"
    calls = f"{run['calls_sent']} calls sent, {run['calls_cached']} cached, {run['calls_retried']} retries"
    price = f", {run['unknown_price']} of unknown price" if run["unknown_price"] else ""
    yield f"  {run['duration_s']:g} s, {calls}, US$ {run['cost_usd']:.4f}{price}"
    yield from (f"  label {one_line(label)}" for label in run["labels"])
    rows = [
        (
            f"  {one_line(suite['suite'])}",
            suite["verdict"],
            "-" if suite["pass_rate"] is None else percent(suite["pass_rate"]),
            f"{suite['planned']} planned",
            *(f"{suite[name]} {name}" for name in ("passed", "missed", "errored", "skipped", "not_run")),
        )
        for suite in run["suites"]
    ]
    yield from align(rows) if rows else ()
    for suite in run["suites"]:
        about = ": ".join(one_line(suite[name]) for name in ("owner", "description") if suite[name])
        yield from wrapped(f"{one_line(suite['suite'])}, {about}") if about else ()
    for gate in run["gates"]:
        yield f"  {one_line(gate['suite'])} {gate['kind']}: {gate['result']}: {one_line(gate['message'])}"
    yield from (f"  problem: {one_line(problem)}" for problem in run["problems"])


VERB: Final[Actions] = {
    "list": Verb(
        "List the stored runs, the newest first.",
        "pytest-evalgate runs list --since 30d",
        _list,
        _add_list,
    ),
    "show": Verb(
        "Print the accounting of one run: calls, cost, suites and gates.",
        "pytest-evalgate runs show",
        _show,
        add_run,
    ),
    "logs": Verb(
        "Print the log of a run by case: times, attempts, errors. With --errored, the cases to run again.",
        "pytest-evalgate runs logs --errored",
        logs,
        add_logs,
    ),
    "open": Verb(
        "Open the HTML report of a run in a browser.",
        "pytest-evalgate runs open",
        open_report,
        add_open,
        json="print the name of the file as JSON",
    ),
}
