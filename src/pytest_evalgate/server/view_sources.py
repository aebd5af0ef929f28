"""ViewSources of an answer: the open store of a project, its settings, and its run files."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from pytest_evalgate.app.storing import place_of, project_name
from pytest_evalgate.config import key_variables
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.store import Database
from pytest_evalgate.store.filters import RunFilter
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.app.project import Project


@dataclass(frozen=True, slots=True)
class ViewSources:
    """The project, its name in the store, the open store, and the redactor of what leaves the server.

    A request, and the writing of static pages, opens its own. Connections of SQLite stay in one thread.
    """

    project: Project
    name: str
    database: Database
    redactor: Redactor

    @classmethod
    @contextmanager
    def opened(cls, project: Project) -> Iterator[Self]:
        """Open the store of a project, to read it.

        Raises:
            UserError: The store is switched off, empty, or cannot be used.
        """
        place = place_of(project.settings, project.state.path)
        if place is None:
            raise SettingsError('store = "off": remove the line to store runs')
        redactor = Redactor.of(key_variables(project.settings), os.environ)
        with Database.reading(place) as database:
            yield cls(project, project_name(project.root), database, redactor)

    @property
    def root(self) -> Path:
        """Root folder of the project."""
        return self.project.root

    @property
    def runs(self) -> RunFilter:
        """The filter that every run of the project matches."""
        return RunFilter(self.name)


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Question to a page.

    Args:
        names: Names in its path, decoded: ``suite``, ``run``, ``case`` or ``judge``.
        values: Parameters of its query string; the last value of each.
        runs: The runs that match the filters of the query string: tier, branch, model, label, since, until.
    """

    names: Mapping[str, str]
    values: Mapping[str, str]
    runs: RunFilter
