"""What the lines of a run file may hold: files also come from other machines, so every value is looked at.

The encoding itself is that of `codec`; these tables only say which of its values can be used.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError

from pytest_evalgate import jsonl
from pytest_evalgate.calls import Finish
from pytest_evalgate.data import Outcome, Side, StopRule
from pytest_evalgate.settings.fields import Table

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Answer = Annotated[float, Field(ge=0, le=1, multiple_of=1)]
Moment = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]
Pair = Annotated[list[str], Field(min_length=2, max_length=2)]


class _Stored(Table):
    model_config = ConfigDict(strict=True)


class StoredCall(_Stored):
    """A call of a trial."""

    purpose: str
    attempts: Count
    model: str = ""
    tokens_in: Count | None = None
    tokens_out: Count | None = None
    cost_usd: Amount | None = None
    latency_s: Amount | None = None


class StoredScore(_Stored):
    """A score of a trial."""

    name: str
    value: Share | None
    passed: bool | None
    reason: str = ""
    weight: Amount | None = None
    counts: bool = True


class StoredOutput(_Stored):
    """The output of a trial; ``call`` is the number of one of its calls."""

    value: Any
    metadata: dict[str, Any] = Field(default_factory=dict)
    finish: Finish = "complete"
    call: Count | None = None


class StoredQuestion(_Stored):
    """What a case asked, and what was wanted."""

    input: Any = None
    expected: Any = None


class StoredTrial(_Stored):
    """A trial of a case."""

    value: Answer | None
    reason: str = ""
    output: StoredOutput | None = None
    latency_s: Amount | None = None
    scores: list[StoredScore] = Field(default_factory=list)
    calls: list[StoredCall] = Field(default_factory=list)


class StoredCase(_Stored):
    """A line of a run file: a planned case and its result."""

    suite: str
    id: str
    file: str
    line: Count
    fingerprint: str
    outcome: Outcome
    tags: list[str] = Field(default_factory=list)
    slices: list[Pair] = Field(default_factory=list)
    skip: str | None = None
    cluster: str | None = None
    side: Side = "both"
    reason: str = ""
    question: StoredQuestion | None = None
    trials: list[StoredTrial] = Field(default_factory=list)


class StoredSuite(_Stored):
    """A suite in the head of a run file."""

    name: str
    golden: list[str]
    golden_sha256: str
    scorers_sha256: str
    trials: Positive
    planned: Count
    drawn_from: Positive | None = None
    stopped: StopRule | None = None


class StoredShard(_Stored):
    """Which part of a run it is."""

    index: Positive
    count: Positive


class StoredHead(_Stored):
    """The first line of a run file."""

    kind: str
    id: str
    created: Moment
    commit: str | None
    duration_s: Amount
    suites: list[StoredSuite]
    problems: list[str]
    schema_: int = Field(alias="schema")
    refused: str | None = None
    config_sha256: str | None = None
    target: str | None = None
    shard: StoredShard | None = None
    tier: str = "default"
    facts: dict[str, str] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)


def check(table: type[StoredHead | StoredCase], value: dict[str, Any]) -> None:
    """See to it that a line can be used.

    Raises:
        ValueError: it cannot; names the first field that is wrong.

    """
    try:
        table.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{jsonl.visible(place)}: {first['msg']}") from None
