"""Labels of a run, such as ``team=search``: given by ``--eval-label`` or ``EVALGATE_LABELS``, filters of the store."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LABELS_VARIABLE: Final = "EVALGATE_LABELS"
_LABEL: Final = re.compile(r"([A-Za-z0-9][\w.-]{0,63})=(\S(?:.{0,198}\S)?)", re.ASCII)


def parse_tag(text: str, place: str) -> tuple[str, str]:
    """Return key and value of ``key=value``; ``place`` is the option or variable that contains it.

    Raises:
        SettingsError: It is no label.
    """
    found = _LABEL.fullmatch(text.strip())
    if found is None or not found[2].isprintable():
        raise SettingsError(f"{place} {text}: write key=value, such as team=search (at most 200 characters)")
    return found[1], found[2]


def tags_of_run(given: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of a run: those of ``EVALGATE_LABELS`` (comma-separated), replaced by ``given``.

    Raises:
        SettingsError: One of them is no label.
    """
    words = [word for word in environ.get(LABELS_VARIABLE, "").split(",") if word.strip()]
    pairs = [parse_tag(word, LABELS_VARIABLE) for word in words]
    return dict(sorted({**dict(pairs), **dict(parse_tag(word, "--eval-label") for word in given)}.items()))
