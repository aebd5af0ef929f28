"""Functions that look like the application under test, found in the source of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.app.application import find_applications

if TYPE_CHECKING:
    from pathlib import Path

_BOT = "def answer(question: str) -> str:\n    return question\n"


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")


@pytest.mark.parametrize(
    ("code", "spec"),
    [
        ("def answer(question): ...", "bot:answer"),
        ("async def chat(msg: str, *, temperature=0.0, **more) -> str: ...", "bot:chat"),
        ("def ask(anything: str): ...", "bot:ask"),
        ("def run(prompt: str, model='x'): ...", "bot:run"),
        ("def ask(q): ...\ndef answer(q): ...", "bot:answer"),
        ("def run(prompt): ...\ndef respond(x: str): ...", "bot:run"),
        ("def run(config: str): ...", None),
        ("def answer(question: dict): ...", None),
        ("def answer(a, b): ...", None),
        ("def answer(question, *, key): ...", None),
        ("def answer(): ...", None),
        ("def answer(question): yield 1", None),
        ("def answer(question) -> None: ...", None),
        ("@app.post('/')\ndef answer(question): ...", None),
        ("class Bot:\n    def answer(self, question): ...", None),
        ("def _answer(question): ...", None),
        ("def answer(question: ", None),
        ("raise SystemExit('imported')\ndef answer(question): ...", "bot:answer"),
    ],
)
def test_the_application_is_found_without_importing_it(tmp_path: Path, code: str, spec: str | None) -> None:
    _write(tmp_path, {"bot.py": code})
    found = find_applications(tmp_path)
    assert (found[0].spec if found else None) == spec


def test_packages_are_searched_and_tests_are_not(tmp_path: Path) -> None:
    names = ("src/shop/__init__.py", "src/shop/bot/core.py", "tests/test_bot.py", "docs/conf.py", "setup.py",
             "venv/lib/bot.py", "scripts/ask.py", "not-a-package/bot.py")  # fmt: skip
    _write(tmp_path, dict.fromkeys(names, _BOT))
    assert [(one.spec, one.root) for one in find_applications(tmp_path)] == [
        ("shop:answer", "src"),
        ("shop.bot.core:answer", "src"),
    ]
