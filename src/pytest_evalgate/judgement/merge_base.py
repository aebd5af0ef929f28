"""The base branch of a run: asked for, or told by the pull request that it runs for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.settings import DEFAULT_TIER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_evalgate.judgement.base_branch import BaseBranch
    from pytest_evalgate.settings import Settings

_FOLDER = "base"


@dataclass(frozen=True, slots=True)
class FoundBase:
    """The base branch, if there is one, and why there is none though one was told."""

    branch: BaseBranch | None = None
    note: str | None = None


def find_base(
    asked: str | None,
    settings: Settings,
    *,
    root: Path,
    state: Path,
    tier: str = DEFAULT_TIER,
    environ: Mapping[str, str] = os.environ,
) -> FoundBase:
    """Find what this branch is compared with.

    A pull request's own checkout may not reach back to its base: that is told in the report and fails nothing. A base
    that was asked for has to be there.

    Args:
        asked: The ref that was asked for.
        settings: The configuration of this branch, with all its tiers.
        root: The root folder.
        state: The state folder.
        tier: The tier that runs.
        environ: Where a pull request tells its base.

    Raises:
        SettingsError: the ref that was asked for cannot be used.

    """
    from pytest_evalgate.runs.base import BaseTree, base_ref  # noqa: PLC0415 - few runs have one

    ref = base_ref(asked, environ)
    if ref is None:
        return FoundBase()
    from pytest_evalgate.judgement.base_branch import BaseBranch  # noqa: PLC0415 - the same

    try:
        tree = BaseTree.at(ref, root=root, folder=state / _FOLDER)
    except SettingsError as error:
        if asked:
            raise
        return FoundBase(note=f"what this branch changed in the gate is not known: {error}")
    return FoundBase(BaseBranch(tree, root, settings, state, tier))
