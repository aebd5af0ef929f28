"""The proxies that the environment names."""

from __future__ import annotations

import urllib.request
from urllib.parse import urlsplit


def proxy_of(url: str) -> str | None:
    """Return the proxy for a URL; None for none."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    named = proxies.get(parts.scheme) or proxies.get("all")
    if not named or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return named if "://" in named else f"http://{named}"
