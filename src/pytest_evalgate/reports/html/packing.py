"""The cases of a run, packed as they are drawn: compressed, in a temporary file where they are many."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Final, Self

from pytest_evalgate.reports.html.entries import Index, texts
from pytest_evalgate.reports.html.islands import dumps, encoded, packed, size_in_page, squeezer
from pytest_evalgate.reports.html.scores import Gathered

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from pytest_evalgate.reports.cases import CaseView
    from pytest_evalgate.reports.view import ReportView

CHUNK: Final = 500
"""Cases whose texts are unpacked together."""

_IN_MEMORY: Final = 8 << 20
_COPIED: Final = 3 << 16


@dataclass(frozen=True, slots=True)
class PackedCases:
    """The cases of a run in two temporary files; to be closed.

    ``sizes`` are the lengths of the chunks, ``scores`` those of the run by suite and scorer.
    """

    index: IO[bytes]
    index_size: int
    chunks: IO[bytes]
    sizes: Sequence[int]
    scores: Mapping[str, Mapping[str, array[float]]]

    @property
    def size(self) -> int:
        """How many bytes of a page they take."""
        return size_in_page(self.index_size) + sum(map(size_in_page, self.sizes))

    def index_parts(self) -> Iterator[bytes]:
        """Yield the index, compressed, in pieces of a length that 3 divides."""
        self.index.seek(0)
        while piece := self.index.read(_COPIED):
            yield piece

    def drawn_chunks(self) -> Iterator[bytes]:
        """Yield the chunks, compressed."""
        self.chunks.seek(0)
        for size in self.sizes:
            yield self.chunks.read(size)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop both files."""
        self.index.close()
        self.chunks.close()


def pack(view: ReportView) -> PackedCases:
    """Draw the cases of ``view`` once and pack them."""
    judges = {name: frozenset(one.name for one in suite.judges) for name, suite in view.verdict.suites.items()}
    lines, gathered, sizes = Index(judges), Gathered(), list[int]()
    index, chunks = (SpooledTemporaryFile(_IN_MEMORY) for _ in range(2))  # noqa: SIM115 - PackedCases closes them
    squeeze = squeezer()
    index.write(squeeze.compress(b'{"rows":['))
    for batch in _batches(view.cases):
        for case in batch:
            gathered.add(case)
        rows = dumps([lines.line(case) for case in batch])[1:-1]
        index.write(squeeze.compress(encoded(("," if sizes else "") + rows)))
        sizes.append(chunks.write(packed(dumps([texts(case, view.links) for case in batch]))))
    index.write(squeeze.compress(encoded(f'],"chunk":{CHUNK},"names":{dumps(lines.names())}}}')))
    index.write(squeeze.flush())
    return PackedCases(index, index.tell(), chunks, sizes, gathered.by_suite)


def _batches(cases: Iterable[CaseView]) -> Iterator[list[CaseView]]:
    drawn = iter(cases)
    while batch := list(islice(drawn, CHUNK)):
        yield batch
