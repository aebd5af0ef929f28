"""Rules for outputs that are SQL (extra ``sql``): ``sql-valid`` and ``sql-equal``.

The library sqlglot parses the statements and compares their trees. It knows no tables: a column that does not exist is
valid.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, Field

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.scorers.extras import require, requires
from pytest_evalgate.scorers.fences import without_fence
from pytest_evalgate.scorers.text import Text, any_expected, as_texts, format_value, text_of
from pytest_evalgate.text.jsonl import escape_text
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from pytest_evalgate.records.cases import Case
    from pytest_evalgate.records.results import Graded, Output

_LIBRARY: Final = "sqlglot"
_EXTRA: Final = "sql"
_MOST_CHARACTERS: Final = 100_000
_MOST_OPEN: Final = 100
"""Bounds of a text that is parsed: its characters, and its open brackets at one place, for which the parser
recurses."""

_STATEMENTS: Final = (
    *("Query", "DML", "DDL", "Values", "Drop", "Alter", "AlterColumn", "Merge", "TruncateTable", "Grant", "Revoke"),
    *("Describe", "Use", "Set", "Show", "Pragma", "Transaction", "Commit", "Rollback", "Copy", "Comment", "Analyze"),
    *("Cache", "Uncache", "Refresh", "Kill", "Attach", "Detach", "Summarize", "LoadData", "Export"),
)
"""Classes of statements. Without this list, ``hello world`` would be valid: an expression with an alias."""


def _known_dialect(name: str) -> str:
    known = [one.value for one in require("sqlglot.dialects.dialect", _EXTRA).Dialects]
    if name not in known:
        names = ", ".join(sorted(filter(None, known)))
        raise ValueError(f'"{name}" is no dialect of sqlglot{did_you_mean(name, known) or f"; they are: {names}"}')
    return name


Dialect = Annotated[
    str, Field(validate_default=True), AfterValidator(requires(_LIBRARY, _EXTRA)), AfterValidator(_known_dialect)
]


class _UnreadableError(Exception):
    """A text that is no SQL, or not known to be; ``value`` is the score that follows from it."""

    def __init__(self, value: float | None, reason: str) -> None:
        super().__init__(reason)
        self.value = value


def sql_valid(
    case: Case,  # noqa: ARG001 - every rule takes the case
    output: Output,
    /,
    *,
    dialect: Dialect = "",
) -> Graded:
    """Pass if the output is one or several SQL statements that sqlglot parses, also in a code fence.

    ``dialect`` is one of sqlglot, such as ``"postgres"``; without it, sqlglot's own, a superset of many. sqlglot
    accepts more than a database does, and knows no tables. The score is unknown (None) for a statement that sqlglot
    does not support, and for a text too long to parse.
    """
    try:
        found = _statements(text_of(output), dialect)
    except _UnreadableError as error:
        return error.value, str(error)
    kinds = ", ".join(type(one).__name__.upper() for one in found)
    return 1.0, f"parses as {escape_text(kinds)}"


def sql_equal(case: Case, output: Output, /, *, value: Text | None = None, dialect: Dialect = "") -> Graded:
    """Pass if the output is the SQL of ``value``, or else of the case (any of ``expected_any``), apart from its form.

    Both are parsed in ``dialect``. White space, comments, the case of keywords and of unquoted names, brackets
    without effect, ``INNER``, ``OUTER`` and ``ASC`` do not matter, nor does the order of the operands of ``AND``,
    ``OR``, ``=`` and ``<>``; ``a > b`` is ``b < a``. All else does, such as the order and the names of columns. Two
    different queries may return the same rows: this rule does not run them.

    Raises:
        ScorerError: An expected text is not SQL.
    """
    wanted = as_texts(any_expected(case, value))
    trees = [_expected(one, dialect) for one in wanted]
    try:
        got = _normal(text_of(output), dialect)
    except _UnreadableError as error:
        return error.value, str(error)
    if got in trees:
        return 1.0, f"is {format_value(wanted[trees.index(got)])}"
    return 0.0, f"wanted {' or '.join(map(format_value, wanted))}, got {format_value(text_of(output))}"


def _expected(text: str, dialect: str) -> tuple[Any, ...]:
    try:
        return _normal(text, dialect)
    except _UnreadableError as error:
        raise ScorerError(f"the expected value {format_value(text)} cannot be used: {error}") from error


@functools.lru_cache(maxsize=1024)  # the expected statement of a suite is the same for many outputs
def _normal(text: str, dialect: str) -> tuple[Any, ...]:
    """Return the normalised trees of the statements of a text."""
    try:
        return tuple(_normalised(one, dialect) for one in _statements(text, dialect))
    except RecursionError:
        raise _UnreadableError(None, "the SQL is nested too deeply to compare") from None


def _statements(text: str, dialect: str) -> list[Any]:
    """Parse the statements of a text."""
    sqlglot = require(_LIBRARY, _EXTRA)
    exp = require("sqlglot.expressions", _EXTRA)
    text = without_fence(text)
    if len(text) > _MOST_CHARACTERS or (text.count("(") > _MOST_OPEN and _open(text) > _MOST_OPEN):
        raise _UnreadableError(None, f"the output is too long or too nested to parse ({len(text):,} characters)")
    _quiet()
    try:
        found = [one for one in sqlglot.parse(text, dialect=dialect or None) if one is not None]
    except sqlglot.errors.SqlglotError as error:
        raise _UnreadableError(0.0, f"is not SQL: {_first_line(error)}") from None
    except RecursionError:
        raise _UnreadableError(None, "the SQL is nested too deeply to parse") from None
    if not found:
        raise _UnreadableError(0.0, "there is no SQL statement")
    kinds = tuple(getattr(exp, name) for name in _STATEMENTS if hasattr(exp, name))
    for one in found:
        if isinstance(one, exp.Command):
            raise _UnreadableError(None, f"sqlglot does not parse {escape_text(str(one.this))} statements")
        if not isinstance(one, kinds):
            raise _UnreadableError(0.0, f"{format_value(one.sql(dialect=dialect or None))} is not a statement")
    return found


def _open(text: str) -> int:
    """Return the largest number of brackets that are open at one place."""
    most = now = 0
    for one in text:
        now += (one == "(") - (one == ")")
        most = max(most, now)
    return most


@functools.cache
def _quiet() -> None:
    """Keep sqlglot's warnings about unsupported statements off the terminal: the reason of the score says it."""
    logging.getLogger(_LIBRARY).addHandler(logging.NullHandler())


def _first_line(error: Exception) -> str:
    details = getattr(error, "errors", None)
    if not details:
        return escape_text(str(error).splitlines()[0], 120)
    first = details[0]
    place = f"line {first['line']}, column {first['col']}: " if first.get("line") else ""
    return escape_text(f"{place}{str(first.get('description', '')).rstrip('.')}", 120)


def _normalised(tree: Any, dialect: str) -> Any:
    """Return a tree with one form for what means the same."""
    exp = require("sqlglot.expressions", _EXTRA)
    normalize = require("sqlglot.optimizer.normalize_identifiers", _EXTRA).normalize_identifiers
    tree = normalize(tree.copy(), dialect=dialect or None)
    for node in reversed(list(tree.walk())):  # from the leaves to the root: operands are sorted by their normal form
        match node:
            case exp.Identifier():
                node.set("quoted", None)  # after its normalisation, the name alone identifies it
            case exp.Paren():
                node.replace(node.this)
            case exp.Join():
                node.set("kind", None if node.kind in ("INNER", "OUTER") else node.args.get("kind"))
            case exp.Ordered():
                node.set("desc", node.args.get("desc") or None)
            case exp.And() | exp.Or():
                _sort_operands(node)
            case exp.EQ() | exp.NEQ():
                _set_operands(node, *sorted((node.this, node.expression), key=hash))
            case exp.GT():
                node.replace(exp.LT(this=node.expression.copy(), expression=node.this.copy()))
            case exp.GTE():
                node.replace(exp.LTE(this=node.expression.copy(), expression=node.this.copy()))
    return tree


def _sort_operands(node: Any) -> None:
    """Sort the operands of a sequence of AND or OR, and remove repeated ones."""
    if type(node.parent) is type(node):
        return
    operands = sorted({*node.flatten()}, key=hash)
    first, *others = (one.copy() for one in operands)
    node.replace(functools.reduce(lambda left, right: type(node)(this=left, expression=right), others, first))


def _set_operands(node: Any, left: Any, right: Any) -> None:
    node.set("this", left.copy())
    node.set("expression", right.copy())
