"""URLs of a model's requests: the base URL with the path of the API."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def request_url(base_url: str, path: str) -> str:
    """Return ``base_url`` with ``path`` appended to its path, before the query that some gateways need.

    A base URL that ends with ``path`` already is used as it is, with a slash at its end if it has one: some servers
    redirect to that form.

    Example::

        request_url("https://x/v1?api-version=1", "/chat/completions")  # https://x/v1/chat/completions?api-version=1
    """
    parts = urlsplit(base_url)
    base = parts.path.rstrip("/")
    return urlunsplit(parts._replace(path=parts.path if base.endswith(path) else base + path, fragment=""))
