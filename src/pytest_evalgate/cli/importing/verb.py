"""``pytest-evalgate import``: tables and files of other tools become golden sets.

Flow: read every file; decide which files to write, and refuse all of them if one would replace another; write; print
the mapping, what was left out, and the next steps.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate import config
from pytest_evalgate.app.python_project import PythonProject
from pytest_evalgate.app.starter import suite_name
from pytest_evalgate.cli.importing.connecting import Connector, ToWrite, from_here
from pytest_evalgate.cli.printing import print_result, wrapped
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.errors import SettingsError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.record import GoldenRow
from pytest_evalgate.importing import ImportingError, ImportOptions, read
from pytest_evalgate.importing.column_plan import parse_map
from pytest_evalgate.text import files
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.redaction import mask_keys
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_evalgate.app.starter import Step
    from pytest_evalgate.cli.importing.connecting import Connection, Outcome
    from pytest_evalgate.importing import Imported
    from pytest_evalgate.records.cases import Json


_LISTED: Final = 20
_SUFFIXES: Final = frozenset({".jsonl", ".ndjson"})


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option(
        "paths", nargs="+", type=Path, metavar="FILE", help="CSV, TSV, XLSX, JSON, JSONL or YAML, or a saved dataset"
    )
    option("--to", metavar="FILE.jsonl", help="golden set to write (default: golden/ and the name of the file)")
    option(
        "--map",
        action="append",
        default=[],
        metavar="FIELD=COLUMN,...",
        help='columns to read, such as input=Question,expected="Expected answer" (default: by their names)',
    )
    option("--sheet", metavar="NAME", help="sheet of a workbook, or split of a saved dataset")
    option("--delimiter", metavar="CHAR", help="delimiter of a CSV file (default: recognised)")
    option("--force", action="store_true", help="replace existing files that differ")
    option("--dry-run", action="store_true", help="print what would be written, and write nothing")


def _run(args: argparse.Namespace) -> int:
    root = config.find_root(Path.cwd())
    paths = _distinct(args.paths)
    goldens = _golden_paths(paths, args.to, root)
    sources = _read_all(paths, goldens, _options(args), root)
    report = ImportReport.of(sources, goldens, root, again=_command(args), force=args.force)
    report = report.write(root, force=args.force, dry_run=args.dry_run)
    print_result(args, report.as_json(), map(mask_keys, report.lines()))
    return 0


VERB: Final = Verb(
    "Write a golden set from a table (CSV, TSV, XLSX), a JSON or YAML document, a promptfooconfig.yaml, or a file of "
    "deepeval, inspect, langsmith, ragas and other tools. Prints which column became which field, and what was left "
    "out. Sends nothing. Problems are listed with file and line or sheet and cell; then nothing is written.",
    "pytest-evalgate import faq.csv --map input=Question",
    _run,
    _add_arguments,
)


def _read_all(paths: Sequence[Path], goldens: Sequence[str], options: ImportOptions, root: Path) -> list[Imported]:
    """Read each source.

    Raises:
        ImportingError: Lists the problems of all sources.
    """
    sources: list[Imported] = []
    problems: list[tuple[str, str]] = []
    for path, golden in zip(paths, goldens, strict=True):
        try:
            sources.append(read(path, replace(options, golden=golden), root=root))
        except ImportingError as error:
            problems += error.problems
    if problems:
        raise ImportingError(problems)
    return sources


def _command(args: argparse.Namespace) -> str:
    """Return the command line without ``--dry-run``."""
    given = (
        ("--to", args.to),
        ("--sheet", args.sheet),
        ("--delimiter", args.delimiter),
        *(("--map", one) for one in args.map),
    )
    words = [word for name, value in given if value is not None for word in (name, value)]
    force = ["--force"] if args.force else []
    return shlex.join(["pytest-evalgate", "import", *map(str, args.paths), *words, *force])


def _distinct(paths: Sequence[Path]) -> list[Path]:
    return list(dict.fromkeys(paths))


def _options(args: argparse.Namespace) -> ImportOptions:
    try:
        columns = parse_map(args.map)
    except ValueError as error:
        raise SettingsError(f"--map: {error}") from None
    delimiter = {"tab": "\t", "\\t": "\t"}.get(args.delimiter, args.delimiter)
    if delimiter is not None and (len(delimiter) != 1 or delimiter in "\r\n\"'"):
        raise SettingsError(f"--delimiter {args.delimiter}: give one character, such as ';', or tab")
    return ImportOptions(columns, args.sheet, delimiter)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The sources, the files to write and the steps to take next."""

    sources: tuple[Imported, ...]
    goldens: tuple[str, ...]
    files: tuple[ToWrite, ...]
    connection: Connection
    again: str
    root: Path

    @classmethod
    def of(
        cls, sources: Sequence[Imported], goldens: Sequence[str], root: Path, *, again: str, force: bool = False
    ) -> ImportReport:
        """Plan the files of an import; ``goldens`` are the golden sets of the sources.

        Raises:
            ImportingError: Two sources have a case of the same id, or further files of the same name.
        """
        contents: dict[str, list[Imported]] = {}
        for source, golden in zip(sources, goldens, strict=True):
            contents.setdefault(golden, []).append(source)
        _check_unique(contents)
        to_write = [
            ToWrite(golden, _lines_of(parts), count(sum(len(part.cases) for part in parts), "case"))
            for golden, parts in contents.items()
        ]
        connection = Connector(PythonProject(root), force).connect(sources, contents)
        return cls(tuple(sources), tuple(goldens), (*to_write, *connection.files), connection, again, root)

    def write(self, root: Path, *, force: bool, dry_run: bool) -> ImportReport:
        """Write the files, unless one of them would replace a different one without ``force``.

        Raises:
            UserError: A file exists and differs, or cannot be written. Nothing is written then.
        """
        decided = [one if one.by_hand else replace(one, outcome=_outcome(one, root)) for one in self.files]
        existing = [one.path for one in decided if one.outcome == "replaced" and not one.by_hand]
        if existing and not force and not dry_run:
            raise UserError(
                "\n".join(
                    f"{path}: exists and differs: name another file with --to, or add --force" for path in existing
                )
            )
        if dry_run:
            names: Mapping[str, Outcome] = {"wrote": "would write", "replaced": "would replace"}
            return replace(
                self, files=tuple(replace(one, outcome=names.get(one.outcome, one.outcome)) for one in decided)
            )
        for one in decided:
            if one.outcome in {"wrote", "replaced"} and not one.by_hand:
                files.write_atomically(files.configured_path(root, one.path, one.path), one.text.encode())
        return replace(self, files=tuple(decided))

    def lines(self) -> Iterator[str]:
        """Yield the lines of the screen."""
        for source, golden in zip(self.sources, self.goldens, strict=True):
            yield from _source_lines(source, golden)
        yield ""
        yield from (f"{one.outcome} {one.path}" + f" ({one.about})" * bool(one.about) for one in self._written())
        for one in self.files:
            if one.by_hand:
                yield f"add to {one.path}:"
                yield from (one_line(f"  {line}") for line in one.text.splitlines())
        for hint in self.connection.hints:
            yield from wrapped(one_line(hint), "")
        yield "next:"
        width = max(len(command) for command, _ in self.steps())
        yield from (f"  {command:<{width}}  # {about}" for command, about in self.steps())
        if self.connection.waiting and self._is_written():
            names = ", ".join(self.connection.waiting)
            yield from wrapped(f"then set the target of suite {names} in the configuration: it shows how", "")

    def _written(self) -> Iterable[ToWrite]:
        return (one for one in self.files if not one.by_hand)

    def _is_written(self) -> bool:
        return not any(one.outcome.startswith("would") for one in self.files)

    def steps(self) -> list[Step]:
        """Return the next commands, each with its purpose."""
        if not self._is_written():
            return [(self.again, "writes the files")]
        goldens = shlex.join(dict.fromkeys(from_here(self.root, path) for path in self.goldens))
        checked = (f"pytest-evalgate lint {goldens}", "checks the cases: duplicates, secrets, personal data")
        return [checked, *self.connection.steps]

    def as_json(self) -> Json:
        """Return the report for ``--json``."""
        return {
            "sources": [
                {
                    "source": str(source.source),
                    "format": source.format,
                    "golden": golden,
                    "cases": len(source.cases),
                    "mapping": [{"name": name, "field": into} for name, into in source.mapping],
                    "left_out": [
                        {"place": one.place, "what": mask_keys(one.what), "why": mask_keys(one.why)}
                        for one in source.left_out
                    ],
                    "notes": list(source.notes),
                }
                for source, golden in zip(self.sources, self.goldens, strict=True)
            ],
            "files": [
                {"path": one.path, "outcome": "by hand" if one.by_hand else one.outcome}
                | ({"text": one.text} if one.by_hand else {})
                for one in self.files
            ],
            "hints": list(self.connection.hints),
            "next": [{"command": command, "about": about} for command, about in self.steps()],
        }


def _golden_paths(sources: Sequence[Path], to: str | None, root: Path) -> list[str]:
    """Return the path of the golden set of each source, relative to the root folder.

    Raises:
        SettingsError: A path is outside of the root folder, or is not that of a golden set.
        ImportingError: Two sources would be written to the same file.
    """
    if to is None:
        paths = [f"golden/{suite_name(source.stem)}.jsonl" for source in sources]
        if twice := [path for path, number in Counter(paths).items() if number > 1]:
            raise ImportingError(
                [(path, "two files would be written to it: import them one by one, with --to") for path in twice]
            )
    else:
        if Path(to).suffix.lower() not in _SUFFIXES:
            named = shlex.quote(str(Path(to).with_suffix(".jsonl")))
            raise SettingsError(f"--to {to}: a golden set is a .jsonl file: write --to {named}")
        inside = files.configured_path(root, Path.cwd() / to, "--to")
        paths = [files.relative_name(inside, root)] * len(sources)
    for source, path in zip(sources, paths, strict=True):
        if (root / path).resolve() == source.resolve():
            raise SettingsError(f"{path}: would replace the file that it is imported from: name another one with --to")
    return paths


def _check_unique(contents: Mapping[str, Sequence[Imported]]) -> None:
    """Raise if two sources of one golden set have a case of the same id."""
    problems = []
    for parts in contents.values():
        first: dict[str, str] = {}
        for case in (case for part in parts for case in part.cases):
            name = str(case.row["id"])
            if name in first:
                problems.append((case.place, f'duplicate id "{name}" (first at {first[name]})'))
            first.setdefault(name, case.place)
    if problems:
        raise ImportingError(problems)


def _lines_of(parts: Sequence[Imported]) -> str:
    return "".join(f"{json.dumps(case.row, ensure_ascii=False)}\n" for part in parts for case in part.cases)


def _outcome(one: ToWrite, root: Path) -> Outcome:
    path = files.configured_path(root, one.path, one.path)
    try:
        before = files.read_bytes(path)
    except FileNotFoundError:
        return "wrote"
    except OSError as error:
        raise UserError(f"{one.path}: cannot be read: {error.strerror}; move it away first") from None
    return "unchanged" if before == one.text.encode() else "replaced"


_ORDER: Final = {name: number for number, name in enumerate(("id", *GoldenRow.model_fields))}


def _source_lines(source: Imported, golden: str) -> Iterator[str]:
    yield one_line(f"{source.source}: {source.format}, {count(len(source.cases), 'case')} for {golden}")
    by_field: dict[str, list[str]] = {}
    for name, into in source.mapping:
        by_field.setdefault(into, []).append(name)
    width = max(map(len, by_field), default=0)
    for into, names in sorted(
        by_field.items(), key=lambda item: (item[0] == "metadata", _ORDER.get(item[0].partition(".")[0], 0))
    ):
        yield from wrapped(one_line(f"{into:<{width}}  <- {', '.join(names)}"))
    for note in source.notes:
        yield from wrapped(one_line(f"note: {note}"))
    if source.left_out:
        yield f"left out ({count(len(source.left_out), 'part')}):"
        for left in source.left_out[:_LISTED]:
            yield from wrapped(one_line(f"{left.place}: {left.what}: {left.why}"))
        if len(source.left_out) > _LISTED:
            yield f"  and {len(source.left_out) - _LISTED:,} more: --json lists all"
