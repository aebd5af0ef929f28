"""Functions of the project that look like the application under test, read from the source without importing it."""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING, Final

from pytest_evalgate.frozen import dataclass
from pytest_evalgate.text.files import read_bytes
from pytest_evalgate.text.folders import walk_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAMES: Final = ("answer", "ask", "chat", "respond", "reply", "run", "generate", "query", "invoke", "complete")
"""Names of the function, the most certain first."""

_CERTAIN: Final = 5
"""Of these, the first ones are recognised by an annotation alone; the others need a parameter for a question, too."""

_QUESTIONS: Final = frozenset(
    {"question", "prompt", "message", "query", "text", "input", "user_input", "user_message", "msg", "q"}
)
_NOT_PACKAGES: Final = frozenset(
    {"test", "tests", "testing", "doc", "docs", "example", "examples", "scripts", "evals"}
)
_NOT_MODULES: Final = re.compile(r"(setup|conftest|noxfile|fabfile|tasks|manage|test_.*|.*_test)\.py")
_LARGEST: Final = 1_000_000
_DEPTH: Final = 4
_MOST_MODULES: Final = 2_000

_KEY_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*(KEY|TOKEN|SECRET)")
_CLIENTS: Final = {
    "OpenAI": "OPENAI_API_KEY",
    "AsyncOpenAI": "OPENAI_API_KEY",
    "AzureOpenAI": "AZURE_OPENAI_API_KEY",
    "AsyncAzureOpenAI": "AZURE_OPENAI_API_KEY",
    "Anthropic": "ANTHROPIC_API_KEY",
    "AsyncAnthropic": "ANTHROPIC_API_KEY",
}
"""Clients that read their key from a variable unless they get one."""


@dataclass(frozen=True, slots=True)
class Application:
    """A function from a question to an answer.

    Args:
        spec: Its name, as ``package.module:function``.
        file: Its file, relative to the root folder.
        line: Its line.
        signature: Its signature, without defaults.
        keys: Names of the variables that its module reads keys from.
        root: Folder that has to be on Python's path, relative to the root folder; empty for the root folder itself.
    """

    spec: str
    file: str
    line: int
    signature: str
    keys: tuple[str, ...] = ()
    root: str = ""


def find_applications(root: Path) -> tuple[Application, ...]:
    """Return the functions that look like an application, the most certain first."""
    found = [(rank, application) for path in _modules(root) for rank, application in _applications(path, root)]
    return tuple(application for _, application in sorted(found, key=lambda one: (one[0], one[1].file, one[1].line)))


def _modules(root: Path) -> Iterator[Path]:
    for path in walk_files(root, depth=_DEPTH, most=_MOST_MODULES, enter=lambda folder: folder.name.isidentifier()):
        if path.suffix == ".py" and path.stem.isidentifier() and not _NOT_MODULES.fullmatch(path.name):
            folders = path.relative_to(root).parts[:-1]
            if _NOT_PACKAGES.isdisjoint(folders):
                yield path


def _applications(path: Path, root: Path) -> Iterator[tuple[tuple[int, int], Application]]:
    module = _parsed(path)
    if module is None:
        return
    file = path.relative_to(root)
    parts = file.with_suffix("").parts
    top = "src" if parts[0] == "src" and len(parts) > 1 else ""
    name = ".".join(parts[1:] if top else parts).removesuffix(".__init__")
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (rank := _rank(node)) is not None:
            shown = f"{'async ' if isinstance(node, ast.AsyncFunctionDef) else ''}{node.name}({_parameter(node)})"
            keys = tuple(dict.fromkeys(_keys(module)))
            application = Application(f"{name}:{node.name}", file.as_posix(), node.lineno, shown, keys, top)
            yield (rank, len(parts)), application


def _parsed(path: Path) -> ast.Module | None:
    try:
        if path.stat().st_size > _LARGEST:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes
            return ast.parse(read_bytes(path))
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def _rank(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int | None:
    """Return how certain it is that a function is the application, from 0; None if it cannot be one."""
    if node.name not in _NAMES or node.decorator_list or _is_generator(node):
        return None
    required = _required(node)
    if len(required) != 1 or (isinstance(node.returns, ast.Constant) and node.returns.value is None):
        return None
    takes_text = _annotation(required[0]) == "str"
    takes_question = required[0].arg in _QUESTIONS and _annotation(required[0]) in ("", "str")
    place = _NAMES.index(node.name)
    if not takes_question and not (takes_text and place < _CERTAIN):
        return None
    return place + len(_NAMES) * (not takes_question)


def _required(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    """Return the parameters without a default; ``*args`` and ``**kwargs`` are optional."""
    positional = [*node.args.posonlyargs, *node.args.args]
    optional = len(node.args.defaults)
    keywords = [arg for arg, value in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if value is None]
    return [*positional[: len(positional) - optional], *keywords, *keywords]  # a required keyword is one too many


def _annotation(arg: ast.arg) -> str:
    return "" if arg.annotation is None else ast.unparse(arg.annotation).strip("'\"")


def _parameter(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    arg = _required(node)[0]
    return f"{arg.arg}: {_annotation(arg)}" if arg.annotation is not None else arg.arg


def _is_generator(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node))


def _keys(module: ast.Module) -> Iterator[str]:
    """Yield the names of the variables that a module reads keys from."""
    for node in ast.walk(module):
        if isinstance(node, ast.Subscript) and _last_name(node.value) == "environ":
            yield from _key_name(node.slice)
        elif isinstance(node, ast.Call):
            name = _last_name(node.func)
            if name in ("getenv", "get") and node.args and (name == "getenv" or _is_environ(node.func)):
                yield from _key_name(node.args[0])
            elif name in _CLIENTS and not any(keyword.arg in ("api_key", None) for keyword in node.keywords):
                yield _CLIENTS[name]


def _is_environ(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and _last_name(function.value) == "environ"


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _key_name(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _KEY_NAME.fullmatch(node.value):
        yield node.value
