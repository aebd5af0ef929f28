from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import pytest_evalgate

_PACKAGES = sorted(
    {module.name for module in pkgutil.walk_packages(pytest_evalgate.__path__, "pytest_evalgate.") if module.ispkg}
    | {"pytest_evalgate"}
)


@pytest.mark.parametrize("name", _PACKAGES)
def test_what_a_package_exports_is_sorted_and_there(name: str) -> None:
    package = importlib.import_module(name)
    exported = list(getattr(package, "__all__", []))
    constants = [word for word in exported if word.isupper()]
    classes = [word for word in exported if word[0].isupper() and not word.isupper()]
    others = [word for word in exported if not word[0].isupper()]
    assert exported == sorted(constants) + sorted(classes) + sorted(others)
    assert all(getattr(package, word) is not None for word in exported)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        pytest_evalgate.Nothing  # noqa: B018 - the look-up is what is tried


def test_every_public_name_loads_when_it_is_asked_for() -> None:
    code = (
        "import sys, pytest_evalgate as evalgate\n"
        "early = [name for name in sys.modules if name.startswith('pytest_evalgate.')]\n"
        "assert not early, early\n"
        "assert all(getattr(evalgate, name).__name__ == name for name in evalgate.__all__)\n"
        "heavy = {'numpy', 'scipy', 'pydantic', 'openai', 'httpx', 'pytest', 'asyncio'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
