"""Record files: JSON files with one kind of record in one version.

A file contains ``schema``, the version of its format, and ``kind``, which names its content. `RecordFile` reads and
writes all of them: strict JSON (`text.jsonl`), then kind and schema, then the digest, then every field. Files come
from CI artifacts and other machines, so each value is checked before it is used.
"""

from __future__ import annotations

import dataclasses
import functools
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text import files, foreign, jsonl
from pytest_evalgate.text.problems import first_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_evalgate.errors import UserError
    from pytest_evalgate.records.cases import Json

T = TypeVar("T")
MAX_BYTES: Final = 256 << 20
"""The largest file that is read: a baseline of a million cases has about 100 MiB."""

_SEAL: Final = "sha256"
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True, eq=False)
class RecordFile(Generic[T]):
    """Format of one kind of file.

    Args:
        record: The dataclass of its content.
        noun: Its name in messages, with an article: "a baseline".
        error: The exception for a file that cannot be used.
        next_step: Advice for such a file; ends every message.
        kind: The value of ``kind``; None for files without one: verdicts and the rows of the history.
        schema: The version that is written. Newer files are refused.
        rows: The field that is written with one entry a line, so that a review shows what changed.
        rows_digest: Whether the file has a SHA-256 of its rows.
        seal: Whether the file has a SHA-256 of all fields, so that an edit or a bad merge of any of them is noticed;
            "if present" for files that earlier versions wrote without one.
        extra: Whether unknown keys are ignored or refused.
        encode: Returns the fields of a record as JSON, in the order in which they are written.
        check: Raises ValueError for values that have the right type and are still invalid.
    """

    record: type[T]
    noun: str
    error: type[UserError]
    next_step: str
    kind: str | None = None
    schema: int = 1
    rows: str = ""
    rows_digest: bool = False
    seal: Literal["required", "if present"] | None = None
    extra: Literal["ignore", "forbid"] = "ignore"
    encode: Callable[[Any], dict[str, Json]] = dataclasses.asdict
    check: Callable[[T], None] | None = None

    def read(self, path: Path, name: str = "", **unstored: Json) -> T:
        """Read a file. ``name`` is for messages, the path if empty; ``unstored`` are fields that the file lacks.

        Raises:
            UserError: The file cannot be read or used; the exception is of the type ``error``.
        """
        name = name or str(path)
        try:
            files.require_regular(path)
            if path.stat().st_size > MAX_BYTES:
                raise self.error(f"{name}: larger than {MAX_BYTES >> 20} MiB; {self.next_step}")
            data = path.read_bytes()
        except OSError as error:
            raise self.error(f"{name}: cannot be read: {error.strerror}; {self.next_step}") from None
        return self.parse(data, name, **unstored)

    def parse(self, data: bytes, name: str, **unstored: Json) -> T:
        """Return the record in the bytes of a file; raises as `read`."""
        try:
            value = jsonl.loads(data)
        except ValueError as error:
            raise self.error(f"{name}: {foreign.name_foreign(data) or error}; {self.next_step}") from None
        return self.decode(value, name, **unstored)

    def decode(self, value: Json, name: str, **unstored: Json) -> T:
        """Return the record in parsed JSON; raises as `read`."""
        if not isinstance(value, dict) or value.get("kind") != self.kind or type(value.get("schema")) is not int:
            raise self.error(f"{name}: not {self.noun} of pytest-evalgate; {self.next_step}")
        if value["schema"] > self.schema:
            newer = f"schema {value['schema']} is newer than {self.schema}"
            raise self.error(f"{name}: {newer}: upgrade pytest-evalgate to read it")
        if value["schema"] < 1:
            raise self.error(f"{name}: schema {value['schema']} is unknown; {self.next_step}")
        body = {key: item for key, item in value.items() if key not in ("schema", "kind", *self._digest_keys)}
        edited = self.error(f"{name}: the content does not match its digest: it was edited or cut; {self.next_step}")
        if self.rows_digest and value.get(self._rows_key) != jsonl.digest(body.get(self.rows)):
            raise edited
        if self.seal == "required" and value.get(_SEAL) != jsonl.digest(body):
            raise edited
        checked = {**body, **unstored}
        try:
            # from JSON: from Python values, strict mode takes neither lists as tuples nor dicts as dataclasses
            text = jsonl.canonical(checked)
            record: T = adapter(self.record).validate_json(text, strict=True, extra=self.extra)  # type: ignore[arg-type]
            if self.check is not None:
                self.check(record)
        except ValidationError as error:
            raise self.error(f"{name}: {first_problem(error, checked)}; {self.next_step}") from None
        except ValueError as error:
            raise self.error(f"{name}: {error}; {self.next_step}") from None
        if _SEAL in value and self.seal is not None and value[_SEAL] != jsonl.digest(body):
            raise edited  # after the fields, because a message about one field is more specific
        return record

    def to_json(self, record: T) -> dict[str, Json]:
        """Return the content of the file."""
        body = self.encode(record)
        value = {"schema": self.schema, **({} if self.kind is None else {"kind": self.kind}), **body}
        if self.rows_digest:
            value[self._rows_key] = jsonl.digest(body[self.rows])
        if self.seal:
            value[_SEAL] = jsonl.digest(body)
        if self.rows:
            value[self.rows] = value.pop(self.rows)  # last
        return value

    def dumps(self, record: T) -> bytes:
        """Return the bytes of the file: one line of canonical JSON, or one line for each field and each row."""
        value = self.to_json(record)
        if not self.rows:
            return dumps(value).encode("ascii") + b"\n"
        rows = _lines(value.pop(self.rows), indent=2)
        text = f'{{\n{_lines(value, indent=1)},\n "{self.rows}": {{\n{rows}\n }}\n}}\n'
        return text.encode("ascii")

    def write(self, record: T, path: Path) -> None:
        """Write a record whole or not at all.

        Raises:
            StorageError: The file cannot be written.
        """
        files.write_atomically(path, self.dumps(record))

    @property
    def _rows_key(self) -> str:
        return f"{self.rows}_sha256"

    @property
    def _digest_keys(self) -> tuple[str, ...]:
        return (*((self._rows_key,) if self.rows_digest else ()), *((_SEAL,) if self.seal else ()))


@functools.cache
def adapter(record: Any) -> TypeAdapter[Any]:
    """Return the validator of a type. Building one takes up to 30 ms, so it is built on first use."""
    return TypeAdapter(record)


def check_time(name: str, text: str) -> None:
    """Raise ValueError unless ``text`` is a time in UTC such as 2026-01-31T12:00:00Z. Times are compared as texts."""
    try:
        same = datetime.strptime(text, _TIME).strftime(_TIME) == text  # noqa: DTZ007 - Z is UTC
    except ValueError:
        same = False
    if not same:
        raise ValueError(f"{name}: {jsonl.quote_text(text)} is not a time such as 2026-01-31T12:00:00Z")


def check_filled(**texts: str | None) -> None:
    """Raise ValueError if one of the texts is empty."""
    for name, text in texts.items():
        if text == "":
            raise ValueError(f"{name}: empty")


def dumps(value: Json) -> str:
    """Return ``value`` as one line of canonical JSON that `text.jsonl` reads back.

    NUL characters and lone surrogates, which targets may return, become U+FFFD: `text.jsonl` refuses them.
    """
    text = jsonl.canonical(value)
    if "\\u0000" in text or "\\ud" in text:
        return jsonl.canonical(_clean(value))
    return text


def _clean(value: Json) -> Json:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value


def _lines(value: Mapping[str, Json], *, indent: int) -> str:
    return ",\n".join(
        f"{' ' * indent}{jsonl.canonical(name)}: {jsonl.canonical(item)}" for name, item in value.items()
    )
