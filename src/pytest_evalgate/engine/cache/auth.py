"""Signatures of cache entries.

A process with write access to the cache file could insert replies. With a key, each entry carries an HMAC-SHA256 over
its name and its content; without a key only a SHA-256, which detects damage but no tampering. See SECURITY.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import sys
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.runs.state import in_ci

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_VARIABLE: Final = "EVALGATE_CACHE_KEY"
_MIN_KEY_BYTES: Final = 16
_TAG_BYTES: Final = 32
_OTHERS_MODE: Final = 0o077  # permissions of the group and of other users


class InvalidSignature(ValueError):  # noqa: N818 - named as the thing that happened
    """Entry that was changed, moved to another name, or signed with another key."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Key that signs and verifies entries. If ``key`` is None, ``why`` contains the reason."""

    key: bytes | None = field(repr=False)
    why: str = ""
    _mac: hmac.HMAC | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare the HMAC: a copy of it takes a quarter of the time of a new one."""
        object.__setattr__(self, "_mac", None if self.key is None else hmac.new(self.key, digestmod="sha256"))

    @property
    def authenticated(self) -> bool:
        """Whether only holders of a key can create valid entries."""
        return self.key is not None

    def sign(self, name: str, body: bytes) -> bytes:
        """Return ``body`` after the tag that binds it to ``name``."""
        return self._tag(name, body) + body

    def verify(self, name: str, signed: bytes) -> bytes:
        """Return the body that was passed to `sign`.

        Raises:
            InvalidSignature: it was changed, or signed under another name or with another key.
        """
        tag, body = signed[:_TAG_BYTES], signed[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(name, body)):
            raise InvalidSignature("changed since it was written, or written with another key")
        return body

    def _tag(self, name: str, body: bytes) -> bytes:
        # the name is signed, too: else replies could be swapped between calls
        bound = name.encode("utf-8", "surrogatepass") + b"\0" + body
        if self._mac is None:
            return hashlib.sha256(bound).digest()
        mac = self._mac.copy()
        mac.update(bound)
        return mac.digest()


def find_signer(environ: Mapping[str, str], *, required: bool = False) -> Signer:
    """Return the signer of this user.

    The key is ``EVALGATE_CACHE_KEY``; else, outside of CI, a file in the user's configuration folder that only the
    user can read. The file is created when it is first needed.

    Raises:
        SettingsError: the key is too short, or there is none and one is ``required`` (``cache_auth = "required"``).
    """
    signer = _from_environment(environ) or _from_file(environ)
    if required and not signer.authenticated:
        raise SettingsError(f'cache_auth = "required", but there is no key: {signer.why}; set {KEY_VARIABLE}')
    return signer


def _from_environment(environ: Mapping[str, str]) -> Signer | None:
    key = environ.get(KEY_VARIABLE, "")
    if key and len(key) < _MIN_KEY_BYTES:
        raise SettingsError(f"{KEY_VARIABLE}: {len(key)} characters, at least {_MIN_KEY_BYTES} random ones are needed")
    if key:
        return Signer(key.encode("utf-8", "surrogateescape"))
    if in_ci(environ):
        return Signer(None, f"in CI the key has to come from {KEY_VARIABLE}")
    return None


def _from_file(environ: Mapping[str, str]) -> Signer:
    folder = _config_folder(environ)
    if folder is None:
        return Signer(None, "there is no home folder for a key file")
    path = folder / "pytest-evalgate" / "cache.key"
    try:
        with contextlib.suppress(FileExistsError):
            _create_key(path)
        if sys.platform != "win32" and path.stat().st_mode & _OTHERS_MODE:
            return Signer(None, f"other users can read {path}: chmod 600 it, or delete it for a new key")
        key = path.read_bytes().strip()
    except OSError as error:
        return Signer(None, f"{path} cannot be used: {error.strerror}")
    if len(key) < _MIN_KEY_BYTES:
        return Signer(None, f"{path} contains no key: delete it for a new one")
    return Signer(key)


def _config_folder(environ: Mapping[str, str]) -> Path | None:
    if sys.platform == "win32":
        named = environ.get("APPDATA", "")
        return Path(named) if named else None
    named = environ.get("XDG_CONFIG_HOME", "")
    if Path(named).is_absolute():  # XDG Base Directory Specification: relative paths are ignored
        return Path(named)
    home = environ.get("HOME", "")
    return Path(home) / ".config" if home else None


def _create_key(path: Path) -> None:
    """Create the key file atomically; raises FileExistsError if another process creates it first."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{secrets.token_hex(8)}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        os.link(draft, path)  # not a rename, which would replace a key that another process has just created
    finally:
        draft.unlink()
