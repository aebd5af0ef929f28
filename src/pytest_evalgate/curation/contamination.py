"""Contamination of golden sets: cases whose words are also in a file that the application or its model has seen.

A window is 13 words in a row, as in the analyses of GPT-3 (Brown et al. 2020, appendix C). Texts of 6 to 12 words are
searched whole; shorter ones are not, because many texts contain them by chance. Files are read in blocks, so their
size does not matter. Words are numbers, and windows are compared by a polynomial hash first, then word by word.
"""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.lint import LintFinding, expected_texts, input_text
from pytest_evalgate.golden.near_texts import words
from pytest_evalgate.text import files, foreign, jsonl
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pytest_evalgate.records.cases import Case

    _Ids = npt.NDArray[np.uint64]

WINDOW: Final = 13
"""Words in a row that two texts seldom share by chance."""

SHORTEST: Final = 6
"""Fewest words of a text that is searched."""

_BLOCK: Final = 4 << 20
_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)  # odd, so that its powers modulo 2**64 are distinct
_TABLE_BITS: Final = 22
_WORD: Final = re.compile(r"\w+")
_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_LONGEST_TAIL: Final = 1 << 16
_SHOWN: Final = 8
_IN_JSON: Final = frozenset({".json", ".jsonl", ".ndjson"})


@dataclass(frozen=True, slots=True)
class Overlap:
    """A text of a case of which a file contains ``found`` of ``windows`` windows, the first of them at ``line``."""

    case: Case
    field: str
    file: str
    line: int
    found: int
    windows: int
    words: str

    def finding(self) -> LintFinding:
        """Return a finding: an error if the file contains the whole input, else a warning."""
        whole = self.found == self.windows
        severity: Any = "error" if whole and self.field == "input" else "warning"
        how = (
            f"the whole {self.field}"
            if whole
            else f"{self.found} of {count(self.windows, 'window')} of the {self.field}"
        )
        message = f'{self.file}:{self.line} contains {how}: "{self.words} ..."'
        return LintFinding(self.case.place, "contamination", severity, message)


@dataclass(frozen=True, slots=True)
class _Text:
    case: Case
    field: str
    ids: _Ids
    size: int


class ContaminationIndex:
    """Windows of all texts of the cases: their inputs and their expected values."""

    def __init__(self, cases: Iterable[Case]) -> None:
        """Number the words of the cases, and hash their windows by size."""
        self._vocabulary: dict[str, int] = {}
        self._texts: list[_Text] = []
        for case in cases:
            texts = [("input", input_text(case)), *(("expected value", text) for text in expected_texts(case))]
            for field, text in dict.fromkeys(texts):
                found = words(text)
                if len(found) >= SHORTEST:
                    numbers = [self._vocabulary.setdefault(word, len(self._vocabulary) + 1) for word in found]
                    self._texts.append(_Text(case, field, np.array(numbers, np.uint64), min(len(found), WINDOW)))
        self._names = list(self._vocabulary)
        self._sizes = [_SizedWindows(size, self._texts) for size in sorted({text.size for text in self._texts})]

    def search(self, path: Path, name: str) -> list[Overlap]:
        """Return the texts that a file contains, in the order of the cases.

        Raises:
            SettingsError: The file cannot be read.
        """
        found: dict[int, dict[int, int]] = defaultdict(dict)  # window: line, by text
        for block, line in _blocks(path, name):
            read = _WORD.findall(block.casefold())
            ids = np.fromiter(map(self._vocabulary.get, read, repeat(0)), np.uint64, len(read))
            hits = [hit for sized in self._sizes for hit in sized.find(ids)]
            if hits:
                lines = _lines_of(block, line, {start for start, _, _ in hits})
                for start, text, window in hits:
                    found[text].setdefault(window, lines[start])
        return [self._overlap(text, found[text], name) for text in sorted(found)]

    def _overlap(self, index: int, windows: dict[int, int], name: str) -> Overlap:
        text = self._texts[index]
        first = min(windows, key=lambda window: (windows[window], window))
        shown = " ".join(self._names[int(word) - 1] for word in text.ids[first : first + _SHOWN])
        total = len(text.ids) - text.size + 1
        return Overlap(text.case, text.field, name, windows[first], len(windows), total, jsonl.escape_text(shown, 80))


class _SizedWindows:
    """All windows of one size, sorted by hash; a table of bits says whether a hash can be one of them."""

    def __init__(self, size: int, texts: Sequence[_Text]) -> None:
        self._size = size
        self._texts = texts
        hashes, owners = [], []
        for index, text in enumerate(texts):
            if text.size == size:
                starts = np.arange(len(text.ids) - size + 1)
                hashes.append(_hashes(text.ids, starts, size))
                owners.append(np.stack([np.full(len(starts), index), starts], axis=1))
        all_hashes, all_owners = np.concatenate(hashes), np.concatenate(owners)
        order = np.argsort(all_hashes, kind="stable")
        self._hashes, self._owners = all_hashes[order], all_owners[order]
        self._table = np.zeros(1 << _TABLE_BITS, bool)
        self._table[_slots(self._hashes)] = True

    def find(self, ids: _Ids) -> Iterator[tuple[int, int, int]]:
        """Yield (first word in ``ids``, text, window) of each window that occurs."""
        size = self._size
        if len(ids) < size:
            return
        known = np.concatenate([[0], np.cumsum(ids > 0, dtype=np.int32)])
        starts = np.flatnonzero(known[size:] - known[:-size] == size)
        hashes = _hashes(ids, starts, size)
        likely = self._table[_slots(hashes)]
        starts, hashes = starts[likely], hashes[likely]
        first = np.searchsorted(self._hashes, hashes)
        last = np.searchsorted(self._hashes, hashes, side="right")
        for start, low, high in zip(starts[first < last], first[first < last], last[first < last], strict=True):
            for text, window in self._owners[low:high]:
                if np.array_equal(ids[start : start + size], self._texts[text].ids[window : window + size]):
                    yield int(start), int(text), int(window)


def _hashes(ids: _Ids, starts: npt.NDArray[np.int64], size: int) -> _Ids:
    """Return the sum of ``id * factor**k`` modulo 2**64 over the words of each window."""
    total = np.zeros(len(starts), np.uint64)
    for offset in range(size):
        total = total * _FACTOR + ids[starts + offset]
    return total


def _slots(hashes: _Ids) -> _Ids:
    mixed = (hashes ^ (hashes >> np.uint64(31))) * _FACTOR
    return mixed >> np.uint64(64 - _TABLE_BITS)


def _blocks(path: Path, name: str) -> Iterator[tuple[str, int]]:
    """Yield blocks of a file, and the line of their start. Each begins with the last words of the one before.

    In JSON, escapes of line ends, tabs and quotes become spaces, and those of letters the letter.
    """
    in_json = path.suffix.lower() in _IN_JSON
    try:
        files.require_regular(path)
        with path.open("rb") as file:
            if (message := foreign.name_foreign(file.read(foreign.HEAD), free_text=True)) is not None:
                raise SettingsError(f"{name}: {message}")
            file.seek(0)
            tail, line, rest = "", 1, b""
            while raw := rest + file.read(_BLOCK):
                raw += file.readline(_BLOCK)
                # a line that is longer than a block is cut at a space, so that no word, character or escape is cut
                cut = len(raw) if raw.endswith(b"\n") or len(raw) <= _BLOCK else raw.rfind(b" ") + 1 or len(raw)
                raw, rest = raw[:cut], raw[cut:]
                block = tail + _plain(raw.decode("utf-8", "replace"), in_json=in_json)
                yield block, line
                start = _start_of_tail(block)
                line += block.count("\n", 0, start)
                tail = block[start:]
    except OSError as error:
        raise SettingsError(f"{name}: cannot be read: {error.strerror or error}") from None


def _plain(text: str, *, in_json: bool) -> str:
    if not in_json or "\\" not in text:
        return text
    for escape in ("\\n", "\\r", "\\t", '\\"'):
        text = text.replace(escape, "  ")
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) if "\\u" in text else text


def _start_of_tail(block: str) -> int:
    """Return where the last words of a block start, one fewer than a window has."""
    base = max(0, len(block) - _LONGEST_TAIL)
    starts = [found.start() for found in _WORD.finditer(block, base)]
    return starts[-WINDOW + 1] if len(starts) >= WINDOW - 1 else base


def _lines_of(block: str, line: int, wanted: set[int]) -> dict[int, int]:
    """Return the line of each word in ``wanted``, by its number in the case-folded block."""
    found, position = {}, 0
    folded = block.casefold()
    for number, word in enumerate(islice(_WORD.finditer(folded), max(wanted) + 1)):
        if number in wanted:
            line += folded.count("\n", position, word.start())
            position = word.start()
            found[number] = line
    return found
