"""Entry point of the console script: parse the command line, import the verb, run it."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from typing import TYPE_CHECKING, Final

from pytest_evalgate.cli.verb import define
from pytest_evalgate.errors import ScorerError, StorageError, UserError
from pytest_evalgate.records.calls import RunStopped
from pytest_evalgate.text.jsonl import quote_text
from pytest_evalgate.text.redaction import mask_keys
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

VERBS: Final[Mapping[str, str]] = {
    "init": "write a starter configuration, or the files for a CI system",
    "import": "write a golden set from a table, or from a file of another tool",
    "record": "write the outputs of a suite's target to a file, to grade them later without calls",
    "add": "add one case to a golden set: from production, from a stored run, or typed in",
    "sample": "draw a golden set from the log of an application",
    "review": "walk through regressed and missed cases, and correct what they expect",
    "watch": "run the affected suites again when a prompt, golden set or target changes",
    "lint": "check golden sets before anything runs",
    "coverage": "compare golden sets with the log of an application: what they lack",
    "perturb": "write variants of cases that keep their meaning, to test that answers do not flip",
    "config": "print the configuration in effect, and the origin of each value",
    "schema": "print the JSON Schema of a file, or the OpenAPI document of the HTTP API",
    "baseline": "promote a run to baseline, or show a baseline",
    "compare": "compare two runs or baselines, case by case",
    "correlate": "compare stored runs with production outcomes of the same releases or days",
    "report": "write the reports of a stored run",
    "power": "compute the cases and trials that it takes to detect a drop",
    "aa": "measure how often the gate fails when nothing changed, and list the cases that flip",
    "merge": "merge the shards of a run, and decide the run",
    "verify": "derive the verdict of a run again, with the gates and baselines of the base branch",
    "evidence": "write the pack of a release, or check one",
    "calibrate": "measure a judge against human labels, so that it may gate",
    "label": "draw outputs for people to label",
    "probe": "test whether outputs can manipulate a judge into passing them",
    "drift": "test whether a judge has changed since its verdicts were recorded",
    "store": "bring runs into the store of results, remove old ones, check it",
    "query": "ask the store: a metric over time, slices, cases, two runs compared",
    "runs": "list the stored runs, show one, print its log or open its report",
    "view": "serve the stored results as pages and as an HTTP API",
    "export": "write stored runs for other tools",
    "cache": "inspect, check, prune, export and import the cache of replies",
}
"""Help line of each verb."""

EXIT_USAGE: Final = 4
EXIT_INCOMPLETE: Final = 11
EXIT_PIPE: Final = 141  # 128 + SIGPIPE, as a shell reports it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        arguments: Command line without the program's name; None is ``sys.argv``.

    Returns:
        The exit code: that of the verb, 4 if the user has to change something, 11 if the calls to a model failed.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    # The first word that is not an option is the verb: the program's own parser has no option that takes a value.
    verb = next((word for word in words if not word.startswith("-")), None)
    if verb is not None and verb not in VERBS:
        near = did_you_mean(verb, VERBS) or f"; the verbs are: {', '.join(VERBS)}"
        build_parser([]).error(f"there is no verb {quote_text(verb)}{near}")
    args = build_parser([] if verb is None else [verb]).parse_args(words)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # Windows code pages lack characters that models use
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except StorageError as error:
        from pytest_evalgate.runs.state import storage_message  # noqa: PLC0415 - only after an error

        print(f"pytest-evalgate: {storage_message(error)}", file=sys.stderr)
        return EXIT_USAGE
    except (UserError, ScorerError, RunStopped) as error:
        from pytest_evalgate.config import with_places  # noqa: PLC0415 - only after an error

        print(mask_keys(f"pytest-evalgate: {with_places(str(error))}"), file=sys.stderr)
        return EXIT_INCOMPLETE if isinstance(error, RunStopped) else EXIT_USAGE
    except BrokenPipeError:  # the reader, such as `head`, closed the pipe
        # The interpreter flushes stdout once more when it exits, which would print a second BrokenPipeError:
        # https://docs.python.org/3/library/signal.html#note-on-sigpipe
        _discard_output()
        return EXIT_PIPE
    except OSError as error:  # of standard output, such as a full disk; files raise StorageError
        _discard_output()
        print(f"pytest-evalgate: the output cannot be written: {error}", file=sys.stderr)
        return EXIT_USAGE
    return code


def module_of(verb: str) -> str:
    """Return the name of the module of a verb; that of ``import`` would be a keyword of Python."""
    return f"pytest_evalgate.cli.{'importing' if verb == 'import' else verb}"


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def build_parser(imported: Collection[str]) -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Args:
        imported: Verbs to import, whose parsers are complete. The parsers of the others have a help line only:
            importing all verbs loads pydantic and scipy, which takes about 0.7 s.
    """
    parser = argparse.ArgumentParser(
        prog="pytest-evalgate",
        description="Set up, check, compare and explain what pytest --eval-gate runs and decides.",
        epilog="pytest-evalgate VERB --help describes a verb and shows an example.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, help_line in VERBS.items():
        verb = verbs.add_parser(name, help=help_line, description=f"{help_line[0].upper()}{help_line[1:]}.")
        if name in imported:
            define(verb, importlib.import_module(module_of(name)).VERB)
    return parser
