"""Files of a commit, read from git objects. Only symbolic links of the commit are followed."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import BaselineError, UserError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.runs import git

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LINK, _FOLDER, _SUBMODULE = "120000", "040000", "160000"
_MOST_LINKS: Final = 40  # the limit of Linux
_LFS: Final = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\n")
_LONGEST_POINTER: Final = 1024


@dataclass(frozen=True, slots=True)
class _Entry:
    mode: str
    object_id: str


@dataclass(frozen=True, slots=True)
class CommitTree:
    """Files of the project ``root`` at ``commit``."""

    root: Path
    commit: str

    def read(self, path: str) -> bytes | None:
        """Return the content of a file, relative to the root folder; None if the commit does not contain it.

        Raises:
            UserError: Git cannot read it, it is a folder, or it is not among the objects of this repository: it is
                in a submodule, outside of the repository, or in Git LFS and not fetched.
        """
        return self.read_from_top(posixpath.join(self.prefix, path))

    def read_from_top(self, path: str) -> bytes | None:
        """Return the content of a file, relative to the top folder of the repository; like `read`."""
        entry = self._entry(path)
        if entry is None:
            return None
        if entry.mode == _FOLDER:
            raise UserError("git cannot read it: it is a folder")
        data = git.run(self.root, "cat-file", "blob", entry.object_id)
        pointer = _LFS.match(data) if len(data) <= _LONGEST_POINTER else None
        return data if pointer is None else self._large_file(path, pointer[1].decode("ascii"))

    def names_in(self, folder: str) -> list[str]:
        """Return the names in a folder, relative to the root folder; none if the commit does not contain it."""
        entry = self._entry(posixpath.join(self.prefix, folder))
        return [] if entry is None or entry.mode != _FOLDER else list(_entries(self.root, entry.object_id))

    def names(self, *wanted: str) -> list[str]:
        """Return the files of the whole repository that have one of these names, relative to its top folder."""
        listed = git.run(self.root, "ls-tree", "-r", "-z", "--full-tree", "--name-only", self.commit)
        files = [os.fsdecode(name) for name in listed.split(b"\0") if name]
        return [name for name in files if posixpath.basename(name) in wanted]

    @property
    def top(self) -> Path:
        """The top folder of the repository: the nearest one with ``.git``. ``core.worktree`` is ignored."""
        found = (folder for folder in (self.root, *self.root.parents) if (folder / ".git").exists())
        top = next(found, None)
        if top is None:
            raise UserError(f"{self.root} is not below a folder with .git: run in a clone")
        return top

    @property
    def prefix(self) -> str:
        """The root folder, relative to the top folder of the repository; "" if it is the top folder."""
        relative = self.root.relative_to(self.top).as_posix()
        return "" if relative == "." else relative

    def _entry(self, path: str) -> _Entry | None:
        """Return the entry at a path from the top folder, after following the links of this commit."""
        steps = [step for step in reversed(path.split("/")) if step not in ("", ".")]
        folders: list[_Entry] = [_Entry(_FOLDER, self.commit)]
        links = 0
        while steps:
            step = steps.pop()
            if step == "..":
                if len(folders) == 1:
                    raise UserError("a symbolic link leads out of the repository: move the file into it")
                folders.pop()
                continue
            if folders[-1].mode == _SUBMODULE:
                raise UserError("it is in a submodule: move files that the gate reads into this repository")
            if folders[-1].mode != _FOLDER or (entry := self._child(folders[-1], step)) is None:
                return None
            if entry.mode != _LINK:
                folders.append(entry)
                continue
            target = os.fsdecode(git.run(self.root, "cat-file", "blob", entry.object_id))
            links += 1
            if links > _MOST_LINKS or target.startswith("/"):
                raise UserError(f"the symbolic link {step} leads to {target}, which is not in the repository")
            steps += [part for part in reversed(target.split("/")) if part not in ("", ".")]
        if folders[-1].mode == _SUBMODULE:
            raise UserError("it is a submodule: move files that the gate reads into this repository")
        return folders[-1]

    def _child(self, folder: _Entry, name: str) -> _Entry | None:
        """Return an entry of a folder. On case-insensitive file systems, its name may differ in case."""
        entries = _entries(self.root, folder.object_id)
        if name in entries:
            return entries[name]
        alike = [other for other in entries if other.casefold() == name.casefold()]
        if len(alike) != 1 or git.output(self.root, "config", "--bool", "core.ignorecase") != "true":
            return None
        return entries[alike[0]]

    def _large_file(self, path: str, digest: str) -> bytes:
        """Return the content of a file in Git LFS, from its store or a file here with the same digest."""
        common = git.output(self.root, "rev-parse", "--git-common-dir")
        stored = self.root / common / "lfs" / "objects" / digest[:2] / digest[2:4] / digest
        for file in (stored, self.top / path):
            try:
                data = file.read_bytes()
            except OSError:
                continue
            if hashlib.sha256(data).hexdigest() == digest:
                return data
        raise UserError(f"its content is in Git LFS and was not fetched: git lfs fetch origin {self.commit}")


@lru_cache(maxsize=1024)
def _entries(root: Path, folder: str) -> Mapping[str, _Entry]:
    """Return the entries of a folder by name. They are read once, because objects never change."""
    found: dict[str, _Entry] = {}
    for line in git.run(root, "ls-tree", "-z", "--full-tree", folder).split(b"\0"):
        if line:
            facts, _, name = line.partition(b"\t")
            mode, _, object_id = facts.decode("ascii").split(" ")
            found[os.fsdecode(name)] = _Entry(mode, object_id)
    return found


def file_at(root: Path, ref: str, path: str) -> bytes | None:
    """Return the file ``path``, relative to ``root``, at a ref; None if its commit does not contain it.

    Raises:
        UserError: Git is missing, or there is no such commit.
    """
    git.require_repository(root)
    return CommitTree(root, git.commit_of(root, ref)).read(path)


def show(root: Path, ref: str, path: str) -> bytes:
    """Return the file ``path``, relative to ``root``, at ``ref``.

    Raises:
        BaselineError: Git is missing, or there is no such ref or file.
    """
    try:
        data = file_at(root, ref, path)
    except UserError as error:
        raise BaselineError(f"git:{ref}: cannot read {path}: {error}") from None
    if data is None:
        raise BaselineError(f"git:{ref}: cannot read {path}: that commit does not contain it")
    return data
