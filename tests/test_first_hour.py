"""The first hour: a spreadsheet becomes a gate, and a worse bot a red run whose comment shows question and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.first_hour import COMMANDS, Walk

import pytest_evalgate.gates  # noqa: F401 - numpy, which a process can load once only
from pytest_evalgate.cli import main

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest


def test_the_walk_ends_in_a_comment_that_explains_the_red_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(command: tuple[str, ...], _: Path, variables: Mapping[str, str]) -> tuple[int, str]:
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            code = int(pytester.runpytest(*command[1:]).ret) if command[0] == "pytest" else main(command[1:])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    monkeypatch.delenv("CI", raising=False)
    walk = Walk(pytester.path, run)
    walk.to_red()
    assert len(walk.seconds) == COMMANDS
    comment = (pytester.path / "comment" / "comment.md").read_text("utf-8")
    assert len(comment.splitlines()) < 80
    for words in (
        "## Eval gate: FAIL - faq ",  # of 14 worse answers, or of fewer if the run stopped early
        " cases got worse, 0 got better.",
        "drop this large would happen by luck in fewer than 1 of",
        "| Can I return a gift without the receipt? |",
        "| before | A <del>gift</del> can be returned <del>without the receipt:",
        "| now | A <ins>sale item</ins> can be returned <ins>for an exchange or a voucher.</ins> |",
        '| pass&nbsp;→&nbsp;miss | icontains: lacks "order number" |',
        "[Summary](https://github.com/acme/shop-bot/actions/runs/4711)",
    ):
        assert words in comment
    assert "cases got worse" in (pytester.path / ".evalgate" / "report.html").read_text("utf-8")
