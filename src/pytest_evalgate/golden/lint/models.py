"""Models whose name stands for another model tomorrow."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from pytest_evalgate.golden.lint.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.data import Place
    from pytest_evalgate.settings import Model

_MOVING: Final = re.compile(r"(?:^|[-_:.@/])latest$", re.IGNORECASE)
_DATED: Final = re.compile(
    r"(?<!\d)(?:20\d{6}|20\d\d-\d\d(?:-\d\d)?|\d\d-20\d\d|\d{3,4}(?=$|[-@:]))(?!\d)|[-@:]v\d+(?:[.:]\d+)*$|@\S+$"
)
_LOCAL: Final = ("localhost", ".localhost", ".local", ".internal", ".lan")


def floating_models(models: Mapping[str, Model], place: Place) -> Iterator[Finding]:
    """Find the models that change under their name; ``place`` is where they are configured.

    Anybody's ``...-latest`` moves. A hosted model without a date or a version in its name is moved by its host; what
    runs on a machine of one's own is as one left it.
    """
    for name, model in models.items():
        told = f"models.{name}: {model.model}"
        if _MOVING.search(model.model):
            message = f"{told} is another model whenever its host says so: name a dated version"
            yield Finding(place, "floating-model", "warning", message)
        elif _is_hosted(model.base_url) and not _DATED.search(model.model):
            message = f"{told} has no date or version: a run next month may ask another model; name a dated version"
            yield Finding(place, "floating-model", "warning", message)


def _is_hosted(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(_LOCAL)
