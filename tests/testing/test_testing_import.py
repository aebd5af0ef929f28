from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_evalgate import testing


def _loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_no_submodule() -> None:
    loaded = _loaded("import pytest_evalgate.testing")
    assert not {name for name in loaded if name.startswith("pytest_evalgate.testing.")}
    assert not {"pytest", "asyncio", "pydantic", "openai", "httpx"} & loaded


def test_every_name_loads_without_pytest() -> None:
    loaded = _loaded("from pytest_evalgate.testing import *")
    assert {"pytest_evalgate.testing.server", "pytest_evalgate.testing.fakes"} <= loaded
    assert not {"pytest", "_pytest", "openai", "httpx"} & loaded


def test_the_server_does_not_load_the_fakes() -> None:
    loaded = _loaded("from pytest_evalgate.testing import Behaviour, Request, ScriptedServer")
    assert not {"pytest_evalgate.testing.fakes", "asyncio", "pydantic", "pytest_evalgate.scorers"} & loaded


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        testing.Nothing  # noqa: B018 - the look-up is what is tried
