"""Configuration: ``[tool.evalgate]`` in pyproject.toml, or the same keys in evalgate.toml, as frozen records."""

from __future__ import annotations

import difflib
import tomllib
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pytest_evalgate.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

CONFIG_FILE = "evalgate.toml"
PYPROJECT_FILE = "pyproject.toml"
SCHEMA_COMMAND = "pytest-evalgate schema"

Share = Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False)]
Margin = Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)]
Alpha = Annotated[float, Field(strict=True, gt=0, lt=0.5, allow_inf_nan=False)]


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple, json_schema_input_type=str | tuple[str, ...])]
FileName = Annotated[str, Field(min_length=1)]
_SomeFiles = Annotated[tuple[FileName, ...], Field(min_length=1)]
FileNames = Annotated[_SomeFiles, BeforeValidator(_as_tuple, json_schema_input_type=FileName | _SomeFiles)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class PassRateGate(_Table):
    """The pass rate, or its one-sided exact lower bound at 95 %, reaches ``min``."""

    kind: Literal["pass-rate"]
    min: Share
    bound: Literal["ci", "point"] = "ci"


class NoRegressionGate(_Table):
    """No proven drop against the baseline; ``margin`` is the largest drop that is accepted, as a share."""

    kind: Literal["no-regression"]
    alpha: Alpha = 0.05
    margin: Margin | None = None
    fail_on: Literal["regressed", "not_proven", "tolerance"] = "regressed"

    @model_validator(mode="after")
    def _policy_has_its_margin(self) -> Self:
        if self.fail_on != "regressed" and self.margin is None:
            raise ValueError(f'fail_on = "{self.fail_on}" needs a margin, for example margin = 0.05')
        return self


class MustPassGate(_Table):
    """Every case that carries one of ``tags`` (every case, if there are none) passes in every trial."""

    kind: Literal["must-pass"]
    tags: Names = ()


Gate = Annotated[PassRateGate | NoRegressionGate | MustPassGate, Field(discriminator="kind")]


class RecordedTarget(_Table):
    """Outputs that were recorded earlier: one JSONL file, or one a trial, joined by id.

    ``output`` is the dotted path of the output inside a row.
    """

    recorded: FileNames
    output: str = "output"


class PythonTarget(_Table):
    """A callable, ``"pkg.mod:name"``."""

    python: str = Field(pattern=r"^[\w.]+:[\w.]+$")


Target = RecordedTarget | PythonTarget


def _target_table(value: Any) -> Any:
    """Pick the kind of target by its key, so that an error speaks of one kind only."""
    if not isinstance(value, dict):
        return value
    kinds: dict[str, type[_Table]] = {"recorded": RecordedTarget, "python": PythonTarget}
    named = [key for key in kinds if key in value]
    if len(named) != 1:
        raise ValueError(f"a target has exactly one of {', '.join(kinds)}; got {', '.join(value) or 'nothing'}")
    return kinds[named[0]].model_validate(value)


class Suite(_Table):
    """A golden set with its target, scorers and gates.

    A suite without a target belongs to tests marked ``golden_set``, or to rows that hold recorded outputs.
    """

    golden: FileNames
    target: Annotated[Target | None, BeforeValidator(_target_table)] = None
    scorers: tuple[str | dict[str, Any], ...] = Field(default=("exact",), min_length=1)
    threshold: Share | None = None
    trials: int | None = Field(default=None, strict=True, ge=1, le=1000)
    slices: tuple[str, ...] = ()
    baseline: str | None = None
    gates: tuple[Gate, ...] | None = None
    mode: Literal["blocking", "advisory"] = "blocking"


class Settings(_Table):
    """The whole table."""

    on_inconclusive: Literal["warn", "fail"] = "warn"
    on_missing_baseline: Literal["fail", "record"] | None = None
    max_error_rate: float = Field(default=0.0, strict=True, ge=0, le=1, allow_inf_nan=False)
    suites: dict[str, Suite] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _suite_names_are_plain(self) -> Self:
        for name in self.suites:
            if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name.startswith("."):
                raise ValueError(f"suite name {name!r}: use letters, digits, '-', '_' and '.'")
        return self


def load(root: Path) -> Settings:
    """Read the settings of the project at ``root``; defaults where it has none.

    Raises:
        SettingsError: both files hold the table, the TOML does not parse, or a key or value is wrong; every problem
            is listed as ``file: key: message``.

    """
    tables = [(name, table) for name in (CONFIG_FILE, PYPROJECT_FILE) if (table := _table(root / name)) is not None]
    if len(tables) > 1:
        raise SettingsError(
            f"{CONFIG_FILE} and [tool.evalgate] in {PYPROJECT_FILE} are both present: keep one of them"
        )
    if not tables:
        return Settings()
    name, table = tables[0]
    try:
        return Settings.model_validate(table)
    except ValidationError as error:
        raise SettingsError("\n".join(f"{name}: {line}" for line in _problems(error))) from None


def is_configured(root: Path) -> bool:
    """Tell whether the project at ``root`` has a table of ours (its content is not looked at)."""
    return any(_table(root / name) is not None for name in (CONFIG_FILE, PYPROJECT_FILE))


def find_root(start: Path) -> Path:
    """Return the nearest folder from ``start`` upwards that is configured; ``start`` itself if none is."""
    return next((folder for folder in (start, *start.parents) if is_configured(folder)), start)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the table."""
    return Settings.model_json_schema()


def parse_target(spec: str, instead_of: Target | None = None) -> Target:
    """Read a target from the command line: ``recorded:FILE[,FILE...]`` or ``python:pkg.mod:name``.

    Other recordings are read as those that they stand in for: from the same ``output`` path.

    Raises:
        SettingsError: it is neither, or what follows is not well formed.

    """
    kind, _, rest = spec.partition(":")
    recorded = {"output": instead_of.output} if isinstance(instead_of, RecordedTarget) else {}
    tables: dict[str, dict[str, Any]] = {
        "recorded": {"recorded": rest.split(","), **recorded},
        "python": {"python": rest},
    }
    if kind not in tables or not rest:
        raise SettingsError(f"--eval-target {spec}: write recorded:FILE or python:pkg.mod:name")
    try:
        target: Target = _target_table(tables[kind])
    except ValidationError as error:
        raise SettingsError(f"--eval-target {spec}: {'; '.join(_problems(error))}") from None
    return target


def _table(path: Path) -> dict[str, Any] | None:
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SettingsError(f"{path.name}: cannot be read: {error.strerror}") from None
    if path.name == PYPROJECT_FILE and b"evalgate" not in text:
        return None
    try:
        data = tomllib.loads(text.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name}: {error}") from None
    if path.name == PYPROJECT_FILE:
        tool = data.get("tool")
        table = tool.get("evalgate") if isinstance(tool, dict) else None
        if table is not None and not isinstance(table, dict):
            raise SettingsError(f"{path.name}: tool.evalgate has to be a table, not {table!r}")
        return table
    return data


def _problems(error: ValidationError) -> list[str]:
    return [_problem(problem) for problem in error.errors(include_url=False)]


def _problem(problem: Any) -> str:
    loc = tuple(
        part for before, part in pairwise((None, *problem["loc"])) if not (isinstance(before, int) and part in _KINDS)
    )
    key = ".".join(str(part) for part in loc)
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = f"unknown key{_did_you_mean(str(loc[-1]))}"
    elif not isinstance(problem["input"], dict | list | tuple) and problem["type"] != "missing":
        message = f"{message} (got {problem['input']!r})"
    return f"{key}: {message}" if key else message


_MODELS = (Settings, Suite, PassRateGate, NoRegressionGate, MustPassGate, RecordedTarget, PythonTarget)
_KEYS = sorted({key for model in _MODELS for key in model.model_fields})
_KINDS = {"pass-rate", "no-regression", "must-pass"}
"""What pydantic adds to the place of an error in a list of gates."""


def _did_you_mean(key: str) -> str:
    near = difflib.get_close_matches(key, _KEYS, n=1)
    return f': did you mean "{near[0]}"?' if near else f"; the known keys are listed by: {SCHEMA_COMMAND}"
