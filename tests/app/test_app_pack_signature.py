"""Signatures of release packs, made and checked by a real ssh-keygen."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.app.pack_archive import archive_bytes
from pytest_evalgate.app.pack_signature import NAMESPACE, SignatureCheck, check_signature, sign, signature_file
from pytest_evalgate.app.release_pack import MANIFEST
from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_KEYGEN = shutil.which("ssh-keygen")
pytestmark = pytest.mark.skipif(_KEYGEN is None, reason="ssh-keygen signs")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "keys/id"
    path.parent.mkdir()
    subprocess.run([str(_KEYGEN), "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path


@pytest.fixture
def signers(key: Path) -> Path:
    path = key.with_name("signers")
    path.write_text(f'qa@example.com namespaces="{NAMESPACE}" {key.with_suffix(".pub").read_text("ascii")}', "ascii")
    return path


def _archive(folder: Path) -> Path:
    (folder / "release.zip").write_bytes(archive_bytes([(MANIFEST, b"{}")]))
    return folder / "release.zip"


def _folder(folder: Path) -> Path:
    (folder / "release").mkdir()
    (folder / "release" / MANIFEST).write_bytes(b"{}")
    return folder / "release"


_PACKS = pytest.mark.parametrize("make", [_archive, _folder])


@_PACKS
def test_who_signed(tmp_path: Path, key: Path, signers: Path, make: Callable[[Path], Path]) -> None:
    pack = make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("release*") if path.is_file()}
    signature = sign(pack, key)
    assert signature == signature_file(pack) == tmp_path / f"{pack.name}.sig"
    assert all(path.read_bytes() == data for path, data in before.items())
    assert check_signature(pack, signers, signature) == SignatureCheck("qa@example.com")
    signed = pack / MANIFEST if pack.is_dir() else pack  # the documented command of people without this package
    command = ["-Y", "verify", "-f", str(signers), "-I", "qa@example.com", "-n", NAMESPACE, "-s", str(signature)]
    subprocess.run([str(_KEYGEN), *command], input=signed.read_bytes(), check=True, capture_output=True)


@_PACKS
def test_a_signature_of_another_pack(tmp_path: Path, key: Path, signers: Path, make: Callable[[Path], Path]) -> None:
    pack = make(tmp_path)
    signature = sign(pack, key)
    changed = pack / MANIFEST if pack.is_dir() else pack
    changed.write_bytes(changed.read_bytes() + b" ")
    problem = check_signature(pack, signers, signature).problem
    assert problem == f"{signature}: not a signature of this pack by qa@example.com"


def test_a_signature_of_an_unknown_key(tmp_path: Path, key: Path, signers: Path) -> None:
    pack = _archive(tmp_path)
    signature = sign(pack, key)
    signers.write_text("", "ascii")
    assert check_signature(pack, signers, signature).problem == f"{signature}: not by a key of {signers}"
    signature.write_text("no signature", "ascii")
    assert check_signature(pack, signers, signature).problem == f"{signature}: not by a key of {signers}"
    signature.unlink()
    assert check_signature(pack, signers, signature).problem == f"{signature}: missing: the pack is not signed"


def test_a_signature_for_another_purpose(tmp_path: Path, key: Path, signers: Path) -> None:
    pack = _archive(tmp_path)
    subprocess.run(
        [str(_KEYGEN), "-Y", "sign", "-n", "git", "-f", str(key), str(pack)], check=True, capture_output=True
    )
    assert check_signature(pack, signers, signature_file(pack)).problem


def test_what_cannot_sign(tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = _archive(tmp_path)
    with pytest.raises(SettingsError, match="ssh-keygen cannot sign with it"):
        sign(pack, tmp_path / "none")
    with pytest.raises(SettingsError, match="there is no such file: one line per signer"):
        check_signature(pack, tmp_path / "none", signature_file(pack))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SettingsError, match="ssh-keygen is not installed"):
        sign(pack, key)
