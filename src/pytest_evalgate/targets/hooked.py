"""Targets that the hook ``pytest_evalgate_targets`` brings."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_evalgate.errors import SettingsError, UserError
from pytest_evalgate.protocols import Target
from pytest_evalgate.targets.outputs import as_output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_evalgate import settings
    from pytest_evalgate.data import Case, Output


@dataclass(frozen=True, slots=True)
class HookedTarget:
    """A target of the user's own; what it returns is checked."""

    inner: Target

    async def answer(self, case: Case, trial: int) -> Output:
        """Return what the user's target returned: a str, a dict or an Output."""
        return as_output(await self.inner.answer(case, trial))

    def close(self) -> None:
        """Close the user's target, where it can be closed."""
        close = getattr(self.inner, "close", None)
        if callable(close):
            close()


def make_hooked(
    spec: settings.HookTarget, factories: Mapping[str, Callable[..., Target]], *, place: str
) -> HookedTarget:
    """Call the factory that ``spec`` names with the other keys of its table.

    Raises:
        SettingsError: there is no such factory, it does not take these keys, failed, or returned no target.

    """
    factory = factories.get(spec.kind)
    if factory is None:
        raise SettingsError(f"{place}.kind: {_unknown(spec.kind, factories)}")
    made = _called(factory, spec.parameters, f'{place}: kind = "{spec.kind}"')
    if not isinstance(made, Target):
        raise SettingsError(f'{place}: kind = "{spec.kind}" made {type(made).__name__}: it needs async def answer')
    return HookedTarget(made)


def _called(factory: Callable[..., Target], parameters: Mapping[str, Any], place: str) -> object:
    try:
        return factory(**parameters)
    except UserError:
        raise
    except Exception as error:
        raise SettingsError(f"{place} could not be made: {type(error).__name__}: {error}") from error


def _unknown(kind: str, factories: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(kind, factories, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"the hook pytest_evalgate_targets brings {_listed(factories)}"
    return f'no target is named "{kind}": {hint}'


def _listed(factories: Mapping[str, object]) -> str:
    return ", ".join(sorted(factories)) or "none"
