"""Sources of scorers that need more than the case and the output: models to ask, and other cases of the suite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.records.calls import Call
from pytest_evalgate.scorers.registry import SpecError
from pytest_evalgate.text.jsonl import canonical
from pytest_evalgate.text.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_evalgate import config
    from pytest_evalgate.config.tables import ModelApi
    from pytest_evalgate.protocols import ModelClient
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import Output, Trial

VARIANT_OF: Final = "variant_of"
"""Key of the metadata of a variant, with the id of its original."""

_RESERVED: Final = frozenset({"model", "input"})


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A configured model that a scorer asks; ``name`` is its key in ``models``, ``client`` sends the calls."""

    name: str
    model: config.Model
    client: ModelClient

    @property
    def identity(self) -> Json:
        """What the replies depend on beside the text."""
        return [self.model.base_url, self.model.model, dict(self.model.params)]

    def call_of(self, text: str, purpose: str, case: Case) -> Call:
        """Return the call that asks about ``text``. It is the same in every trial."""
        return Call(
            kind=self.model.api,
            endpoint=self.model.base_url,
            model=self.model.model,
            payload={**self.model.params, "model": self.model.model, "input": text},
            route=self.name,
            purpose=purpose,
            label=f"{purpose}::{case.id}",
            allow_empty=True,
        )


@dataclass(frozen=True, slots=True)
class ModelSource:
    """The configured models, and a function that returns the client of their calls."""

    models: Mapping[str, config.Model]
    client: Callable[[], ModelClient]

    def find(self, name: str | None, api: ModelApi, kind: str) -> AskedModel:
        """Return the model that scorers of ``kind`` ask: the named one, else the only one with this ``api``.

        Raises:
            SpecError: There is no such model, or there are several.
        """
        fitting = [key for key, model in self.models.items() if model.api == api]
        if name is None and len(fitting) == 1:
            name = fitting[0]
        if name is None:
            known = f'several models have api = "{api}" ({", ".join(fitting)}): add model = "NAME"'
            raise SpecError(
                f"{kind}: {known}" if fitting else f'{kind} asks a model: add a table [models.NAME] with api = "{api}"'
            )
        if name not in self.models:
            near = did_you_mean(name, self.models) or f'; add a table [models.{name}] with api = "{api}"'
            raise SpecError(f'{kind}: no model is named "{name}"{near}')
        model = self.models[name]
        if model.api != api:
            raise SpecError(f'{kind}: models.{name}.api is "{model.api}": set api = "{api}", or name another model')
        for key in _RESERVED & model.params.keys():
            raise SpecError(f"{kind}: models.{name}.params.{key}: the scorer sets it: remove it")
        try:
            canonical(model.params)
        except (TypeError, ValueError) as error:
            raise SpecError(f"{kind}: models.{name}.params: {error}") from None
        return AskedModel(name, model, self.client())


class Originals(Protocol):
    """Access to the other cases of a suite, and to their outputs in the same run."""

    def find(self, case: Case) -> Case | None:
        """Return the case that ``case`` is a variant of, if there is one."""

    def ids(self) -> Iterable[str]:
        """Return the ids of the cases that may be originals."""

    def is_graded(self, case: Case) -> bool:
        """Return whether other scorers than ``same-as`` decide a case."""

    async def answer(self, case: Case, trial: int) -> Output | Trial:
        """Return the output of a trial of ``case`` as it is graded, or the failed trial if there is none."""

    async def graded(self, case: Case, trial: int, output: Output) -> Trial:
        """Return the trial with the scores of all other scorers than ``same-as``."""


class Sources(Protocol):
    """What the construction of such scorers reads; None if there is no suite."""

    @property
    def models(self) -> ModelSource | None:
        """The models that scorers may ask."""

    @property
    def originals(self) -> Originals | None:
        """The other cases of the suite."""
