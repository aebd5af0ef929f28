"""Play a scene in this process, and return what a person reads."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from typing import TYPE_CHECKING, Final

from tests.mistakes.scenes import PROJECT

from pytest_evalgate.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pytest
    from tests.mistakes.scenes import Files, Scene

_PLUGINS: Final = ("randomly", "hypothesispytest", "asyncio", "anyio", "cov", "cacheprovider")
_QUIET: Final = " ".join(f"-p no:{name}" for name in _PLUGINS)
_NOISE: Final = re.compile(
    r"^(=+ .*|platform .*|rootdir: .*|configfile: .*|plugins: .*|collected .*|collecting .*|report: .*|testpaths: .*|"
    r"\S+ [.FEms]+ +\[ *\d+%\]|)$"
)
_VOLATILE: Final = (
    (re.compile(r"\b\d{8}T\d{6}Z-[0-9a-f]{4}\b"), "20261121T101500Z-3f9c"),
    (re.compile(r"127\.0\.0\.1:\d{2,5}"), "127.0.0.1:9999"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "8c1f2d0"),
    (re.compile(r"(?m)^(  ERROR) \d+x"), r"\1 Nx"),
    (re.compile(r"(first: golden/faq.jsonl):\d+"), r"\1:N"),
    (re.compile(r"\b\d+(\.\d+)? (m?s|seconds)\b"), "1 s"),
    (re.compile(r"\bin \d+(\.\d+)?s\b"), "in 1s"),
)


class Played:
    """What the last command of a scene printed."""

    def __init__(self, code: int, out: str, err: str, only: str) -> None:
        """Keep the lines that are reviewed."""
        self.code = code
        self.out = out
        self.err = err
        lines = [line for line in f"{out}\n{err}".splitlines() if not _NOISE.match(line)]
        self.text = "\n".join(line.rstrip() for line in lines if re.search(only, line))


def write(folder: Path, files: Files) -> None:
    """Write or remove files below a folder."""
    for name, text in files.items():
        path = folder / name
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def play(scene: Scene, pytester: pytest.Pytester, host: str) -> Played:
    """Run the steps of a scene in the folder of ``pytester``; ``host`` is that of a server that knows no path."""
    root = folder = pytester.path
    write(root, PROJECT | {name: text and text.replace("SERVER", host) for name, text in scene.files.items()})
    code, out, err = 0, "", ""
    for step in scene.steps:
        if not isinstance(step, str):
            write(root, step)
        elif step.startswith("cd "):
            folder = root / step.removeprefix("cd ")
        else:
            code, out, err = run(step, pytester, folder)
    return Played(code, _steady(out, root), _steady(err, root), scene.only)


def run(command: str, pytester: pytest.Pytester, folder: Path) -> tuple[int, str, str]:
    """Run one command of ours or of pytest in a folder."""
    program, *arguments = shlex.split(command)
    with contextlib.chdir(folder):
        if program == "pytest":
            done = pytester.runpytest_inprocess(*arguments)
            return int(done.ret), done.stdout.str(), done.stderr.str()
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(arguments)
            except SystemExit as end:
                code = int(end.code or 0)
        return code, out.getvalue(), err.getvalue()


@contextlib.contextmanager
def environment(more: Mapping[str, str], home: Path) -> Iterator[None]:
    """Run in the environment of a person who has no variable of ours, and no CI."""
    ours = ("EVALGATE_", "GITHUB_", "CI", "PYTEST_ADDOPTS", "OPENAI_", "CANDIDATE_")
    before = dict(os.environ)
    for name in [name for name in before if name.startswith(ours)]:
        del os.environ[name]
    os.environ.update({"COLUMNS": "400", "XDG_CONFIG_HOME": str(home / ".config"), "PYTEST_ADDOPTS": _QUIET, **more})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _steady(text: str, root: Path) -> str:
    text = text.replace(str(root.resolve()), "/home/me/shop").replace(str(root), "/home/me/shop")
    for pattern, word in _VOLATILE:
        text = pattern.sub(word, text)
    return text
