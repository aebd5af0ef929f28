"""Promotions in the store: who made which run the baseline, when, why, and which cases got worse in it."""

from __future__ import annotations

import getpass
import hashlib
import json
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.storing import place_of, project_name
from pytest_evalgate.errors import StorageError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.runs import git
from pytest_evalgate.store import Database
from pytest_evalgate.store.stored_run import clean
from pytest_evalgate.text.exceptions import describe_error

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.records.verdicts import Baseline
    from pytest_evalgate.text.redaction import Redactor

_MOST_WORSE: Final = 100


@dataclass(frozen=True, slots=True)
class Replaced:
    """A baseline file before a promotion: the baseline if it could be read, and the digest of the file."""

    baseline: Baseline | None
    sha256: str | None


def digest_of(path: Path) -> str | None:
    """Return the SHA-256 of a file; None if it does not exist."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def store_promotions(
    project: Project, promoted: Iterable[tuple[Baseline, Path, Replaced]], redactor: Redactor
) -> str | None:
    """Store promotions; return the line about a failure, None if they are stored or the store is switched off."""
    try:
        place = place_of(project.settings, project.state.path)
        if place is None:
            return None
        name, author = project_name(project.root), _author(project.root)
        with Database.open(place) as database, database.transaction():
            for baseline, path, before in promoted:
                origin = baseline.provenance
                database.change(
                    "promotion_insert",
                    project=name,
                    suite=baseline.suite,
                    promoted=origin.promoted,
                    run_id=origin.run_id,
                    author=clean(author),
                    reason=clean(redactor.redact(origin.reason)),
                    old_run_id=None if before.baseline is None else before.baseline.provenance.run_id,
                    old_sha256=before.sha256,
                    new_sha256=digest_of(path),
                    worse=json.dumps(worse_cases(before.baseline, baseline)[:_MOST_WORSE]),
                )
    except (UserError, StorageError) as error:
        return f"the promotion is not in the store: {error}"
    except Exception as error:  # noqa: BLE001 - a failed store does not undo a promotion
        return f"the promotion is not in the store: {describe_error(error)}"
    return None


def worse_cases(before: Baseline | None, now: Baseline) -> list[str]:
    """Return the ids of the cases that are in both baselines unchanged, and passed less in the newer one."""
    if before is None:
        return []
    return [
        case_id
        for case_id, case in now.cases.items()
        if (old := before.cases.get(case_id)) is not None
        and old.fingerprint == case.fingerprint
        and case.mean < old.mean
    ]


def _author(root: Path) -> str:
    """Return the name in the configuration of git, else that of the account."""
    try:
        named = git.output(root, "config", "user.name")
    except UserError:
        named = ""
    try:
        return named or getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
