"""Personal data in texts: e-mail addresses, telephone numbers, IBANs, card numbers and the like.

Values that are reserved for examples and fiction do not count. National telephone numbers are found by the library
phonenumbers, which is an extra (`phone`); without it, only the formats of `_PHONE` are found.
"""

from __future__ import annotations

import importlib
import importlib.util
import ipaddress
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.text.detectors import Detector, detect, kinds_in, mask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.text.detectors import Span

_MAIL: Final = re.compile(r"[\w.%+-]{1,64}@((?:[A-Za-z0-9-]{1,63}\.){1,6}[A-Za-z]{2,24})\b")
_RESERVED: Final = re.compile(  # RFC 2606
    r"(?:^|\.)(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)$", re.IGNORECASE
)
_PHONE: Final = re.compile(
    r"""(?<![\w.+]) (?:
        \+\d{1,3} [ .()/-]{0,2} (?:\d[ .()/-]{0,2}){6,12} \d   # +49 30 1234567
        | \(\d{3}\)[ ]? \d{3} [ .-] \d{4}                      # (212) 555-4321
        | \d{3} ([.-]) \d{3} \1 \d{4}                          # 212-555-4321
    ) (?!\w)""",
    re.VERBOSE,
)
_FICTIONAL: Final = re.compile(r"555[ .-]?01\d\d$")  # 555-0100 to 555-0199 are reserved for fiction
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")


def personal_in(text: str) -> Iterator[str]:
    """Yield the kinds of personal data in a text. Values that are reserved for examples do not count."""
    return kinds_in(text, PERSONAL)


def mask_personal(text: str) -> tuple[str, tuple[str, ...]]:
    """Replace each value by its kind, ``call [phone number]``, and return the kind of each value."""
    found = detect(text, PERSONAL)
    return mask(text, found, PERSONAL), tuple(PERSONAL[one.kind].noun for one in found)


def _mails(text: str) -> Iterator[Span]:
    found = _MAIL.finditer(text) if "@" in text else ()
    return (one.span() for one in found if not _RESERVED.search(one[1]))


def _ibans(text: str) -> Iterator[Span]:
    return (one.span() for one in _IBAN.finditer(text) if _is_iban(one[0]))


def _is_iban(text: str) -> bool:
    """Verify the check digits of an IBAN (ISO 7064): with letters as numbers, the rearranged IBAN is 1 modulo 97."""
    plain = text.replace(" ", "")
    return int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97 == 1


_SOCIAL_SECURITY: Final = re.compile(
    r"(?<![\w.-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])"  # the ranges that are assigned
)
_PUBLISHED: Final = frozenset({"078-05-1120", "219-09-9999"})  # printed in advertisements, never valid since


def _social_security(text: str) -> Iterator[Span]:
    return (one.span() for one in _SOCIAL_SECURITY.finditer(text) if one[0] not in _PUBLISHED)


_ADDRESS: Final = re.compile(
    r"""(?<![\w.:]) (?:
        \d{1,3} (?:\.\d{1,3}){3}
        | (?=[\da-fA-F:]*:: | (?:[\da-fA-F]{1,4}:){7}) [23][\da-fA-F]{3} :[\da-fA-F:]{1,34}  # 2000::/3 is in use
    ) (?![\w:]|\.\d)""",
    re.VERBOSE,
)


def _ip_addresses(text: str) -> Iterator[Span]:
    return (one.span() for one in _ADDRESS.finditer(text) if _is_global(one[0]))


def _is_global(address: str) -> bool:
    """Return whether an IP address is one of the internet, not private or reserved for documentation."""
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


# -- telephone numbers

_REGIONS: Final = ("US", "GB", "DE", "FR", "IT", "ES", "NL", "CH", "IN", "AU", "BR", "JP", "CN", "RU")
"""Regions whose national formats are searched for. Numbers that begin with ``+`` are found for all regions."""

_FEWEST_DIGITS: Final = 9
"""A national number with fewer digits is a service number, or an id of another kind."""

_CANDIDATE: Final = re.compile(
    r"""(?<![\w.,:/<>=*$-]) [+(]{0,2} (?:\d[ .()/\u00a0\u2010-\u2013-]{0,3}){8,17} \d (?![\w,:]|[.-]\d|[ ]?[=<>*])""",
    re.VERBOSE,
)
"""Nine digits or more with the separators of telephone numbers; the library takes 1 ms for a text and a region."""


def phone_note() -> str | None:
    """Return what is not searched for without the library phonenumbers; None if it is installed."""
    if _library() is not None:
        return None
    return "national telephone numbers; to look for them: pip install 'pytest-evalgate[phone]'"


@cache
def _library() -> Any:
    """Return the module phonenumbers (50 ms to import); None if it is not installed."""
    if importlib.util.find_spec("phonenumbers") is None:
        return None
    return importlib.import_module("phonenumbers")


def phone_library() -> bool:
    """Return whether the library phonenumbers is installed."""
    return _library() is not None


def _phones(text: str) -> Iterator[Span]:
    spans = (found.span() for found in _PHONE.finditer(text))
    return (span for span in spans if not _FICTIONAL.search(text[slice(*span)]))


def _national_phones(text: str) -> Iterator[Span]:
    """Yield the numbers that the library finds outside of those of `_PHONE`; none if it is not installed."""
    if _library() is None:
        return
    seen = [found.span() for found in _PHONE.finditer(text)]
    for candidate in _CANDIDATE.finditer(text):
        for start, end in _national_numbers(candidate[0]):
            span = candidate.start() + start, candidate.start() + end
            is_new = all(span[1] <= other[0] or other[1] <= span[0] for other in seen)
            if is_new and not _FICTIONAL.search(text[slice(*span)]):
                seen.append(span)
                yield span


def _national_numbers(text: str) -> Iterator[Span]:
    """Yield the numbers that have the digits and the grouping of a region, with a separator or a leading 0 or +.

    Ten digits in a row are a valid number somewhere, but also an order number.
    """
    library = _library()
    for region in _REGIONS:
        for match in library.PhoneNumberMatcher(text, region, leniency=library.Leniency.EXACT_GROUPING):
            raw = match.raw_string
            digits = sum(one.isdecimal() for one in raw)
            # skip the end of another number, such as its decimals
            is_whole = match.start == 0 or (not text[match.start - 1].isalnum() and text[match.start - 1] not in ".,")
            if is_whole and digits >= _FEWEST_DIGITS and (digits < len(raw) or raw.startswith("0")):
                yield match.start, match.end


# -- card numbers

_CARD_RANGES: Final[tuple[tuple[str, str, range], ...]] = (
    ("1800", "1800", range(15, 16)),  # JCB
    ("2131", "2131", range(15, 16)),  # JCB
    ("2200", "2204", range(16, 20)),  # Mir
    ("2205", "2205", range(16, 17)),  # Borica
    ("2221", "2720", range(16, 17)),  # Mastercard
    ("300", "305", range(14, 20)),  # Diners Club
    ("3095", "3095", range(14, 20)),  # Diners Club
    ("34", "34", range(15, 16)),  # American Express
    ("3528", "3589", range(16, 20)),  # JCB
    ("36", "36", range(14, 20)),  # Diners Club
    ("37", "37", range(15, 16)),  # American Express
    ("38", "39", range(14, 20)),  # Diners Club
    ("4", "4", range(13, 14)),  # Visa
    ("4", "4", range(16, 17)),  # Visa
    ("4", "4", range(18, 20)),  # Visa, Switch
    ("5018", "5018", range(12, 20)),  # Maestro
    ("5020", "5020", range(12, 20)),  # Maestro
    ("5038", "5038", range(12, 20)),  # Maestro
    ("5893", "5893", range(12, 20)),  # Maestro
    ("50", "50", range(16, 20)),  # Maestro, Elo, RuPay, Verve, Dankort
    ("51", "55", range(16, 17)),  # Mastercard
    ("56", "58", range(16, 20)),  # Maestro, Bankcard
    ("6304", "6304", range(12, 20)),  # Maestro
    ("639", "639", range(12, 20)),  # Maestro
    ("67", "67", range(12, 20)),  # Maestro
    ("60", "65", range(16, 20)),  # Discover, UnionPay, RuPay, Troy, Hipercard, InterPayment
    ("81", "82", range(16, 20)),  # UnionPay, RuPay
    ("8600", "8600", range(16, 17)),  # Uzcard
    ("9704", "9704", range(16, 20)),  # Napas
    ("9792", "9792", range(16, 17)),  # Troy
    ("9860", "9860", range(16, 17)),  # Humo
)
"""First and last prefix of the ranges of card issuers (ISO/IEC 7812), and the lengths of their numbers."""

_CARD: Final = re.compile(
    r"(?<![\w.+-])(?:\d{4}(?:\.\d{4}){3}|\d(?:[ \u00a0\u2010-\u2013-]?\d){11,18})(?![ .-]?\d|\w)"
)


def _is_card(text: str) -> bool:
    """Verify issuer, length and check digit of a card number.

    The check digit is that of the Luhn algorithm: from the right, every second digit is doubled.
    """
    plain = "".join(one for one in text if one.isdecimal())
    digits = [int(one) for one in plain]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    is_valid = len(set(digits)) > 1 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
    return is_valid and any(
        first <= plain[: len(first)] <= last and len(plain) in lengths for first, last, lengths in _CARD_RANGES
    )


def _cards(text: str) -> Iterator[Span]:
    return (one.span() for one in _CARD.finditer(text) if _is_card(one[0]))


PERSONAL: Final[Mapping[str, Detector]] = {
    "email": Detector("an e-mail address", _mails),
    "iban": Detector("an IBAN", _ibans),
    "card": Detector("a card number", _cards),
    "ssn": Detector("a US social security number", _social_security),
    "phone": Detector("a phone number", _phones),
    "national-phone": Detector("a phone number", _national_phones),
}
"""Detectors by kind. Telephone numbers are last: parts of the others look like them."""

IP_ADDRESS: Final = Detector("an IP address", _ip_addresses)
"""Detector of addresses of the internet. Version numbers look like them, so it is used on request only."""
