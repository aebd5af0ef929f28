"""Where a reader finds the golden set's lines and the run: on GitHub, as its runner says."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_evalgate.data import Place

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_SERVER: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?")
_COMMIT: Final = re.compile(r"[0-9a-f]{40,64}")


@dataclass(frozen=True, slots=True)
class Links:
    """A repository at one commit. ``folder`` is the root folder within it, ``run`` the page of the job's run."""

    repository: str
    commit: str
    folder: str = ""
    run: str | None = None

    def line(self, place: Place) -> str:
        """Return the address of a line."""
        path = "/".join(filter(None, (self.folder, place.file)))
        return f"{self.repository}/blob/{self.commit}/{quote(path, errors='surrogatepass')}#L{place.line}"


def on_github(environ: Mapping[str, str]) -> bool:
    """Tell whether this is a job of GitHub's, whose runner reads the log for commands."""
    return environ.get("GITHUB_ACTIONS") == "true"


def links_of(environ: Mapping[str, str], root: Path) -> Links | None:
    """Return what the environment of a GitHub runner says of the checkout at ``root``; None anywhere else."""
    server, name = environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_REPOSITORY", "")
    commit = _head_of(environ) or environ.get("GITHUB_SHA", "")
    if not (_SERVER.fullmatch(server) and _REPOSITORY.fullmatch(name) and _COMMIT.fullmatch(commit)):
        return None
    number = environ.get("GITHUB_RUN_ID", "")
    run = f"{server}/{name}/actions/runs/{number}" if number.isdigit() else None
    return Links(f"{server}/{name}", commit, _folder(environ.get("GITHUB_WORKSPACE"), root), run)


def _head_of(environ: Mapping[str, str]) -> str | None:
    """Return the newest commit of a pull request: what is checked out is a merge of it that no page shows for long."""
    try:
        event = json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_bytes())
        sha = event["pull_request"]["head"]["sha"]
    except (KeyError, OSError, TypeError, ValueError):
        return None
    return sha if isinstance(sha, str) else None


def _folder(workspace: str | None, root: Path) -> str:
    if not workspace:
        return ""
    top, here = Path(workspace).resolve(), root.resolve()
    return here.relative_to(top).as_posix().removeprefix(".") if here.is_relative_to(top) else ""
