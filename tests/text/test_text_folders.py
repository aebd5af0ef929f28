from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate.text.folders import walk_files

if TYPE_CHECKING:
    from pathlib import Path


def _names(root: Path, depth: int = 12, most: int = 100) -> list[str]:
    return [path.relative_to(root).as_posix() for path in walk_files(root, depth=depth, most=most)]


def _tree(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_the_nearest_files_come_first_in_the_order_of_their_names(tmp_path: Path) -> None:
    _tree(tmp_path, "b/2", "b/1", "a/c/3", "0")
    assert _names(tmp_path) == ["0", "b/1", "b/2", "a/c/3"]
    assert _names(tmp_path, depth=1) == ["0", "b/1", "b/2"]
    assert _names(tmp_path, depth=0) == ["0"]
    assert _names(tmp_path, most=2) == ["0", "b/1"]


def test_folders_of_tools_are_left_out(tmp_path: Path) -> None:
    _tree(tmp_path, ".git/x", "env/pyvenv.cfg", "env/x", "dist/x", "x.egg-info/x", "__pycache__/x", "src/x")
    assert _names(tmp_path) == ["src/x"]


def test_links_are_survived(tmp_path: Path) -> None:
    _tree(tmp_path, "a/x")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "up").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to("nothing")
    (tmp_path / "file").symlink_to("a/x")
    assert _names(tmp_path) == ["file", "a/x"]


def test_a_folder_that_does_not_exist_has_no_files(tmp_path: Path) -> None:
    assert _names(tmp_path / "none") == []
