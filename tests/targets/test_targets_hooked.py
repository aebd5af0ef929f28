from __future__ import annotations

import asyncio
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import config, hookspec
from pytest_evalgate.errors import CallableError, SettingsError
from pytest_evalgate.records.results import Case, Output
from pytest_evalgate.targets.build import build_hook_target

if TYPE_CHECKING:
    from collections.abc import Callable


class _Shouting:
    def __init__(self, ending: str = "!") -> None:
        self.ending = ending
        self.is_closed = False

    async def answer(self, case: Case, trial: int) -> Any:
        return f"{case.input}{self.ending}{trial}"

    def close(self) -> None:
        self.is_closed = True


def _make(factory: Callable[..., Any], **keys: Any) -> Any:
    spec = config.HookTarget(kind="shouting", **keys)
    return build_hook_target(spec, {"shouting": factory}, place="suites.s.target")


def _refused(factory: Callable[..., Any], **keys: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        _make(factory, **keys)
    return str(caught.value)


def test_the_factory_is_called_with_the_other_keys_of_the_table() -> None:
    output = asyncio.run(_make(_Shouting, ending="?").answer(Case("a", input="hi"), 1))
    assert output == Output("hi?1")


def test_the_docstring_of_the_hook_works() -> None:
    code = textwrap.dedent((hookspec.pytest_evalgate_targets.__doc__ or "").split("::")[1].split("and in")[0])
    pasted: dict[str, Any] = {}
    exec(code, pasted)  # noqa: S102 - it is our own docstring
    factory = pasted["pytest_evalgate_targets"]()["shouting"]
    output = asyncio.run(_make(factory, ending="!!").answer(Case("a", input="hi"), 0))
    assert output.value == "HI!!"


def test_closing_it_closes_the_users_target() -> None:
    target = _make(_Shouting)
    target.close()
    assert target.inner.is_closed


def test_a_target_without_close_is_left_alone() -> None:
    class Quiet:
        async def answer(self, case: Case, trial: int) -> Any:
            return f"{case.id}{trial}"

    _make(Quiet).close()


def test_what_it_returns_is_checked() -> None:
    class Wrong:
        async def answer(self, case: Case, trial: int) -> Any:
            return (case.id, trial)

    with pytest.raises(TypeError, match="the target returned tuple"):
        asyncio.run(_make(Wrong).answer(Case("a"), 0))


def test_a_factory_that_cannot_make_one_is_told() -> None:
    def broken() -> Any:
        raise OSError("no model file")

    assert _refused(broken) == 'suites.s.target: kind = "shouting" could not be made: OSError: no model file'
    assert _refused(_Shouting, endign="?").endswith("got an unexpected keyword argument 'endign'")
    assert _refused(dict) == 'suites.s.target: kind = "shouting" made dict: it needs async def answer'


def test_what_the_factory_says_to_the_user_is_left_as_it_is() -> None:
    def strict() -> Any:
        raise CallableError("set BOT_HOME")

    with pytest.raises(CallableError, match=r"^set BOT_HOME$"):
        _make(strict)


@pytest.mark.parametrize(
    ("kind", "told"),
    [("shoutin", 'did you mean "shouting"?'), ("xyz", "the hook pytest_evalgate_targets brings shouting")],
)
def test_an_unknown_kind_is_told_with_those_that_there_are(kind: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build_hook_target(config.HookTarget(kind=kind), {"shouting": _Shouting}, place="suites.s.target")
    assert str(caught.value) == f'suites.s.target.kind: no target is named "{kind}": {told}'


def test_no_hook_at_all_is_said() -> None:
    with pytest.raises(SettingsError, match="pytest_evalgate_targets brings none"):
        build_hook_target(config.HookTarget(kind="x"), {}, place="p")
