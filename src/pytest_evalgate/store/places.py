"""Place of a store: a SQLite file, or a PostgreSQL database whose address is in an environment variable."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import unquote, urlsplit

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.store.drivers import StoreError
from pytest_evalgate.text.redaction import MASK, Redactor, encodings_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SCHEMES: Final = ("postgresql://", "postgres://")


@dataclass(frozen=True, slots=True)
class StorePlace:
    """A file or a URL. ``name`` is for messages, which never contain the URL: it may have a password."""

    name: str
    file: Path | None = None
    url: str = field(default="", repr=False)

    @classmethod
    def at(cls, path: Path) -> Self:
        """Return the place of a SQLite file."""
        return cls(str(path), path)

    @classmethod
    def of_variable(cls, variable: str, environ: Mapping[str, str]) -> Self:
        """Return the place that an environment variable names.

        Raises:
            StoreError: The variable is not set, or is no address of PostgreSQL.
        """
        url = environ.get(variable, "").strip()
        if not url:
            raise StoreError(f"store_env: ${variable} is not set: set it to postgresql://USER:PASSWORD@HOST/DATABASE")
        if not url.startswith(_SCHEMES):
            raise StoreError(f"store_env: ${variable} does not begin with postgresql://")
        return cls(f"${variable}", None, url)

    def hide(self, text: str) -> str:
        """Return a message of the database without the URL and its password."""
        if not self.url:
            return text
        try:
            password = unquote(urlsplit(self.url).password or "")
        except ValueError:
            password = ""
        hidden = Redactor((*encodings_of(self.url), *encodings_of(password))).redact(text)
        return hidden.replace(password, MASK) if password else hidden
