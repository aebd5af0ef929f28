"""Separators of one written number: the values that its digits can have under the conventions of the world.

``1,234.5`` has one value under every convention. ``1.234`` has two: 1234 in German, 1.234 in English. Choosing one of
them would pass wrong outputs, so `values` returns both unless a locale decides.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_BREAK: Final = "\u00a0"
"""Every space that does not break a number: the scanner writes the thin and the narrow ones like this, too."""

MOST_DIGITS: Final = 300
"""Longest number that is read. With an exponent it stays below the 640 digits that Python always converts."""

_ARABIC_GROUP: Final = "\u066c"
_ARABIC_POINT: Final = "\u066b"
_CLEAR_GROUPS: Final = f"{NO_BREAK} '_{_ARABIC_GROUP}"  # characters that never are a decimal mark
_SEPARATORS: Final = re.compile(rf"[.,{_CLEAR_GROUPS}{_ARABIC_POINT}]")
_WESTERN: Final = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+")
_INDIAN: Final = re.compile(r"[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}")


@dataclass(frozen=True, slots=True)
class Convention:
    """A way to write numbers: its decimal mark, and its group separators in addition to the unambiguous ones."""

    point: str
    group: str

    def value(self, digits: str) -> Fraction | None:
        """Return the value of ``digits``, or None if they are not written like this."""
        if len(digits) > 2 * MOST_DIGITS:
            return None
        whole, mark, rest = digits.replace(_ARABIC_POINT, self.point).partition(self.point)
        if mark and not rest.isdigit():
            return None
        groups = set(_SEPARATORS.findall(whole))
        if len(groups) > 1 or not groups <= {self.group, *_CLEAR_GROUPS}:
            return None
        if groups:
            group = groups.pop()
            plain = whole.replace(group, ",")
            # 1.12.123 is a version, not an Indian grouping
            if not (_WESTERN.fullmatch(plain) or (group != "." and _INDIAN.fullmatch(plain))):
                return None
            whole = plain.replace(",", "")
        return Fraction(f"{whole or 0}.{rest or 0}")


_POINT: Final = Convention(".", ",")
_COMMA: Final = Convention(",", ".")

_LOCALES: Final = {
    **dict.fromkeys(("en", "zh", "ja", "ko", "th", "he", "hi", "bn", "ms", "sw", "es-MX", "de-CH", "it-CH"), _POINT),
    **dict.fromkeys(
        ("de", "fr", "es", "it", "pt", "nl", "da", "sv", "nb", "no", "fi", "is", "pl", "cs", "sk"), _COMMA
    ),
    **dict.fromkeys(
        ("sl", "hr", "sr", "hu", "ro", "bg", "el", "tr", "ru", "uk", "id", "vi", "lt", "lv", "et"), _COMMA
    ),
}


def _convention(locale: str) -> Convention | None:
    language, _, country = locale.replace("_", "-").partition("-")
    return _LOCALES.get(f"{language.lower()}-{country.upper()}") or _LOCALES.get(language.lower())


def _known(locale: str) -> str:
    if _convention(locale) is None:
        known = ", ".join(sorted(_LOCALES))
        raise ValueError(
            f'locale = "{locale:.20}" is not known{did_you_mean(locale, _LOCALES)}; known are {known}, and with a '
            'country, such as "de-AT"'
        )
    return locale


Locale = Annotated[str, AfterValidator(_known)]
"""Language, or language and country, whose way of writing numbers decides what can be read in two ways."""


def values(digits: str, locale: str | None = None, *, comma_is_point: bool = False) -> tuple[Fraction, ...]:
    """Return what ``digits`` can mean; nothing if no convention writes a number like this.

    Without a locale, ``1,234`` is 1234, because golden sets are written so, and ``1.234`` is 1.234 and 1234. With
    ``comma_is_point``, ``1,234`` is 1.234 as well: the text contains a decimal comma elsewhere.
    """
    if digits.isdigit():
        return (Fraction(int(digits)),) if len(digits) <= MOST_DIGITS else ()
    if sum(map(str.isdigit, digits)) > MOST_DIGITS:
        return ()
    if locale is not None and (convention := _convention(locale)) is not None:
        return _distinct([convention.value(digits)])
    point, comma = _POINT.value(digits), _COMMA.value(digits)
    if point is not None and comma is not None and "," in digits and not comma_is_point:
        return (point,)
    return _distinct([point, comma])


def uses_decimal_comma(locale: str) -> bool:
    """Return whether ``locale`` writes a decimal comma, and groups with spaces as well as full stops."""
    return _convention(locale) == _COMMA


def has_decimal_comma(digits: str) -> bool:
    """Return whether ``digits`` can only be read with a decimal comma."""
    digits = digits.rstrip(".,")
    return "," in digits and _POINT.value(digits) is None and _COMMA.value(digits) is not None


def _distinct(found: Iterable[Fraction | None]) -> tuple[Fraction, ...]:
    return tuple(dict.fromkeys(one for one in found if one is not None))
