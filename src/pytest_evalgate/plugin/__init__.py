"""Pytest plugin. It does nothing without ``--eval-gate``, so this module imports nothing heavy."""

from __future__ import annotations

import os
import shlex
import sys
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.plugin.options import BaseVariables, add_options, misspelt_option
from pytest_evalgate.plugin.server_fixture import evalgate_server  # noqa: F401 - pytest finds fixtures by their name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec

MARKER = "golden_set"
NOT_RUN = "golden set not run: pytest --eval-gate"
_HINT = "evalgate: golden sets are not run by plain pytest; run them with: pytest --eval-gate"


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options, and keep the variables that name the base branch as they are before any conftest is loaded."""
    add_options(parser)
    pluginmanager.register(BaseVariables(os.environ), BaseVariables.NAME)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hooks."""
    from pytest_evalgate import hookspec  # noqa: PLC0415 - pluggy only

    pluginmanager.add_hookspecs(hookspec)


def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Remove the verdict of an earlier session, before a conftest can abort this one. Refuse misspelt options."""
    if any(argument.startswith("--eval-") for argument in args):
        unknown = parser.parse_known_and_unknown_args(args)[1]
        if (message := misspelt_option(unknown)) is not None:
            raise pytest.UsageError(message)
    if early_config.known_args_namespace.eval_gate:
        _ImportedAsWritten.install(early_config)
        from pytest_evalgate.errors import StorageError  # noqa: PLC0415 - only for gated sessions
        from pytest_evalgate.runs.state import STATE_VARIABLE, state_of, storage_message  # noqa: PLC0415 - the same
        from pytest_evalgate.text import files  # noqa: PLC0415 - the same

        try:
            files.remove(state_of(early_config.rootpath, os.environ.get(STATE_VARIABLE)).verdict)
        except StorageError as error:
            raise pytest.UsageError(storage_message(error)) from None


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and under ``--eval-gate`` the session."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(*paths, suite=None, scorers=None, trials=None, target=None, concurrent=False): "
        "run the test once for each case of the golden sets",
    )
    if config.getoption("--eval-gate"):
        from pytest_evalgate.text.uncollected import without_garbage_collection  # noqa: PLC0415 - only if gated

        with without_garbage_collection():
            from pytest_evalgate.plugin.session import register  # noqa: PLC0415 - heavy

            register(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip every ``golden_set`` test if ``--eval-gate`` is missing; golden sets are not read then."""
    if not config.getoption("--eval-gate"):
        for item in items:
            if item.get_closest_marker(MARKER):
                item.add_marker(pytest.mark.skip(NOT_RUN))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the command that runs the golden sets which plain pytest skips."""
    if config.getoption("--eval-gate") or config.get_verbosity() < -1:
        return
    skipped = (report.longrepr for report in terminalreporter.stats.get("skipped", ()))
    was_skipped = any(isinstance(place, tuple) and NOT_RUN in str(place[2]) for place in skipped)
    typed = [str(arg) for arg in config.invocation_params.args]
    options = [arg for arg in typed if arg.startswith(("--eval-", "--no-eval-"))]
    golden = [arg for arg in typed if arg.partition("::")[0].endswith((".jsonl", ".ndjson"))]
    if options or golden:
        unused = options[0].partition("=")[0] if options else golden[0]
        command = shlex.join(["pytest", "--eval-gate", *typed])
        terminalreporter.write_line(f"evalgate: {unused} has no effect without --eval-gate: {command}")
    elif was_skipped or _is_configured(config):
        terminalreporter.write_line(_HINT)


class _ImportedAsWritten:
    """Finder of the modules of this package, before pytest's: rewriting made 200 imports cost 0.45 s, not 0.23 s.

    To be asked about a module and to refuse it takes pytest's finder 0.05 ms. The public way, PYTEST_DONT_REWRITE in
    the docstring of each module, saves nothing.
    """

    _prefix = __package__.partition(".")[0] + "."

    @classmethod
    def install(cls, config: pytest.Config) -> None:
        """Find modules until the session ends."""
        finder = cls()
        sys.meta_path.insert(0, finder)
        config.add_cleanup(lambda: sys.meta_path.remove(finder))

    def find_spec(self, name: str, path: Sequence[str] | None, _: object = None) -> ModuleSpec | None:
        """Return the spec of a module of this package; None for any other."""
        return PathFinder.find_spec(name, path) if name.startswith(self._prefix) else None


def _is_configured(config: pytest.Config) -> bool:
    """Return whether the project has a configuration, which is not parsed: plain pytest stays fast."""
    pyproject = config.rootpath / "pyproject.toml"
    if (config.rootpath / "evalgate.toml").is_file():
        return True
    try:
        return b"[tool.evalgate" in pyproject.read_bytes()
    except OSError:
        return False
