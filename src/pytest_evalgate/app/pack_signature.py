"""Signature of a release pack with an SSH key: ``ssh-keygen -Y sign`` and ``-Y verify``.

Signed are the bytes of an archive, or the manifest of a folder. The signature is beside the pack, as ``NAME.sig``,
because a pack has the same bytes whoever signs it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.release_pack import MANIFEST
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import files
from pytest_evalgate.waits import report_expired

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMESPACE: Final = "evalgate-evidence"
_TIMEOUT_S: Final = 120  # a person may have to touch a key


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """Who signed a pack, "" if nobody did, and the problem of the signature."""

    signer: str = ""
    problem: str = ""


def signature_file(pack: Path) -> Path:
    """Return the file of the signature of a pack."""
    return pack.with_name(f"{pack.resolve().name}.sig")


def sign(pack: Path, key: Path) -> Path:
    """Sign a pack with a private key, or with a public one whose private key the agent has; return the signature.

    Raises:
        SettingsError: there is no ssh-keygen, or it cannot sign.
    """
    target = signature_file(pack)
    with tempfile.TemporaryDirectory(prefix="evalgate-sign-") as folder:
        copy = Path(folder, "signed")
        copy.write_bytes(_signed_bytes(pack))
        done = _call(["-Y", "sign", "-n", NAMESPACE, "-f", str(key), str(copy)])
        made = copy.with_name("signed.sig")
        if done.returncode != 0 or not made.exists():
            raise SettingsError(f"--sign {key}: ssh-keygen cannot sign with it: {_reason(done)}")
        files.write_atomically(target, made.read_bytes())
    return target


def check_signature(pack: Path, signers: Path, signature: Path) -> SignatureCheck:
    """Check the signature of a pack against a file of allowed signers, as ``ssh-keygen -Y verify`` reads it.

    Raises:
        SettingsError: there is no ssh-keygen, or no file of signers.
    """
    if not signers.is_file():
        raise SettingsError(f"--signers {signers}: there is no such file: one line per signer: NAME KEY-TYPE KEY")
    if not signature.is_file():
        return SignatureCheck(problem=f"{signature}: missing: the pack is not signed")
    of_files = ["-s", str(signature), "-f", str(signers)]
    found = _call(["-Y", "find-principals", *of_files])
    names = found.stdout.decode("utf-8", "replace").split("\n")[0].strip()
    if found.returncode != 0 or not names:
        return SignatureCheck(problem=f"{signature}: not by a key of {signers}")
    name = names.split(",")[0]
    done = _call(["-Y", "verify", "-n", NAMESPACE, "-I", name, *of_files], _signed_bytes(pack))
    if done.returncode != 0:
        return SignatureCheck(problem=f"{signature}: not a signature of this pack by {name}")
    return SignatureCheck(name)


def _signed_bytes(pack: Path) -> bytes:
    return files.read_bytes(pack / MANIFEST if pack.is_dir() else pack)


def _call(arguments: Sequence[str], data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Call ssh-keygen with ``data`` on its standard input; without, it may ask for a passphrase on the terminal."""
    program = shutil.which("ssh-keygen")
    if program is None:
        raise SettingsError("ssh-keygen is not installed: install OpenSSH 8.1 or later")
    try:
        return subprocess.run(  # noqa: S603 - no shell; the arguments are files
            [program, *arguments],
            input=data,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        report_expired("ssh-keygen", _TIMEOUT_S)
        raise SettingsError(f"ssh-keygen did not respond within {_TIMEOUT_S} s") from None


def _reason(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"
