"""Source of a stored run: its records, its cases as they are in the run file, and the texts that may be stored."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import field
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_evalgate.records.cases import Json
    from pytest_evalgate.records.results import Run
    from pytest_evalgate.records.verdicts import Verdict
    from pytest_evalgate.runs.run_file import RunInfo

LONGEST_TEXT: Final = 20_000
LONGEST_ERROR: Final = 500


def clean(text: str) -> str:
    """Return a text that both databases can store: no NUL, no lone surrogate."""
    if text.isascii():
        return text.replace("\0", "\\0") if "\0" in text else text
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\0")


@dataclass(frozen=True, slots=True)
class TextRule:
    """The texts that are stored: none, or those that reports show.

    ``text`` returns the text of an input, an output or a reason; None leaves all of them out. ``reason`` returns what
    is stored of the reason for a missing output in any case.
    """

    text: Callable[[str, Json], str] | None = None
    reason: Callable[[str], str] = str

    def of(self, name: str, value: Json) -> str | None:
        """Return the text of ``value`` to store; None if texts are not stored or there is none."""
        if self.text is None or value is None:
            return None
        return clean(self.text(name, value)[:LONGEST_TEXT])

    def error(self, reason: str | None) -> str | None:
        """Return the reason for a missing output; None if there is none."""
        return clean(self.reason(reason)[:LONGEST_ERROR]) if reason else None


@dataclass(frozen=True, slots=True)
class Eval:
    """What the configuration says about a suite: the person or team that is responsible, and what it is for."""

    owner: str | None = None
    description: str | None = None

    @property
    def texts(self) -> dict[str, str | None]:
        """The texts by the column of the table ``evals``."""
        return {"owner": self.owner, "description": self.description}


_NO_TEXTS: Final = TextRule()
_NO_REDACTION: Final = Redactor()


@dataclass(frozen=True, slots=True)
class StoredSource:
    """What is known about a run that is stored.

    ``rows`` yields the cases of the run file as JSON. ``baselines`` are the run ids of the baselines, by suite.
    ``evals`` are the suites that the configuration has.
    """

    project: str
    run: Run
    info: RunInfo
    verdict: Verdict
    rows: Callable[[], Iterable[Mapping[str, Json]]]
    baselines: Mapping[str, str] = field(default_factory=dict)
    texts: TextRule = _NO_TEXTS
    redactor: Redactor = _NO_REDACTION
    evals: Mapping[str, Eval] = field(default_factory=dict)

    def message(self, text: str) -> str:
        """Return a message without API keys, as both databases can store it."""
        return clean(self.redactor.redact(text))


@dataclass
class SuiteSums:
    """Sums over the trials of one suite, for its metrics."""

    models: Counter[str] = field(default_factory=Counter)
    cost_usd: float = 0.0
    unknown_price: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def model(self) -> str | None:
        """The model that most target calls asked for."""
        return self.models.most_common(1)[0][0] if self.models else None

    def latency(self, share: float) -> float | None:
        """Return a quantile of the latencies (nearest rank)."""
        ordered = sorted(self.latencies)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None
