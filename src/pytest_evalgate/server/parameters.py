"""Parameters of questions over HTTP: what they mean, which values they have, and how they are read.

One `Parameter` is both a line of the OpenAPI document and the check of a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.store.filters import MOST_CHARACTERS, MOST_LABELS, FilterError, plain_text
from pytest_evalgate.text.jsonl import escape_text
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_evalgate.records.cases import Json

Values = dict[str, Any]
"""Values of parameters by name: a text, a number, or a list of texts; None if not given."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter.

    Args:
        name: Its name in the path or in the query string.
        about: Description.
        place: Whether it is a part of the path.
        kind: A text, or a whole number from 1 to ``most``.
        most: Largest number; of a repeated text, how often it may be given.
        choices: The values that a text may have; empty if any.
        default: The value if it is not given.
        required: Whether a question without it is refused.
        repeated: Whether it may be given several times.
        values: Name of the schema of its texts in `SCHEMAS`.
    """

    name: str
    about: str
    place: Literal["path", "query"] = "query"
    kind: Literal["string", "integer"] = "string"
    most: int = 1
    choices: tuple[str, ...] = ()
    default: str | int | None = None
    required: bool = False
    repeated: bool = False
    values: str = "Text"

    def schema(self) -> dict[str, Json]:
        """Return the JSON Schema of its values."""
        if self.kind == "integer":
            found: dict[str, Json] = {"type": "integer", "minimum": 1, "maximum": self.most}
        elif self.choices:
            found = {"type": "string", "enum": list(self.choices)}
        else:
            found = {"$ref": f"#/components/schemas/{self.values}"}
        if self.repeated:
            found = {"type": "array", "items": found, "maxItems": self.most}
        return found if self.default is None else {**found, "default": self.default}

    def read(self, texts: Sequence[str]) -> Any:
        """Return the value of the texts that were given.

        Raises:
            FilterError: They cannot be used.
        """
        if self.repeated:
            return [self._read_one(text) for text in texts]
        if len(texts) > 1:
            raise FilterError(self.name, f"is given {len(texts)} times: give it once")
        if texts:
            return self._read_one(texts[0])
        if self.required:
            raise FilterError(self.name, f"is missing: {self.about}")
        return self.default

    def _read_one(self, text: str) -> str | int:
        if self.kind == "integer":
            return self._number(text)
        if self.choices and text not in self.choices:
            near = did_you_mean(text, self.choices) or f": give one of {', '.join(self.choices)}"
            raise FilterError(self.name, f"{escape_text(text)} is unknown{near}")
        if not text:
            raise FilterError(self.name, "is empty: leave it out")
        return plain_text(self.name, text) or ""

    def _number(self, text: str) -> int:
        value = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(self.most)) else 0
        if not 1 <= value <= self.most:
            raise FilterError(self.name, f"{escape_text(text)} is not a whole number from 1 to {self.most:,}")
        return value


def read_values(parameters: Sequence[Parameter], given: Mapping[str, Sequence[str]]) -> Values:
    """Return the value of each parameter.

    Raises:
        FilterError: One of them cannot be used, or there is no such parameter.
    """
    known = [parameter.name for parameter in parameters]
    for name in given:
        if name not in known:
            near = did_you_mean(name, known) or f": the parameters are {', '.join(known) or 'none'}"
            raise FilterError(escape_text(name), f"is no parameter of this question{near}")
    return {parameter.name: parameter.read(given.get(parameter.name, ())) for parameter in parameters}


_TEXT: Final[dict[str, Json]] = {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS}
SCHEMAS: Final[Mapping[str, dict[str, Json]]] = {
    "Text": _TEXT,
    "Label": {**_TEXT, "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}=", "examples": ["team=search"]},
    "Time": {
        "type": "string",
        "anyOf": [{"pattern": "^[0-9]{1,5}[hdw]$"}, {"format": "date"}, {"format": "date-time"}],
        "examples": ["30d", "2026-01-31", "2026-01-31T08:00:00Z"],
    },
}
"""JSON Schemas of texts, by the names that the OpenAPI document gives them."""

SUITE: Final = Parameter("suite", "name of a suite", "path", required=True)
METRIC: Final = Parameter("metric", "pass_rate, score.NAME, cost_usd, latency_p95_s, ...", default="pass_rate")
FILTERS: Final = (
    Parameter("run", "only this run"),
    Parameter("tier", "only runs of this tier"),
    Parameter("branch", "only runs of this branch"),
    Parameter("model", "only runs in which the target asked this model"),
    Parameter(
        "label",
        "only runs with this label, such as team=search; all of them, if repeated",
        most=MOST_LABELS,
        repeated=True,
        values="Label",
    ),
    Parameter("since", "only runs from this time on, in UTC if it has no zone", values="Time"),
    Parameter("until", "only runs before this time, in UTC if it has no zone", values="Time"),
)
MOST_ROWS: Final = 1000
"""Rows of the largest page over HTTP."""


def pages(default: int, after: str = "the run_id that the page before has in `after`") -> tuple[Parameter, ...]:
    """Return the parameters of pages of at most ``default`` rows."""
    return (
        Parameter("limit", "rows of a page", kind="integer", most=MOST_ROWS, default=default),
        Parameter("after", f"the next page: {after}"),
    )
