from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.engine.cache import KEY_VARIABLE, Signer, find_signer
from pytest_evalgate.engine.cache.auth import InvalidSignature
from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

_TEXT = "0123456789abcdef"


def _file(config: Path) -> Path:
    return config / "pytest-evalgate" / "cache.key"


def test_the_key_comes_from_the_environment(tmp_path: Path) -> None:
    signer = find_signer({KEY_VARIABLE: _TEXT, "CI": "true", "XDG_CONFIG_HOME": str(tmp_path)})
    assert signer.key == _TEXT.encode()
    assert signer.authenticated
    assert not list(tmp_path.iterdir())


def test_a_short_key_is_rejected_and_not_shown() -> None:
    with pytest.raises(SettingsError, match="EVALGATE_CACHE_KEY: 6 characters, at least 16") as rejected:
        find_signer({KEY_VARIABLE: "hunter"})
    assert "hunter" not in str(rejected.value)


def test_a_key_file_is_created_once_for_the_user_only(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    first, second = find_signer(environ), find_signer(environ)
    assert first == second
    assert first.authenticated
    assert _file(tmp_path).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in _file(tmp_path).parent.iterdir()] == ["cache.key"]


def test_two_users_have_two_keys(tmp_path: Path) -> None:
    keys = [find_signer({"XDG_CONFIG_HOME": str(tmp_path / name)}).key for name in "ab"]
    assert keys[0] != keys[1]


@pytest.mark.parametrize("config", ["", "relative/path"])
def test_without_an_absolute_config_folder_the_key_is_in_the_home_folder(tmp_path: Path, config: str) -> None:
    assert find_signer({"HOME": str(tmp_path), "XDG_CONFIG_HOME": config}).authenticated
    assert _file(tmp_path / ".config").exists()


def test_in_ci_no_key_is_created(tmp_path: Path) -> None:
    signer = find_signer({"CI": "true", "XDG_CONFIG_HOME": str(tmp_path)})
    assert not signer.authenticated
    assert KEY_VARIABLE in signer.why
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ci", ["", "0", "false"])
def test_ci_may_be_switched_off(tmp_path: Path, ci: str) -> None:
    assert find_signer({"CI": ci, "XDG_CONFIG_HOME": str(tmp_path)}).authenticated


@pytest.mark.parametrize("environ", [{"CI": "true"}, {}])
def test_a_required_key_that_is_missing_is_an_error(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r'cache_auth = "required".*set EVALGATE_CACHE_KEY'):
        find_signer(environ, required=True)


def test_a_key_file_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    find_signer(environ)
    _file(tmp_path).chmod(0o640)
    signer = find_signer(environ)
    assert not signer.authenticated
    assert "chmod 600" in signer.why


def test_an_empty_key_file_is_not_used(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    find_signer(environ)
    _file(tmp_path).write_text("\n")
    assert "contains no key" in find_signer(environ).why


def test_without_a_config_folder_there_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "pytest-evalgate").write_text("a file")
    assert "cannot be used" in find_signer({"XDG_CONFIG_HOME": str(tmp_path)}).why


def test_processes_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    code = "import os\nfrom pytest_evalgate.engine.cache.auth import find_signer\nprint(find_signer(os.environ).key)"
    environ = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "CI": ""}
    environ.pop(KEY_VARIABLE, None)
    command = [sys.executable, "-c", code]
    started = [subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert len({process.communicate()[0] for process in started}) == 1


def test_a_signer_verifies_only_what_it_signed() -> None:
    signer, other, none = Signer(b"k" * 32), Signer(b"x" * 32), Signer(None)
    signed_body = signer.sign("name", b"body")
    assert signer.verify("name", signed_body) == b"body"
    changed = signed_body[:-1] + bytes([signed_body[-1] ^ 1])
    for verifier, name, signed in [
        (signer, "other name", signed_body),
        (signer, "name", changed),
        (signer, "name", signed_body[:20]),
        (signer, "name", b""),
        (other, "name", signed_body),
        (none, "name", signed_body),
        (signer, "name", none.sign("name", b"body")),
    ]:
        with pytest.raises(InvalidSignature):
            verifier.verify(name, signed)


def test_without_a_key_damage_is_found() -> None:
    none = Signer(None)
    signed_body = none.sign("name", b"body")
    assert none.verify("name", signed_body) == b"body"
    with pytest.raises(InvalidSignature):
        none.verify("name", signed_body[:-1])


def test_a_signer_does_not_show_its_key() -> None:
    assert _TEXT not in repr(Signer(_TEXT.encode()))
