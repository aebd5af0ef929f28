"""Archives of release packs: equal bytes everywhere, no other form, and nothing read beside the pack."""

from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.release_shop import clean_environment, make_shop, names_in

from pytest_evalgate.app.pack_archive import archive_bytes, name_problem, unpack, write_archive
from pytest_evalgate.app.pack_check import check_pack
from pytest_evalgate.app.release_pack import MANIFEST, ReleasePack
from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="the pack names commits")

_SOURCES: Final = Path(__file__).parents[2] / "src"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a project, its pack as an archive and as a folder."""
    top = tmp_path_factory.mktemp("packs")
    (top / "shop").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        clean_environment(patch)
        patch.chdir(top / "shop")
        shop = make_shop(top / "shop")
        shop.decide()
        shop.pack("release.zip")
        shop.pack("release")
        yield top


def test_an_archive_is_verified_like_its_folder(made: Path) -> None:
    archive, folder = made / "release.zip", made / "release"
    assert check_pack(archive, repository=made / "shop") == check_pack(folder)
    assert check_pack(archive).problems == ()
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == {
            name: (folder / name).read_bytes() for name in names_in(folder)
        }


_CALL: Final = "import sys; from pytest_evalgate.cli import main; sys.exit(main(sys.argv[1:]))"
_NO_NETWORK: Final = """
import socket, sys
def refuse(*_, **__): raise AssertionError("network")
socket.socket.__init__ = socket.create_connection = socket.getaddrinfo = refuse
"""


def _call(folder: Path, *arguments: str, before: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("EVALGATE_", "GITHUB_"))}
    environment |= {"PYTHONPATH": str(_SOURCES), **variables}
    umask = int(variables.get("UMASK", "022"), 8)
    return subprocess.run(
        [sys.executable, "-c", before + _CALL, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        umask=umask,
    )


def test_equal_inputs_give_equal_bytes_in_other_processes(made: Path) -> None:
    variables = {"PYTHONHASHSEED": "4242", "TZ": "Pacific/Kiritimati", "UMASK": "077", "LC_ALL": "C", "COLUMNS": "60"}
    done = _call(made / "shop", "evidence", "--out", "../again.zip", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert (made / "again.zip").read_bytes() == (made / "release.zip").read_bytes()


def test_verify_needs_no_project_no_network_and_no_configuration(made: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    shutil.copy(made / "release.zip", tmp_path / "release.zip")
    home = {"HOME": str(tmp_path / "empty"), "PATH": ""}
    done = _call(tmp_path / "empty", "evidence", "verify", str(tmp_path / "release.zip"), before=_NO_NETWORK, **home)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("verified: go with guardrails (the commit was not compared")
    assert done.stdout.splitlines()[-1].startswith("not signed: ")
    assert not any((tmp_path / "empty").iterdir())


def test_an_archive_that_cannot_be_written(made: Path, tmp_path: Path) -> None:
    def write(*names: str) -> None:
        write_archive(ReleasePack(dict.fromkeys(names, b"x"), b"{}", None), tmp_path / "new.zip")  # type: ignore[arg-type]

    with pytest.raises(SettingsError, match="it exists: name a new file"):
        write_archive(ReleasePack({}, b"{}", None), made / "release.zip")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=r"golden/a\.jsonl: its name is that of project/golden/A\.jsonl"):
        write("project/golden/a.jsonl", "project/golden/A.jsonl")
    with pytest.raises(SettingsError, match="a backslash in its name: write the pack into a folder"):
        write("project/a\\b.jsonl")
    with pytest.raises(SettingsError, match="too large for an archive"):
        write(*(f"project/{number}" for number in range(10_001)))
    assert not (tmp_path / "new.zip").exists()


_PLAIN: Final = [("a.txt", b"aaaa"), ("b/c.txt", b"c" * 50), (MANIFEST, b"{}")]


def _made_with(*entries: tuple[str, bytes], **fields: int) -> bytes:
    """Return an archive whose entries have other fields than those that evidence writes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in (*_PLAIN[:2], *entries, _PLAIN[2]):
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, 0o100644 << 16
            if (name, data) in entries:
                for key, value in fields.items():
                    setattr(info, key, value)
            archive.writestr(info, data)
    return buffer.getvalue()


def _named(name: str) -> bytes:
    """Return an archive with a name that zipfile would not write: as many bytes as the placeholder has."""
    raw = name.encode()
    return _made_with(("Z" * len(raw), b"x")).replace(b"Z" * len(raw), raw)


def _patched(struct_format: str, in_local: int, in_central: int, local: int, central: int) -> Callable[[bytes], bytes]:
    """Replace a field of the headers of the second entry: the first number of each pair is its place."""

    def patch(data: bytes) -> bytes:
        made = bytearray(data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            info = archive.infolist()[1]
        start = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)
        for place, value in ((info.header_offset + in_local, local), (start + in_central, central)):
            if value >= 0:
                struct.pack_into(struct_format, made, place, value)
        return bytes(made)

    return patch


def _content(data: bytes) -> bytes:
    return data.replace(b"c" * 50, b"c" * 49 + b"d")


def _end(offset: int, struct_format: str, value: int) -> Callable[[bytes], bytes]:
    def patch(data: bytes) -> bytes:
        made = bytearray(data)
        struct.pack_into(struct_format, made, len(data) - 22 + offset, value)
        return bytes(made)

    return patch


_DATA: Final = archive_bytes(_PLAIN)


def _counts(number: int) -> bytes:
    made = bytearray(_DATA)
    struct.pack_into("<2H", made, len(made) - 22 + 8, number, number)
    return bytes(made)


def _overlapping() -> bytes:
    """Return an archive whose second entry states the place of the first one."""
    made = bytearray(_DATA)
    start = _DATA.index(b"PK\1\2", _DATA.index(b"PK\1\2") + 1)
    struct.pack_into("<L", made, start + 42, 0)
    return bytes(made)


def _nested() -> bytes:
    """Return an archive whose entry claims 4 GB in both sizes of both headers."""
    made = bytearray(_DATA)
    local = _DATA.index(b"PK\3\4", 4)
    central = _DATA.index(b"PK\1\2", _DATA.index(b"PK\1\2") + 1)
    struct.pack_into("<2L", made, local + 18, 0xFFFFFFF0, 0xFFFFFFF0)
    struct.pack_into("<2L", made, central + 20, 0xFFFFFFF0, 0xFFFFFFF0)
    return bytes(made)


def _commented() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in _PLAIN:
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr, info.comment = (
                3,
                0o100644 << 16,
                b"hello" if name == "a.txt" else b"",
            )
            archive.writestr(info, data)
    return buffer.getvalue()


def _extra() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in _PLAIN:
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, 0o100644 << 16
            info.extra = struct.pack("<2H4s", 0x7075, 4, b"path") if name == "a.txt" else b""
            archive.writestr(info, data)
    return buffer.getvalue()


_TRICKS: Final[dict[str, tuple[bytes, str]]] = {
    "path traversal": (_named("../x"), "../x: its path leads out of the pack (..)"),
    "traversal below": (_named("a/../../x"), "a/../../x: its path leads out of the pack (..)"),
    "absolute path": (_named("/etc/x"), "/etc/x: an absolute path"),
    "drive letter": (_named("C:/x"), "C:/x: an absolute path"),
    "backslashes": (_named("..\\x"), "..\\x: a backslash in its name"),
    "control character": (_named("a\x00b"), "a\\x00b: not a plain path"),
    "stream of NTFS": (_named("aa.txt:b"), "aa.txt:b: not a plain path"),
    "folder": (_made_with(("d/", b"")), "d/: a folder, not a file"),
    "symbolic link": (_made_with(("link", b"/etc"), external_attr=0o120777 << 16), "link: a symbolic link"),
    "device": (_made_with(("dev", b""), external_attr=0o020644 << 16), "dev: another mode"),
    "executable": (_made_with(("run", b""), external_attr=0o100755 << 16), "run: another mode"),
    "equal but for case": (_made_with(("A.TXT", b"x")), "A.TXT: its name is that of a.txt but for case"),
    "duplicate name": (_named("a.txt"), "a.txt: its name is there twice"),
    "Unicode form": (_made_with(("\xe9", b""), ("e\u0301", b"")), "e\u0301: its name is that of \xe9 but for case"),
    "ratio": (_made_with(("zeros", b"0" * 9999), compress_type=zipfile.ZIP_DEFLATED), "zeros: compressed"),
    "sizes differ": (_patched("<L", 22, 24, 9, 9)(_DATA), "b/c.txt: its sizes differ (50 and 9 bytes)"),
    "encrypted": (_patched("<H", 6, 8, 1, 1)(_DATA), "b/c.txt: encrypted"),
    "data descriptor": (_patched("<H", 6, 8, 8, 8)(_DATA), "b/c.txt: a data descriptor"),
    "local header alone": (_patched("<H", 6, 8, 8, -1)(_DATA), "b/c.txt: its local header is not that of the dir"),
    "local size alone": (
        _patched("<L", 22, 24, 7, -1)(_DATA),
        "b/c.txt: its local header is not that of the directory",
    ),
    "checksum": (_content(_DATA), "b/c.txt: its content differs from its checksum (CRC)"),
    "both checksums": (_patched("<L", 14, 16, 5, 5)(_DATA), "b/c.txt: its content differs from its checksum (CRC)"),
    "time": (_patched("<H", 12, 14, 99, 99)(_DATA), "b/c.txt: its local header is not that of the directory"),
    "trailing data": (_DATA + b"x", "pack.zip: not a ZIP archive, or data after its end"),
    "comment": (_end(20, "<H", 1)(_DATA) + b"x", "pack.zip: not a ZIP archive, or data after its end, such as a comm"),
    "announced comment": (_end(20, "<H", 1)(_DATA), "pack.zip: its directory announces a comment"),
    "prepended data": (b"#!/bin/sh\n" + _DATA, "pack.zip: data before its first entry"),
    "second archive before": (_DATA + _DATA, "pack.zip: data before its first entry"),
    "other count": (_end(8, "<H", 2)(_DATA), "pack.zip: it has several parts"),
    "order": (
        archive_bytes([_PLAIN[1], _PLAIN[0], _PLAIN[2]]),
        "pack.zip: its bytes are not those that evidence writes",
    ),
    "no archive": (b"text", "pack.zip: not a ZIP archive"),
    "cut": (_DATA[:-5], "pack.zip: not a ZIP archive"),
    "overlap": (_overlapping(), "b/c.txt: its bytes overlap with another entry"),
    "nested sizes": (_nested(), f"{MANIFEST}: its bytes overlap with another entry"),
    "many entries": (_counts(60_000), "pack.zip: 60,000 entries in a directory of"),
    "no entries": (_counts(0), "pack.zip: 0 entries in a directory of"),
    "missing entries": (_counts(9), "pack.zip: its directory "),
    "comment of an entry": (_commented(), "a.txt: a comment or an extra field"),
    "extra field": (_extra(), "a.txt: a comment or an extra field"),
}
"""The archive, and how its first problem begins."""


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("trick", _TRICKS)
def test_tricks_with_archives(tmp_path: Path, trick: str) -> None:
    data, problem = _TRICKS[trick]
    (tmp_path / "in").mkdir()
    (tmp_path / "pack.zip").write_bytes(data)
    problems = unpack(tmp_path / "pack.zip", tmp_path / "in")
    assert problems
    assert problems[0].startswith(problem)
    assert {path.name for path in tmp_path.iterdir()} == {"in", "pack.zip"}
    assert check_pack(tmp_path / "pack.zip").problems == tuple(problems)


@given(st.integers(0, len(_DATA) - 1), st.integers(1, 255))
def test_no_byte_of_an_archive_is_free(place: int, change: int) -> None:
    made = bytearray(_DATA)
    made[place] ^= change
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "in").mkdir()
        Path(folder, "pack.zip").write_bytes(made)
        assert unpack(Path(folder, "pack.zip"), Path(folder, "in"))


def test_what_evidence_writes_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "pack.zip").write_bytes(_DATA)
    assert unpack(tmp_path / "pack.zip", tmp_path / "in") == []
    assert [(name, (tmp_path / "in" / name).read_bytes()) for name, _ in _PLAIN] == _PLAIN


@given(st.text(max_size=12))
def test_a_name_without_problem_stays_in_its_folder(name: str) -> None:
    if name and not name_problem(name):
        path = Path("/pack", name)
        assert path.is_relative_to("/pack")
        assert ".." not in path.parts
        assert path.as_posix() == f"/pack/{name}"
