"""Release pack as a ZIP archive with one possible form: the same files give the same bytes on every machine.

Entries are sorted, the manifest last; they have one time and one mode, and are stored without compression, because
versions of zlib differ in their output. `unpack` accepts no other form. Thus an archive cannot contain more than its
size shows, write outside of its folder, or show one file to one reader and another file to the next.
"""

from __future__ import annotations

import io
import struct
import unicodedata
import zipfile
import zlib
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.release_pack import MANIFEST
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.text import files, jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO
    from zipfile import ZipInfo

    from pytest_evalgate.app.release_pack import ReleasePack

ENDING: Final = ".zip"
MOST_FILES: Final = 10_000
_FIRST_DAY: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o100644 << 16
_UNIX: Final = 3
_ENCRYPTED: Final = 0x1
_DESCRIPTOR: Final = 0x8
_END: Final = struct.Struct("<4s4H2LH")
_MAX_BYTES: Final = 0xFFFFFFFF
_LINK: Final = 0o120000
_KIND: Final = 0o170000


def write_archive(pack: ReleasePack, file: Path) -> None:
    """Write a pack as an archive.

    Raises:
        UserError: the file exists, cannot be written, or a name or the size of the pack does not fit into an archive.
    """
    if file.exists():
        raise SettingsError(f"--out {file}: it exists: name a new file")
    entries = pack.all_files
    if problems := [problem for name, _ in entries if (problem := name_problem(name))]:
        raise SettingsError(f"--out {file}: {problems[0]}: write the pack into a folder")
    if problems := list(_equal_names([name for name, _ in entries])):
        raise SettingsError(f"--out {file}: {problems[0]}: write the pack into a folder")
    if len(entries) > MOST_FILES or sum(len(data) for _, data in entries) > _MAX_BYTES // 2:
        raise SettingsError(f"--out {file}: the pack is too large for an archive: write it into a folder")
    files.write_atomically(file, archive_bytes(entries))


def archive_bytes(entries: Sequence[tuple[str, bytes]]) -> bytes:
    """Return the archive of some files, in their order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
        for name, data in entries:
            archive.writestr(_entry(name), data)
    return buffer.getvalue()


def _entry(name: str) -> ZipInfo:
    info = zipfile.ZipInfo(name, _FIRST_DAY)
    info.create_system, info.external_attr = _UNIX, _MODE
    return info


def unpack(file: Path, folder: Path) -> list[str]:
    """Write the files of an archive into an empty folder, and return what is wrong with it.

    The problems of a file begin with its name, those of the archive with ``file``.
    """
    with file.open("rb") as stream:
        try:
            infos = _entries(stream)
        except ValueError as error:
            return [f"{jsonl.escape_text(file.name)}: {error}"]
        problems = [*_name_problems(infos), *_header_problems(infos)]
        problems = problems or [*_place_problems(stream, infos)]
        if not problems:
            problems = [*_content_problems(stream, infos, folder)]
        if not problems and not _is_canonical(stream, infos, folder):
            problems = [f"{jsonl.escape_text(file.name)}: {_OTHER_FORM}"]
    return problems


_OTHER_FORM: Final = "its bytes are not those that evidence writes for these files"


def _entries(stream: BinaryIO) -> list[ZipInfo]:
    """Return the entries of the central directory, after the checks of its place and size.

    Raises:
        ValueError: it is not an archive, or has data that belongs to no entry.
    """
    size = stream.seek(0, io.SEEK_END)
    if size < _END.size:
        raise ValueError("not a ZIP archive")
    stream.seek(size - _END.size)
    signature, disk, first_disk, here, total, length, start, comment = _END.unpack(stream.read(_END.size))
    if signature != b"PK\5\6":
        raise ValueError("not a ZIP archive, or data after its end, such as a comment")
    if comment:
        raise ValueError("its directory announces a comment that is not there")
    if disk or first_disk or here != total:
        raise ValueError("it has several parts")
    if total > MOST_FILES or length > total * _LONGEST_ENTRY:
        raise ValueError(f"{total:,} entries in a directory of {length:,} bytes: more than {MOST_FILES:,} entries")
    if start + length != size - _END.size:
        raise ValueError("data before its first entry, or between its entries and its end")
    try:
        with zipfile.ZipFile(stream) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise ValueError(f"its directory cannot be read: {error}") from None
    if len(infos) != total:
        raise ValueError(f"its directory announces {total:,} entries and has {len(infos):,}")
    return infos


_LONGEST_ENTRY: Final = 4096


def name_problem(name: str) -> str:
    """Return why a name is not that of a file below the folder of a pack; "" if it is."""
    shown = jsonl.escape_text(name)
    parts = name.split("/")
    if "\\" in name:
        return f"{shown}: a backslash in its name"
    if name.startswith("/") or (len(parts[0]) > 1 and parts[0][1] == ":"):
        return f"{shown}: an absolute path"
    if ".." in parts:
        return f"{shown}: its path leads out of the pack (..)"
    if name.endswith("/"):
        return f"{shown}: a folder, not a file"
    if not all(parts) or "." in parts or not name.isprintable() or ":" in name:
        return f"{shown}: not a plain path"
    return ""


def _equal_names(names: Sequence[str]) -> Iterator[str]:
    """Yield the names that are equal, also on file systems that ignore case or the form of Unicode."""
    seen: dict[str, str] = {}
    for name in names:
        key = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
        if key in seen:
            same = "its name is there twice" if seen[key] == name else f"its name is that of {seen[key]} but for case"
            yield f"{jsonl.escape_text(name)}: {same}"
        seen[key] = name


def _name_problems(infos: Sequence[ZipInfo]) -> Iterator[str]:
    for info in infos:
        if problem := name_problem(info.orig_filename):  # zipfile cuts a name at a NUL and changes separators
            yield problem
    yield from _equal_names([info.orig_filename for info in infos])


def _header_problems(infos: Sequence[ZipInfo]) -> Iterator[str]:
    for info in infos:
        name = jsonl.escape_text(info.orig_filename)
        if info.flag_bits & _ENCRYPTED:
            yield f"{name}: encrypted"
        elif info.external_attr >> 16 & _KIND == _LINK:
            yield f"{name}: a symbolic link"
        elif info.flag_bits & _DESCRIPTOR:
            yield f"{name}: a data descriptor, whose sizes may differ from those of the directory"
        elif info.compress_type != zipfile.ZIP_STORED:
            yield f"{name}: compressed, so that it may be larger than the archive"
        elif info.compress_size != info.file_size:
            yield f"{name}: its sizes differ ({info.compress_size:,} and {info.file_size:,} bytes)"
        elif info.comment or info.extra:
            yield f"{name}: a comment or an extra field"
        elif info.external_attr != _MODE or info.create_system != _UNIX:
            yield f"{name}: another mode than that of a file that evidence writes"


def _place_problems(stream: BinaryIO, infos: Sequence[ZipInfo]) -> Iterator[str]:
    """Yield the entries that overlap, leave a gap, or whose local header is not that of the directory."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(size - _END.size)
    start = _END.unpack(stream.read(_END.size))[6]
    ordered = sorted(infos, key=lambda info: info.header_offset)
    ends = [info.header_offset + len(_local_header(info)) + info.file_size for info in ordered]
    places = [0, *ends, start]
    firsts = [*(info.header_offset for info in ordered), start]
    for info, end, first in zip([*ordered, None], places[:-1], firsts, strict=True):
        if end != first:
            name = MANIFEST if info is None else jsonl.escape_text(info.orig_filename)
            yield f"{name}: its bytes overlap with another entry, or do not follow it (at {first:,}, not {end:,})"
            return
    for info in infos:
        wanted = _local_header(info)
        stream.seek(info.header_offset)
        if stream.read(len(wanted)) != wanted:
            yield f"{jsonl.escape_text(info.orig_filename)}: its local header is not that of the directory"


def _local_header(info: ZipInfo) -> bytes:
    """Return the header that this module writes before the data of an entry with the facts of the directory."""
    own = _entry(info.orig_filename)
    own.CRC, own.file_size, own.compress_size = info.CRC, info.file_size, info.compress_size
    return own.FileHeader(zip64=False)


def _content_problems(stream: BinaryIO, infos: Sequence[ZipInfo], folder: Path) -> Iterator[str]:
    """Write the entries, and yield those whose checksum is wrong."""
    for info in infos:
        path = folder / info.orig_filename
        path.parent.mkdir(parents=True, exist_ok=True)
        stream.seek(info.header_offset + len(_local_header(info)))
        left, crc = info.file_size, 0
        with path.open("xb") as out:
            while left and (data := stream.read(min(left, 1 << 20))):
                out.write(data)
                crc = zlib.crc32(data, crc)
                left -= len(data)
        if left or crc != info.CRC:
            yield f"{jsonl.escape_text(info.orig_filename)}: its content differs from its checksum (CRC)"


def _is_canonical(stream: BinaryIO, infos: Sequence[ZipInfo], folder: Path) -> bool:
    """Return whether the bytes are those that `archive_bytes` gives for the unpacked files."""
    names = [info.orig_filename for info in infos]
    ordered = [*sorted(name for name in names if name != MANIFEST), *(name for name in names if name == MANIFEST)]
    stream.seek(0)
    return archive_bytes([(name, (folder / name).read_bytes()) for name in ordered]) == stream.read()
