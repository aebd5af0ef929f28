"""What a run is called, and which run that broke off it goes on with."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pytest_evalgate import jsonl, settings
from pytest_evalgate.runs import journal
from pytest_evalgate.runs.tree import tree_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_evalgate.plugin.requested import Options
    from pytest_evalgate.runs.journal import JournalHead
    from pytest_evalgate.settings import Settings, Target

WORKER_INPUT = "evalgate"
"""Where a worker of xdist finds the names of its run."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """The names of a run.

    Args:
        run: Its id.
        kept_under: The run under whose name the answers of applications without a version are kept: its own, or that
            of the run that it goes on with.
        work_sha256: Digest of what it is to do.
        resumed: The run that it goes on with.

    """

    run: str
    kept_under: str
    work_sha256: str
    resumed: str | None = None

    def export(self) -> dict[str, Any]:
        """Return it as plain values, for a worker."""
        return asdict(self)

    def header(self) -> list[str]:
        """Say which run is gone on with, where one is."""
        said = f"evalgate: goes on with run {self.resumed}: what it has answered is not asked again"
        return [] if self.resumed is None else [said]


def new_lineage(root: Path, state: Path, configured: Settings, options: Options) -> Lineage:
    """Name a run that is about to start."""
    now = datetime.now(UTC)
    run = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    work = _work_sha256(root, state, configured, options)
    if work is None:
        return Lineage(run, run, run)
    found = journal.unfinished(state, work) if options.resume else None
    return Lineage(run, run if found is None else found.lineage, work, None if found is None else found.run)


def head_of(lineage: Lineage, cases: int) -> JournalHead:
    """Return the head of the journal."""
    return journal.JournalHead(lineage.run, lineage.kept_under, lineage.work_sha256, cases)


def _work_sha256(root: Path, state: Path, configured: Settings, options: Options) -> str | None:
    """Digest the work; None where the code of an application cannot be held still."""
    tree: str | None = ""
    targets = [suite.target for suite in configured.suites.values()]
    if options.target is not None or any(map(_is_unversioned, targets)):
        tree = tree_sha256(root, without=state)
    if tree is None:
        return None
    return jsonl.digest([configured.model_dump(mode="json"), options.target, options.trials, str(options.shard), tree])


def _is_unversioned(target: Target | None) -> bool:
    match target:
        case settings.PythonTarget() | settings.HttpTarget() | settings.CommandTarget():
            return target.version is None
        case settings.HookTarget():
            return True
    return False


def lineage_of(values: Mapping[str, Any]) -> Lineage:
    """Read what a controller exported."""
    return Lineage(**values)
