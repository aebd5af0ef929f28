"""The baseline of a suite as this checkout has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.runs import baseline as baselines

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_evalgate.data import Baseline

_COMMIT = "git:"


def own_baseline(
    configured: str | None, *, suite: str, root: Path, state: Path, against: str | None = None
) -> Baseline | None:
    """Read the baseline of a suite; None where there is none yet.

    Args:
        configured: Where the suite's own is, as its settings say: a file, or ``git:REF``.
        suite: The suite.
        root: The root folder.
        state: The state folder.
        against: What to compare with instead.

    Raises:
        BaselineError: it cannot be used.

    """
    file = baselines.file_of(configured, suite=suite, root=root, state=state)
    commit = configured if configured is not None and configured.startswith(_COMMIT) else None
    return baselines.find(against or commit, suite=suite, file=file, root=root)
