"""Words of a text in any script, for the measures of similarity.

A word is a sequence of letters and digits. Of scripts without spaces, such as Chinese, Japanese and Thai, each
character is a word.
"""

from __future__ import annotations

from typing import Final

from pytest_evalgate.scorers.compare import comparable

_UNSPACED: Final = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD: Final = rf"[{_UNSPACED}]\p{{M}}*|[[\p{{L}}\p{{N}}\p{{M}}]--[{_UNSPACED}]]+"
_TOKEN: Final = rf"{_WORD}|[^\s\p{{L}}\p{{N}}\p{{M}}]"


def words_of(text: str) -> list[str]:
    """Return the words of a text, lower-cased: for ASCII, those that rouge-score finds without stemming."""
    return _found(_WORD, comparable(text).lower())


def tokens_of(text: str) -> list[str]:
    """Return the words and the punctuation marks of a text."""
    return _found(_TOKEN, text)


def _found(pattern: str, text: str) -> list[str]:
    import regex  # noqa: PLC0415 - 25 ms, and only some measures need it here

    found: list[str] = regex.findall(pattern, text, flags=regex.V1)
    return found
