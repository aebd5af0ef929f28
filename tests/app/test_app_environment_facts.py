"""Environment of a release pack: each distribution once, with a digest that does not depend on the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.app.environment_facts import environment

if TYPE_CHECKING:
    from pathlib import Path

_HASH = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


def _install(folder: Path, name: str, *lines: str, version: str = "1.0", with_record: bool = True) -> Path:
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    if with_record:
        (info / "RECORD").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return folder


def _digests(*folders: Path) -> dict[str, tuple[str, str | None]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.path", [str(folder) for folder in folders])
        found = environment()["distributions"]
    return {one["name"]: (one["version"], one["sha256"]) for one in found}


def test_scripts_bytecode_and_notes_of_the_installer_do_not_count(tmp_path: Path) -> None:
    files = (f"a/x.py,{_HASH},0", f'"a/x,y.py",{_HASH},0')
    here = _install(tmp_path / "one", "A_b.C", *files)
    there = _install(
        tmp_path / "two",
        "A_b.C",
        *reversed(files),
        f"../../../bin/a,{_HASH},9",
        "a/__pycache__/x.cpython-312.pyc,,",
        f"A_b.C-1.0.dist-info/INSTALLER,{_HASH},4",
        "A_b.C-1.0.dist-info/RECORD,,",
    )
    assert _digests(here) == _digests(there)
    assert set(_digests(here)) == {"a-b-c"}
    other = _install(tmp_path / "three", "A_b.C", f"a/x.py,{_HASH}0,0", files[1])
    assert _digests(here) != _digests(other)


def test_the_first_on_the_path_counts(tmp_path: Path) -> None:
    first = _install(tmp_path / "one", "a", version="2.0")
    second = _install(tmp_path / "two", "a", version="1.0")
    assert _digests(first, second)["a"][0] == "2.0"


def test_a_distribution_without_a_record_has_no_digest(tmp_path: Path) -> None:
    assert _digests(_install(tmp_path, "a", with_record=False)) == {"a": ("1.0", None)}
