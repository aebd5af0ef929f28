"""Git: commits, refs by their full names, merge bases, and a digest of the working tree.

Commands ignore replace refs, grafts, and variables that point git to another repository. Each of them could show
another base branch than the one that a pull request is merged into.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import UserError
from pytest_evalgate.text import jsonl
from pytest_evalgate.waits import report_expired

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_TIMEOUT_S: Final = 20
_NO_GIT: Final = f"git is not installed, or did not respond within {_TIMEOUT_S} s"
_FETCH: Final = (
    "fetch it: in CI actions/checkout with fetch-depth: 0 (fetch-depth: 2 is enough for the base of a pull request), "
    "else git fetch origin"
)
_FETCH_PULL_REQUEST: Final = (
    "set fetch-depth: 2 of actions/checkout (the parent of the merge commit is enough), or fetch-depth: 0 if another "
    "commit than the merge commit is checked out"
)
_MOST_FILES: Final = 50_000
_COMPILED: Final = "__pycache__"
_SKIPPED: Final = frozenset({_COMPILED, "node_modules", "venv", "build", "dist"})

_SAFE: Final = ("--no-replace-objects", "--no-optional-locks", "--literal-pathspecs", "-c", "core.fsmonitor=false")
_KEPT_VARIABLES: Final = re.compile(r"(?!GIT_)|GIT_(CONFIG|CEILING|DISCOVERY|EXEC|SSH|SSL|HTTP|ASKPASS|PROXY|LFS)")
"""Variables that are passed to git: it may need a proxy or ``safe.directory``, but never ``GIT_DIR``."""

_DUBIOUS: Final = re.compile(r"detected dubious ownership in repository at '(.+)'")
_COMMIT_ID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_ID: Final = re.compile(r"[0-9a-f]{4,64}")
_REF: Final = re.compile(
    r"(?P<name>(?!-)(?:[^\s\x00-\x20~^:?*\[\\@]|@(?!\{))+)(?P<suffix>(?:\^\{commit\}|[~^][0-9]*)*)"
)
_HEADS: Final = frozenset({"HEAD", "@"})
_PSEUDO_REFS: Final = frozenset({"FETCH_HEAD", "ORIG_HEAD", "MERGE_HEAD"})
_NAMESPACES: Final = ("refs/heads/", "refs/remotes/", "refs/tags/")
_MERGE: Final = 3
"""Merge commit and its two parents."""


def commit(root: Path) -> str | None:
    """Return the commit that is checked out at ``root``; else that of GitHub Actions, else None."""
    return head(root) or os.environ.get("GITHUB_SHA") or None


def head(root: Path) -> str | None:
    """Return the commit that is checked out at ``root``; None without a repository, a commit, or git."""
    done = _git(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return None if done is None or done.returncode != 0 else done.stdout.decode("ascii", "replace").strip()


_BRANCHES: Final = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "CIRCLE_BRANCH", "BUILDKITE_BRANCH")
"""Variables of CI systems that name the branch: a CI job checks out a commit, not a branch."""


def branch(root: Path, environ: Mapping[str, str]) -> str | None:
    """Return the name of the branch: that of the CI system, else the one that is checked out; None without one."""
    named = next((name for variable in _BRANCHES if (name := environ.get(variable))), None)
    if named is None:
        done = _git(root, "symbolic-ref", "--quiet", "--short", "HEAD")
        named = "" if done is None or done.returncode != 0 else done.stdout.decode("utf-8", "replace").strip()
    return named if named and named.isprintable() else None


def changes_sha256(root: Path, without: Iterable[Path]) -> str:
    """Return a digest of the uncommitted changes of tracked files below ``root``, except those in ``without``.

    "" if there are none, or outside of a repository.
    """
    inside = (path.relative_to(root).as_posix() for path in without if path.is_relative_to(root))
    left_out = (f":(exclude,literal){name}" for name in inside)
    done = _git(root, "diff", "--no-ext-diff", "--no-color", "HEAD", "--", ".", *left_out)
    if done is None or done.returncode != 0 or not done.stdout:
        return ""
    return hashlib.sha256(done.stdout).hexdigest()


def merge_base(root: Path, ref: str) -> str:
    """Return the newest common ancestor of ``ref`` and HEAD.

    Raises:
        UserError: Git is missing, ``root`` is not in a repository, or there is no such ref or ancestor.
    """
    require_repository(root)
    found = _common_ancestor(root, commit_of(root, ref))
    if found:
        return found
    if output(root, "rev-parse", "--is-shallow-repository") == "true":
        raise UserError(f"this clone is shallow and does not contain the merge base; {_FETCH}")
    raise UserError("it has no commit in common with HEAD: name the branch into which this one will be merged")


def pull_request_base(root: Path, branch: str, environ: Mapping[str, str]) -> str:
    """Return the merge base of HEAD and the target branch of a pull request on GitHub.

    The branch is ``refs/remotes/origin/BRANCH``, never a local branch or a tag of that name. A clone that lacks it,
    or its merge base, may still contain the first parent of GitHub's merge commit, which is the tip of the branch.

    Raises:
        UserError: Neither is in this clone, or git cannot read it.
    """
    require_repository(root)
    full = f"refs/remotes/origin/{branch}"
    tip = _REF.fullmatch(branch) and _refs(root, full).get(full)
    found = (_common_ancestor(root, tip) if tip else "") or _first_parent_of_merge(root, environ)
    if found:
        return found
    if output(root, "rev-parse", "--is-shallow-repository") == "true":
        raise UserError(f"this clone is shallow and does not contain the merge base; {_FETCH_PULL_REQUEST}")
    if tip:
        raise UserError("it has no commit in common with HEAD: name the branch into which this one will be merged")
    raise UserError(f"no such branch, tag or commit here; {_FETCH_PULL_REQUEST}")


def _first_parent_of_merge(root: Path, environ: Mapping[str, str]) -> str:
    """Return the first parent of the merge commit that GitHub made for a pull request; "" if HEAD is another commit.

    HEAD has to be the commit of the event: a merge made by the author of the branch has the branch as its first
    parent. A
    clone without this parent shows a commit without parents.
    """
    if environ.get("GITHUB_EVENT_NAME", "pull_request") != "pull_request":
        return ""
    commits = output(root, "rev-list", "--parents", "--max-count=1", "HEAD").split()
    if len(commits) != _MERGE or environ.get("GITHUB_SHA", commits[0]) != commits[0]:
        return ""
    return commits[1]


def _common_ancestor(root: Path, other: str) -> str:
    return output(root, "merge-base", other, head(root) or "HEAD")


def require_repository(root: Path) -> None:
    """Check that git reads the repository of ``root``.

    Raises:
        UserError: Git is missing, refuses to read the repository, or there is none; or ``root`` is in a submodule.
    """
    done = _git(root, "rev-parse", "--git-dir")
    if done is None:
        raise UserError(_NO_GIT)
    words = done.stderr.decode("utf-8", "replace")
    if (dubious := _DUBIOUS.search(words)) is not None:
        raise UserError(
            f"git refuses to read {dubious[1]}: detected dubious ownership; trust the folder with: "
            f"git config --global --add safe.directory {dubious[1]}"
        )
    if done.returncode != 0 and "not a git repository" in words:
        raise UserError(f"{root} is not in a git repository: run in a clone, or remove the base ref")
    if done.returncode != 0:
        raise UserError(f"git cannot read the repository of {root}: {_reason(done)}")
    if outer := output(root, "rev-parse", "--show-superproject-working-tree"):
        raise UserError(f"{root} is in a submodule of {outer}, which has other branches: run in a separate clone")


def commit_of(root: Path, ref: str) -> str:
    """Return the commit of an id, HEAD, a branch, a remote branch or a tag, each with or without ``~N`` and ``^``.

    Raises:
        UserError: There is no such commit, or the name belongs to several refs that are different commits: git would
            take a tag for a branch.
    """
    parts = _REF.fullmatch(ref)
    found = "" if parts is None else _commit_id(root, f"{_resolved(root, parts['name'])}{parts['suffix']}")
    if not found:
        raise UserError(f"no such branch, tag or commit here; {_FETCH}")
    return found


def _resolved(root: Path, name: str) -> str:
    """Return the full name of a ref, or the id of a commit; "" if there is none."""
    if _COMMIT_ID.fullmatch(name):
        return name
    if name in _HEADS:
        return "HEAD"
    if name.startswith("refs/"):
        return name if name in _refs(root, name) else ""
    found = _refs(root, *(f"{space}{name}" for space in _NAMESPACES))
    commits = {_commit_id(root, full) for full in found}
    if len(commits) > 1 or (found and _SHORT_ID.fullmatch(name)):
        several = " and ".join(found) if len(found) > 1 else f"{next(iter(found))} and of a commit id"
        raise UserError(f"{name} is the name of {several}: write the full name of the ref, or the whole commit id")
    if found:
        return next(iter(found))
    if name in _PSEUDO_REFS or _SHORT_ID.fullmatch(name):
        return name
    return next(iter(_refs(root, f"refs/remotes/{name}/HEAD")), "")


def _refs(root: Path, *names: str) -> dict[str, str]:
    """Return the object ids of those refs that exist, by full name."""
    lines = output(root, "for-each-ref", "--format=%(refname) %(objectname)", *names).splitlines()
    found = dict(line.split(" ") for line in lines)
    return {name: found[name] for name in names if name in found}


def _commit_id(root: Path, name: str) -> str:
    return output(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}") if name else ""


def tree_sha256(root: Path, without: Path) -> str | None:
    """Return a digest of the names, sizes and times of the files below ``root`` that git does not ignore.

    Compiled Python files are left out, because the first run creates them. Outside of a repository, hidden folders
    and the usual build folders are left out as well, and so is the folder ``without``. Return None if there are more
    than 50,000 files.
    """
    listed: list[list[str | int]] = []
    tracked = _tracked(root)
    for name in sorted(_walk(root)) if tracked is None else tracked:
        if len(listed) == _MOST_FILES:
            return None
        path = root / name
        if path.is_relative_to(without):
            continue
        try:
            found = path.stat()
        except OSError:  # deleted, but still in git's index
            continue
        listed.append([name, found.st_size, found.st_mtime_ns])
    return jsonl.digest(listed)


def _tracked(root: Path) -> list[str] | None:
    """Return the files that git tracks or would add; None outside of a repository."""
    done = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".")
    if done is None or done.returncode != 0:
        return None
    names = {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}
    return sorted(name for name in names if _COMPILED not in name.split("/"))


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _SKIPPED]
        for name in names:
            yield Path(folder, name).relative_to(root).as_posix()


def output(root: Path, *arguments: str) -> str:
    """Return the output of a git command as text; "" if the command fails.

    Raises:
        UserError: Git is missing.
    """
    done = _git(root, *arguments)
    if done is None:
        raise UserError(_NO_GIT)
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""


def run(root: Path, *arguments: str) -> bytes:
    """Return the output of a git command.

    Raises:
        UserError: Git is missing, or the command fails.
    """
    done = _git(root, *arguments)
    if done is None:
        raise UserError(_NO_GIT)
    if done.returncode != 0:
        raise UserError(f"git cannot read it: {_reason(done)}")
    return done.stdout


def _reason(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes] | None:
    program = shutil.which("git")
    if program is None:
        return None
    try:
        return subprocess.run(  # noqa: S603 - no shell, and refs that look like options are refused above
            [program, *_SAFE, *arguments],
            cwd=root,
            env=_environment(),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        report_expired("git", _TIMEOUT_S)
        return None
    except OSError:
        return None


def _environment() -> dict[str, str]:
    """Return the environment of git: messages in English, and no file of grafts, which would change parents."""
    kept = {name: value for name, value in os.environ.items() if _KEPT_VARIABLES.match(name)}
    return {**kept, "LC_ALL": "C", "GIT_GRAFT_FILE": os.path.join(os.devnull, "none")}  # noqa: PTH118 - no file
