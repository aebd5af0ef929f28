"""``pytest-evalgate perturb``: variants of the cases of a golden set, for a suite with an ``invariance`` gate.

Flow: read the golden set; make a variant of each case and kind; write the cases and their variants to a new file;
print the number of variants of each kind and the suite to add.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate import golden
from pytest_evalgate.app.project import Project
from pytest_evalgate.app.starter import suite_name
from pytest_evalgate.cli.options import add_seed
from pytest_evalgate.cli.printing import print_result, wrapped
from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.errors import GoldenSetError, SettingsError
from pytest_evalgate.golden.case_variants import KINDS, SEPARATOR, with_variants
from pytest_evalgate.golden.edit import row_of
from pytest_evalgate.text import files
from pytest_evalgate.text.wording import count, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_evalgate.golden.case_variants import VariantSet
    from pytest_evalgate.records.cases import Case, Json

_SUFFIX: Final = "-variants"
_RULES: Final = (
    "typo: two neighbouring inner letters of one word in eight are swapped, never into another word. case: words of "
    "lower-case letters in capitals. whitespace: some single spaces between words are doubled. punctuation: the last "
    "mark is removed or repeated. homoglyph: one letter of one word in four is a Cyrillic one that looks the same. "
    "distractor: an unrelated sentence stands before the question. order: the context passages in another order, "
    "unless a text refers to their position"
)


def _kinds(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in KINDS:
            near = did_you_mean(name, KINDS) or f"; the kinds are: {', '.join(KINDS)}"
            raise argparse.ArgumentTypeError(f"there is no kind {name!r}{near}")
    if not names:
        raise argparse.ArgumentTypeError(f"name at least one kind: {', '.join(KINDS)}")
    return names


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("golden", type=Path, metavar="SET", help="golden set")
    option(
        "--kinds",
        type=_kinds,
        default=KINDS,
        metavar="KIND,...",
        help=f"kinds of variants, by commas (default: all). {_RULES}",
    )
    add_seed(parser, "the choices")
    option("--out", type=Path, metavar="FILE", help=f"new golden set (default: SET with {_SUFFIX} in its name)")
    option("--force", action="store_true", help="replace FILE if it exists")


def _run(args: argparse.Namespace) -> int:
    root = Project.find().root
    source = files.existing_path(root, files.relative_name(args.golden.absolute(), root), "SET")
    out = files.configured_path(root, (args.out or source.with_stem(f"{source.stem}{_SUFFIX}")).absolute(), "--out")
    name = files.relative_name(out, root)
    if out == source:
        raise SettingsError(f"--out {name} is the golden set itself: choose another file")
    if out.suffix.lower() not in (".jsonl", ".ndjson"):
        raise SettingsError(f"--out {name}: a golden set ends in .jsonl")
    if out.exists() and not args.force:
        raise SettingsError(f"{name} exists: choose another file with --out, or replace it with --force")
    read = golden.read_file(source, files.relative_name(source, root))
    if read.problems:
        raise GoldenSetError(read.problems)
    _check_ids(read.golden.cases)
    made = with_variants(read.golden.cases, args.kinds, args.seed)
    if not any(made.made.values()):
        raise SettingsError(
            f"{read.golden.path}: no case has a text to change by {', '.join(args.kinds)}: variants need an input "
            "that is a text, or messages"
        )
    files.write_atomically(out, (_line(case) for case in made.cases))
    print_result(args, _as_json(made, name, args), _lines(made, name, args))
    return 0


VERB: Final = Verb(
    "Write each case of a golden set together with variants that have the same meaning, for a suite with an "
    "invariance gate. Numbers, negations, names, identifiers, code, addresses, quoted texts and expected answers "
    "stay as they are. The same seed gives the same file. Sends nothing.",
    "pytest-evalgate perturb golden/faq.jsonl --kinds typo,case --seed 1",
    _run,
    _add_arguments,
    json="print the numbers of variants as JSON",
)


def _check_ids(cases: tuple[Case, ...]) -> None:
    known = {case.id for case in cases}
    for case in cases:
        clash = next((kind for kind in KINDS if f"{case.id}{SEPARATOR}{kind}" in known), None)
        if clash is not None:
            raise SettingsError(
                f"{case.place}: the id of a variant of {case.id} exists already: perturb the set without variants"
            )


def _line(case: Case) -> bytes:
    return json.dumps(row_of(case), ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def _as_json(made: VariantSet, name: str, args: argparse.Namespace) -> Json:
    return {
        "file": name,
        "seed": args.seed,
        "cases": len(made.cases) - sum(made.made.values()),
        "variants": {kind: made.made.get(kind, 0) for kind in args.kinds},
        "unchanged": {kind: made.unchanged.get(kind, 0) for kind in args.kinds},
    }


def _lines(made: VariantSet, name: str, args: argparse.Namespace) -> Iterator[str]:
    variants = sum(made.made.values())
    cases = count(len(made.cases) - variants, "case")
    yield f"wrote {name}: {cases} and {count(variants, 'variant')} (seed {args.seed})"
    for kind in args.kinds:
        unchanged = made.unchanged.get(kind, 0)
        rest = f"; {count(unchanged, 'case')} without a part that may change" if unchanged else ""
        yield f"  {kind:<12} {made.made.get(kind, 0):,}{rest}"
    yield ""
    yield from wrapped(
        "A suite for them, with the target and the scorers of the suite that they come from:", indent=""
    )
    yield from (
        "",
        f"  [suites.{suite_name(Path(name).stem)}]",
        f"  golden = {json.dumps(name)}",
        '  cluster = "metadata.cluster"',
        '  gates = [{ kind = "invariance", max_flip = 0.05 }]',
    )
