"""Scores of the rows of a log by a scorer that asks no model: ``--lowest scorer:refusal:50``."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from pytest_evalgate.curation.drawing import REPLIES
from pytest_evalgate.errors import ScorerError, SettingsError
from pytest_evalgate.golden.dialects.columns import field_of
from pytest_evalgate.records.cases import Case
from pytest_evalgate.records.results import Output
from pytest_evalgate.scorers import Context, build, grade
from pytest_evalgate.targets.outputs import split_output
from pytest_evalgate.usercode import UserCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.curation.row_fields import Row
    from pytest_evalgate.records.cases import Json

PREFIX: Final = "scorer:"
"""Start of the name of a score that is no field of the rows."""


@contextlib.contextmanager
def row_scorer(name: str, root: Path, columns: Mapping[str, str]) -> Iterator[Callable[[Row], Json]]:
    """Yield a function that grades the output of a row; None for a row that has none, or that cannot be graded.

    ``name`` is ``scorer:KIND`` or ``scorer:pkg.mod:function``, ``columns`` the names to read, by canonical field. The
    function is given a case with the question alone.

    Raises:
        SettingsError: There is no such scorer, it has parameters that must be set, or it fails for a row.
    """
    kind = name.removeprefix(PREFIX)
    with contextlib.closing(UserCode()) as code, asyncio.Runner() as runner:
        spec = {"python": kind} if ":" in kind else kind
        built = [build(spec, context=Context(roots=(root,), place=f"--lowest {name}", code=code))]

        def score(row: Row) -> Json:
            question, output = (_value(row, into, columns) for into in ("input", "output"))
            if output in (None, ""):
                return None
            try:
                scores = runner.run(grade(Case("", input=question), split_output(Output(output)), built))
            except ScorerError as error:
                reason = str(error).partition(_CASE)[2] or str(error)
                raise SettingsError(f"--lowest {name}: {reason}") from None
            return scores[0].value

        yield score


_CASE: Final = 'case "": '
"""Start of the message about the case of a row, which has no id."""

_FIELDS: Final = {"input": ("input", "messages", "vars"), "output": ("output",)}


def _value(row: Row, into: str, columns: Mapping[str, str]) -> Json:
    if into in columns:
        return row.get(columns[into])
    found = [name for name in row if (field_of(name) or ("", 0))[0] in _FIELDS[into]]
    others = [name for name in REPLIES if name in row] if into == "output" else []
    return next((row[name] for name in (*found, *others) if row[name] is not None), None)
