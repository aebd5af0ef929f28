"""Data of the page: an index with one line for each case, and the texts of the cases in compressed chunks.

The page decompresses the index at once, and a chunk of at most 2,000 cases when one of its texts is needed: 10,000
cases take less than 6 MB (benchmarks/html_report.py).
"""

from __future__ import annotations

import json
import zlib
from array import array
from dataclasses import asdict, field
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, Final, Self

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.reports.html.marks import CHANGES, OUTCOMES
from pytest_evalgate.reports.html.shared_pieces import share

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import Score
    from pytest_evalgate.reports.view import CaseView, Links, ReportView, TrialView

_REASON: Final = 120
"""Characters of a reason in the index; the texts contain the whole reason."""

_OUTCOME: Final = {name: number for number, name in enumerate(OUTCOMES)}
_CHANGE: Final = {name: number for number, name in enumerate(CHANGES)}


@dataclass(frozen=True, slots=True)
class NameTable:
    """Table of names in the index, which refers to them by number; numbered in order of first use."""

    numbers: dict[Any, int] = field(default_factory=dict)

    def number(self, name: Any) -> int:
        """Return the number of a name; a new name gets the next number."""
        return self.numbers.setdefault(name, len(self.numbers))


@dataclass(frozen=True, slots=True)
class CaseIndex:
    """Encoder of the index. ``judges`` are the names of each suite's judges."""

    judges: Mapping[str, frozenset[str]]
    suites: NameTable = field(default_factory=NameTable)
    tags: NameTable = field(default_factory=NameTable)
    slices: NameTable = field(default_factory=NameTable)

    def line(self, case: CaseView) -> list[Json]:
        """Return a case as a list; `FIELDS` in report.js names its elements."""
        return [
            case.id,
            self.suites.number(case.suite),
            _OUTCOME[case.outcome],
            _CHANGE[case.change],
            _short(case.value),
            _short(case.before),
            [self.tags.number(tag) for tag in case.tags],
            [self.slices.number(pair) for pair in case.slices],
            int(case.flaky),
            int(disagree(case, self.judges.get(case.suite, frozenset()))),
            case.reason[:_REASON],
        ]

    def names(self) -> dict[str, Json]:
        """Return the names behind the numbers, and the badges of outcomes and changes."""
        return {
            "suites": list(self.suites.numbers),
            "tags": list(self.tags.numbers),
            "slices": list(self.slices.numbers),
            "outcomes": [{"name": name, **asdict(mark)} for name, mark in OUTCOMES.items()],
            "changes": [{"name": name, **asdict(mark)} for name, mark in CHANGES.items()],
        }


def disagree(case: CaseView, judges: frozenset[str]) -> bool:
    """Return whether, in any trial, the scores disagree on pass or miss and one of them is a judge's."""
    for trial in case.trials if judges else ():
        known = [score for score in trial.scores if score.passed is not None]
        if len({score.passed for score in known}) > 1 and any(
            score.is_of(judge) for score in known for judge in judges
        ):
            return True
    return False


def texts(case: CaseView, links: Links | None) -> dict[str, Any]:
    """Return the texts that the page shows when a case is opened; empty values are left out."""
    where = case.place.file
    before = {} if case.baseline_output is None else {"before": case.baseline_output}
    return before | _not_empty(
        {
            "place": str(case.place) if where else "",
            "url": links.line(case.place) if links is not None and where else "",
            "input": case.input,
            "expected": case.expected,
            "reason": case.reason,
            "trials": [_trial(trial) for trial in case.trials],
        }
    )


def _trial(trial: TrialView) -> dict[str, Json]:
    return {
        "value": trial.value,
        **_not_empty(
            {
                "output": trial.output,
                "reason": trial.reason,
                "scores": [_score(score) for score in trial.scores],
                "latency_s": trial.latency_s,
                "cost_usd": trial.cost_usd,
                "tokens": trial.tokens,
                "reasoning": trial.reasoning,
                "traceback": trial.raised.traceback if trial.raised is not None else "",
            }
        ),
    }


def _score(score: Score) -> dict[str, Json]:
    counts = {} if score.counts else {"counts": False}
    why = {"why": score.rationale} if score.rationale else {}
    named = {"name": score.name, "value": _short(score.value), "passed": score.passed, "reason": score.reason}
    return {**named, **why, **counts}


def _not_empty(values: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in values.items() if value not in (None, "", [])}


def _short(value: float | None) -> float | None:
    """Round a share to four digits, with 0 and 1, the most frequent ones, as integers: shorter than ``1.0``."""
    return int(value) if value in {0, 1} else None if value is None else round(value, 4)


_LEVEL: Final = 4
"""Level of gzip. Level 5 takes 1.5 times as long for 4 % fewer bytes; with level 3, 10,000 cases exceed 6 MB."""

_GZIP: Final = 31  # window bits of zlib: 15, plus 16 for a gzip header


def encoded(text: str) -> bytes:
    """Encode a text as UTF-8; a lone surrogate, which UTF-8 cannot encode, becomes its JSON escape."""
    return text.encode("utf-8", "backslashreplace")


def dumps(value: Json) -> str:
    """Return compact JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def gzipped(text: str) -> bytes:
    """Compress a text with gzip; without a time in the header, so that equal runs give equal bytes."""
    return zlib.compress(encoded(text), _LEVEL, wbits=_GZIP)


def base64_size(packed_bytes: int) -> int:
    """Return the size of ``packed_bytes`` bytes in base64."""
    return -(-packed_bytes // 3) * 4


def script_element(media_type: str, name: str, parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a script element with data; ``name`` is its id."""
    yield f'<script type="{media_type}" id="{name}">'.encode()
    yield from parts
    yield b"</script>\n"


CHUNK: Final = 2_000
"""Most cases in one chunk of texts."""

CHUNK_CHARACTERS: Final = 4_000_000
"""Characters after which a chunk ends: one is held in memory, with its copy as JSON."""

SHARED_FROM: Final = 1_000_000
"""Characters from which on the pieces of a chunk are shared: it takes 50 ms of CPU, and pages with less are small."""

_IN_MEMORY: Final = 8 << 20
_COPIED: Final = 3 << 16  # divisible by three, for base64


@dataclass(frozen=True, slots=True)
class Batch:
    """The cases of one chunk; ``start`` is the number of the first one, ``characters`` the length of their texts."""

    start: int
    cases: list[CaseView]
    characters: int

    def chunk(self, links: Links | None) -> dict[str, Json]:
        """Return the texts of the cases, and the pieces that they share."""
        rows = [texts(case, links) for case in self.cases]
        return share(rows) if self.characters >= SHARED_FROM else {"pieces": [], "texts": [*rows]}


@dataclass(frozen=True, slots=True)
class PackedCases:
    """The cases of a run in two temporary files, which the context manager closes.

    ``sizes`` are the lengths of the chunks, ``scores`` the scores of the run by suite and scorer.
    """

    index: IO[bytes]
    index_size: int
    chunks: IO[bytes]
    sizes: Sequence[int]
    scores: Mapping[str, Mapping[str, array[float]]]

    @property
    def size(self) -> int:
        """Bytes that the cases take in a page."""
        return base64_size(self.index_size) + sum(map(base64_size, self.sizes))

    def index_parts(self) -> Iterator[bytes]:
        """Yield the compressed index in pieces whose length is divisible by three."""
        self.index.seek(0)
        while piece := self.index.read(_COPIED):
            yield piece

    def chunk_parts(self) -> Iterator[bytes]:
        """Yield the compressed chunks."""
        self.chunks.seek(0)
        for size in self.sizes:
            yield self.chunks.read(size)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close both files."""
        self.index.close()
        self.chunks.close()


def _batches(cases: Iterable[CaseView]) -> Iterator[Batch]:
    """Yield the cases of each chunk."""
    batch: list[CaseView] = []
    characters = start = 0
    for number, case in enumerate(cases):
        if len(batch) == CHUNK or characters > CHUNK_CHARACTERS:
            yield Batch(start, batch, characters)
            batch, characters, start = [], 0, number
        batch.append(case)
        characters += len(case.input) + len(case.baseline_output or "") + sum(len(one.output) for one in case.trials)
    if batch:
        yield Batch(start, batch, characters)


def pack(view: ReportView) -> PackedCases:
    """Read the cases of ``view`` once and pack them."""
    judges = {name: frozenset(one.name for one in suite.judges) for name, suite in view.verdict.suites.items()}
    lines, sizes = CaseIndex(judges), list[int]()
    scores: dict[str, dict[str, array[float]]] = {}  # eight bytes each
    index, chunks = (SpooledTemporaryFile(_IN_MEMORY) for _ in range(2))  # noqa: SIM115 - PackedCases closes them
    squeeze = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    index.write(squeeze.compress(b'{"rows":['))
    starts = list[int]()
    for batch in _batches(view.cases):
        for case in batch.cases:
            of_suite = scores.setdefault(case.suite, {})
            for score in chain.from_iterable(trial.scores for trial in case.trials):
                if score.value is not None:
                    of_suite.setdefault(score.name, array("d")).append(score.value)
        rows = dumps([lines.line(case) for case in batch.cases])[1:-1]
        index.write(squeeze.compress(encoded(("," if sizes else "") + rows)))
        starts.append(batch.start)
        sizes.append(chunks.write(gzipped(dumps(batch.chunk(view.links)))))
    index.write(squeeze.compress(encoded(f'],"starts":{dumps(starts)},"names":{dumps(lines.names())}}}')))
    index.write(squeeze.flush())
    return PackedCases(index, index.tell(), chunks, sizes, scores)
