"""Verb evidence: the pack of a release, and its check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.cli.verb import Verb
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse

_VERIFY: Final = "verify"
_NOT_VERIFIED: Final = 1


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", nargs="?", metavar="RUN", help='id of a run, or "verify" (default: the newest run)')
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="folder of a pack, after verify")
    parser.add_argument("--out", type=Path, metavar="DIR", help="new folder for the pack")
    parser.add_argument("--repository", type=Path, metavar="DIR", help="verify: compare with the commit in this clone")
    parser.add_argument("--sha256", metavar="DIGEST", help="verify: digest of the pack, as it was printed")


def _run(args: argparse.Namespace) -> int:
    if args.run_id == _VERIFY:
        if args.folder is None or args.out is not None:
            raise SettingsError("evidence verify: name the folder of a pack: pytest-evalgate evidence verify release")
        return _verify(args)
    if args.out is None or args.folder or args.repository or args.sha256:
        raise SettingsError("evidence: name a folder for the pack: pytest-evalgate evidence --out release")
    return _write(args)


def _write(args: argparse.Namespace) -> int:
    from pytest_evalgate.app.project import Project  # noqa: PLC0415 - imports pydantic
    from pytest_evalgate.app.release_pack import build_pack, write_pack  # noqa: PLC0415 - imports scipy

    pack = build_pack(Project.find(), args.run_id)
    write_pack(pack, args.out)
    decision, names = pack.brief.decision, sorted(pack.files)
    if args.json:
        print(json.dumps({"decision": decision, "sha256": pack.sha256, "files": names}, indent=1))
        return 0
    print(f"RELEASE: {decision}")
    for one in pack.brief.requirements:
        print(one_line(f"  {one.decision}: {one.requirement}: {one.reason}"))
    print(f"wrote {count(len(names) + 1, 'file')} to {args.out}\nSHA-256 of manifest.json: {pack.sha256}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from pytest_evalgate.app.pack_check import check_pack  # noqa: PLC0415 - imports scipy

    found = check_pack(args.folder, repository=args.repository, sha256=args.sha256)
    if args.json:
        facts = {"verified": not found.problems, "decision": found.decision, "sha256": found.sha256}
        print(json.dumps({**facts, "problems": found.problems}, indent=1))
    elif found.problems:
        for problem in found.problems:
            print(one_line(f"problem: {problem}"))
        print(f"not verified: {count(len(found.problems), 'problem')}")
    else:
        compared = "" if args.repository else " (the commit was not compared: name a clone with --repository)"
        print(f"verified: {found.decision}{compared}\nSHA-256 of manifest.json: {found.sha256}")
    return _NOT_VERIFIED if found.problems else 0


VERB: Final = Verb(
    "Write the pack of a release: verdict, run file, baselines, calibrations, configuration and a page that says go, "
    "go with guardrails or hold. With verify, check a pack: exits with 1 if a file was changed, or if the verdict "
    "does not follow from the run file.",
    "pytest-evalgate evidence --out release",
    _run,
    _add_arguments,
)
