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
_NOT_SIGNED: Final = "not signed: a pack that was made again as a whole is found by its digest or a signature only"
_OF_VERIFY: Final = ("repository", "sha256", "signers", "signature")
_OF_WRITING: Final = ("out", "since", "sign", "texts")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("runs", nargs="*", metavar="RUN", help='ids of runs (default: the newest one), or "verify PACK"')
    option("--out", type=Path, metavar="PACK", help="new archive (NAME.zip), or new folder")
    option("--texts", action="store_true", help="put the golden sets into the pack, not only their digests")
    option("--since", metavar="REF", help="last release, to list changes of the gate (default: the newest tag before)")
    option("--sign", type=Path, metavar="KEY", help="SSH key; writes PACK.sig by ssh-keygen -Y sign")
    option("--repository", type=Path, metavar="DIR", help="verify: compare with the commit in this clone")
    option("--sha256", metavar="DIGEST", help="verify: digest of the pack, as it was printed")
    option("--signers", type=Path, metavar="FILE", help="verify: allowed signers, lines of NAME KEY-TYPE KEY")
    option("--signature", type=Path, metavar="FILE", help="verify: the signature (default: PACK.sig)")


def _run(args: argparse.Namespace) -> int:
    if args.runs[:1] == [_VERIFY]:
        if len(args.runs) != len((_VERIFY, "PACK")) or any(getattr(args, name) for name in _OF_WRITING):
            raise SettingsError("evidence verify: name one pack: pytest-evalgate evidence verify release.zip")
        return _verify(Path(args.runs[1]), args)
    if args.out is None or any(getattr(args, name) for name in _OF_VERIFY):
        raise SettingsError("evidence: name an archive for the pack: pytest-evalgate evidence --out release.zip")
    return _write(args)


def _write(args: argparse.Namespace) -> int:
    from pytest_evalgate.app.pack_archive import ENDING, write_archive  # noqa: PLC0415 - imports scipy
    from pytest_evalgate.app.project import Project  # noqa: PLC0415 - imports pydantic
    from pytest_evalgate.app.release_pack import build_pack, write_folder  # noqa: PLC0415 - imports scipy

    pack = build_pack(Project.find(), args.runs, since=args.since, with_texts=args.texts)
    (write_archive if args.out.suffix == ENDING else write_folder)(pack, args.out)
    signature = None
    if args.sign is not None:
        from pytest_evalgate.app.pack_signature import sign  # noqa: PLC0415 - if asked for

        signature = sign(args.out, args.sign)
    decision, names = pack.brief.decision, sorted(pack.files)
    if args.json:
        signed = None if signature is None else str(signature)
        print(json.dumps({"decision": decision, "sha256": pack.sha256, "files": names, "signature": signed}, indent=1))
        return 0
    print(f"RELEASE: {decision}")
    for one in pack.brief.requirements:
        print(one_line(f"  {one.decision}: {one.requirement}: {one.reason}"))
    print(f"wrote {count(len(names) + 1, 'file')} to {args.out}\nSHA-256 of manifest.json: {pack.sha256}")
    if signature is not None:
        print(f"signed: {signature}")
    return 0


def _verify(pack: Path, args: argparse.Namespace) -> int:
    from pytest_evalgate.app.pack_check import check_pack  # noqa: PLC0415 - imports scipy

    found = check_pack(pack, repository=args.repository, sha256=args.sha256)
    problems, signer, note = list(found.problems), "", _NOT_SIGNED
    if args.signers is not None or args.signature is not None or found.sha256:
        signer, problem, note = _signature(pack, args)
        problems += [problem] if problem else []
    if args.json:
        facts = {"verified": not problems, "decision": found.decision, "sha256": found.sha256}
        print(json.dumps({**facts, "signer": signer or None, "problems": problems}, indent=1))
    elif problems:
        for problem in problems:
            print(one_line(f"problem: {problem}"))
        print(f"not verified: {count(len(problems), 'problem')}")
    else:
        compared = "" if args.repository else " (the commit was not compared: name a clone with --repository)"
        print(f"verified: {found.decision}{compared}\nSHA-256 of manifest.json: {found.sha256}\n{one_line(note)}")
    return _NOT_VERIFIED if problems else 0


def _signature(pack: Path, args: argparse.Namespace) -> tuple[str, str, str]:
    """Return the signer of a pack, the problem of its signature, and the line about both."""
    from pytest_evalgate.app.pack_signature import check_signature, signature_file  # noqa: PLC0415 - verify alone

    signature = args.signature or signature_file(pack)
    if args.signers is None:
        if args.signature is not None:
            raise SettingsError("--signature: name the allowed signers: --signers FILE")
        here = f"{signature} was not checked: name the allowed signers with --signers"
        return "", "", here if signature.exists() else _NOT_SIGNED
    checked = check_signature(pack, args.signers, signature)
    return checked.signer, checked.problem, f"signed by {checked.signer}"


VERB: Final = Verb(
    "Write the pack of a release, an archive or a folder: verdicts, run files, baselines, calibrations, "
    "configuration, environment, a model card and a page that says go, go with guardrails or hold. The same inputs "
    "give the same bytes. With verify, check a pack without the project: exits with 1 if a file was changed, or if a "
    "verdict does not follow from its run file.",
    "pytest-evalgate evidence --out release-1.4.zip",
    _run,
    _add_arguments,
)
