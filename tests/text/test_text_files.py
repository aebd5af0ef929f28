"""Files: atomic writes, paths inside of the root folder, and relative names."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.errors import BaselineError, SettingsError, StorageError
from pytest_evalgate.text import files

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_writes_bytes_and_makes_the_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "run.json"
    files.write_atomically(path, b"one")
    assert path.read_bytes() == b"one"
    assert os.listdir(path.parent) == ["run.json"]  # noqa: PTH208 - names are what is compared


def test_replaces_an_old_file_by_parts(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(b"a longer text")
    files.write_atomically(path, (part for part in (b"two", b" ", b"parts")))
    assert path.read_bytes() == b"two parts"


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "run.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(step, full)
    with pytest.raises(StorageError, match=r"run\.json: cannot be written: No space left on device: free some space"):
        files.write_atomically(path, b"new")
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("run.json", b"old")]


def test_an_interrupted_source_leaves_the_old_file(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"half"
        raise KeyboardInterrupt

    path = tmp_path / "run.json"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(path, parts())
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("run.json", b"old")]


def test_the_bytes_and_then_the_folder_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def spy(descriptor: int) -> None:
        synced.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    files.write_atomically(tmp_path / "run.json", b"x")
    assert synced == ["file", "folder"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_permissions_are_preserved_and_new_files_follow_the_umask(tmp_path: Path) -> None:
    shared, fresh, plain = tmp_path / "shared", tmp_path / "fresh", tmp_path / "plain"
    shared.touch()
    shared.chmod(0o640)
    plain.touch()
    files.write_atomically(shared, b"x")
    files.write_atomically(fresh, b"x")
    assert stat.S_IMODE(shared.stat().st_mode) == 0o640
    assert fresh.stat().st_mode == plain.stat().st_mode


def test_inside_takes_relative_paths_from_the_root(tmp_path: Path) -> None:
    assert files.resolve_inside(tmp_path, Path("golden/a.jsonl")) == tmp_path.resolve() / "golden" / "a.jsonl"
    assert files.resolve_inside(tmp_path, tmp_path / "x" / ".." / "a") == tmp_path.resolve() / "a"
    assert files.resolve_inside(tmp_path, Path()) == tmp_path.resolve()


@pytest.mark.parametrize("path", ["../other", "a/../../other", "/etc/passwd"])
def test_inside_refuses_paths_that_lead_out(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match=r"outside of .*; move it below that folder"):
        files.resolve_inside(tmp_path / "root", Path(path))


def test_inside_does_not_mistake_a_sibling_for_a_child(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="outside of"):
        files.resolve_inside(tmp_path / "root", tmp_path / "root2" / "a")


def test_inside_follows_symbolic_links(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    (root / "in").symlink_to(root / "deep")
    assert files.resolve_inside(root, Path("in/a")) == root.resolve() / "deep" / "a"
    with pytest.raises(ValueError, match="outside of"):
        files.resolve_inside(root, Path("out/a"))


def test_inside_raises_only_value_errors_for_odd_paths(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(ValueError, match="null"):
        files.resolve_inside(tmp_path, Path("a\0b"))
    try:
        assert files.resolve_inside(tmp_path, Path("loop")).is_relative_to(
            tmp_path.resolve()
        )  # Python 3.13 gives up quietly
    except ValueError as error:
        assert "loop cannot be resolved" in str(error)  # noqa: PT017 - older versions raise


def test_relative_name_is_posix_below_the_root_and_absolute_elsewhere(tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert files.relative_name(root / "golden" / "a.jsonl", root) == "golden/a.jsonl"
    assert files.relative_name(root / "x" / ".." / "a.jsonl", root) == "a.jsonl"
    assert files.relative_name(tmp_path / "a.jsonl", root) == (tmp_path / "a.jsonl").as_posix()


def test_relative_name_takes_relative_paths_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert files.relative_name(Path("golden/a.jsonl"), tmp_path) == "golden/a.jsonl"


def test_relative_name_sees_through_a_link_to_the_root(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert files.relative_name(tmp_path / "real" / "a", tmp_path / "link") == "a"


_REASONS = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space of the quota",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "give this user the permission to write there",
    errno.EPERM: "give this user the permission to write there",
    errno.EIO: "check the disk",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENOTDIR: "move the file that is in the way",
    errno.EISDIR: "move the folder that is in the way",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.ELOOP: "remove the symbolic link",
    errno.ENODEV: "check the path",
}


@pytest.mark.parametrize(("code", "step"), _REASONS.items(), ids=map(errno.errorcode.__getitem__, _REASONS))
def test_an_error_of_the_machine_has_path_reason_and_next_step(tmp_path: Path, code: int, step: str) -> None:
    with pytest.raises(StorageError) as caught, files.storing(tmp_path / "a"):
        raise OSError(code, os.strerror(code))
    assert str(caught.value) == f"{tmp_path / 'a'}: cannot be written: {os.strerror(code)}: {step}"
    assert caught.value.path == tmp_path / "a"


def test_lines_are_appended_and_a_cut_one_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "rows.jsonl"
    files.append_lines(path, [b"1\n", b"2\n"])
    path.write_bytes(path.read_bytes() + b"cut")
    files.append_lines(path, [b"3\n"])
    assert path.read_bytes() == b"1\n2\ncut\n3\n"


@pytest.mark.parametrize("path", ["folder", "missing/x", "file/x", "loop/x"])
def test_a_file_is_removed_if_it_is_one(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    if path == "folder":
        with pytest.raises(StorageError, match="folder: cannot be removed: Is a directory: move the folder"):
            files.remove(tmp_path / path)
    elif path == "loop/x":
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        with pytest.raises(StorageError, match=r"loop/x: cannot be removed: .*: remove the symbolic link"):
            files.remove(tmp_path / path)
    else:
        files.remove(tmp_path / path)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    files.remove(tmp_path / "link")
    assert (tmp_path / "file").exists()


@pytest.mark.parametrize("path", ["../a", "/etc/passwd", "a\0b"])
@pytest.mark.parametrize("error", [SettingsError, BaselineError])
def test_a_configured_path_that_cannot_be_used_names_its_place(
    tmp_path: Path, path: str, error: type[SettingsError]
) -> None:
    with pytest.raises(error, match=r"^suites\.faq\.golden: "):
        files.configured_path(tmp_path, path, "suites.faq.golden", error)
