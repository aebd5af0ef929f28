"""Images in JSON values: content parts of chat messages, and data URLs in texts.

The data of an image is long, and no reader of a report can use it. Judges are sent images beside their text.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Any, Final

from pytest_evalgate.frozen import dataclass

Json = Any

_DATA_URL: Final = re.compile(r"data:(image/[\w.+-]+);base64,([A-Za-z0-9+/=\s]{64,})")
_REMOTE: Final = ("https://", "http://")
_KILOBYTE: Final = 1024


def without_image_data(text: str) -> str:
    """Return ``text`` with the data of each image replaced by its type and size: ``(image/png, 12 KB)``."""
    if "data:image/" not in text:  # nearly every text
        return text
    return _DATA_URL.sub(lambda found: f"({found[1]}, {_size(found[2])})", text)


def _size(encoded: str) -> str:
    return f"{max(1, len(encoded) * 3 // 4 // _KILOBYTE):,} KB"


@dataclass(slots=True)
class Gallery:
    """Images taken out of JSON values, in the order in which they were found; their texts name them by number."""

    urls: list[str] = field(default_factory=list)

    def take(self, value: Json, *, remote: bool) -> Json:
        """Return ``value`` with each image replaced by ``"(image 1)"``, and add the images to the gallery.

        An image is a content part of a chat message, as OpenAI (both APIs) and Anthropic define them, or a data URL.
        With ``remote``, it may also be a URL that the endpoint of the model has to load.
        """
        if isinstance(value, str):
            return self._named(value) if value.startswith("data:image/") else value
        if isinstance(value, list | tuple):
            return [self.take(one, remote=remote) for one in value]
        if not isinstance(value, dict):
            return value
        url = _url_of(value)
        if url is not None and url.startswith(("data:image/", *(_REMOTE if remote else ()))):
            return {"type": "image", "image": self._named(url)}
        return {name: self.take(one, remote=remote) for name, one in value.items()}

    def _named(self, url: str) -> str:
        if url not in self.urls:
            self.urls.append(url)
        return f"(image {self.urls.index(url) + 1})"


def _url_of(part: dict[str, Json]) -> str | None:
    """Return the URL of a content part that is an image; None for any other object."""
    if part.get("type") in ("image_url", "input_image"):
        address = part.get("image_url")
        url = address.get("url") if isinstance(address, dict) else address
        return url if isinstance(url, str) else None
    source = part.get("source")
    if part.get("type") != "image" or not isinstance(source, dict):
        return None
    if source.get("type") == "base64":
        return f"data:{source.get('media_type')};base64,{source.get('data')}"
    url = source.get("url")
    return url if isinstance(url, str) else None
