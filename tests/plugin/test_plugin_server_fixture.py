from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

from pytest_evalgate import testing

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

_FIXTURE = ("-p", "pytest_evalgate.plugin.server_fixture")


def test_each_test_gets_a_server_of_its_own(project: Project) -> None:
    project.write(
        "test_bot.py",
        """
import os
import urllib.request
import pytest
from pytest_evalgate.testing import Behaviour

def answer(question):
    url = os.environ["OPENAI_BASE_URL"] + "/ask"
    with urllib.request.urlopen(url, question.encode()) as reply:
        return reply.read().decode()

@pytest.mark.parametrize("text", ["30 days", "90 days"])
def test_the_bot(evalgate_server, monkeypatch, text):
    monkeypatch.setenv("OPENAI_BASE_URL", evalgate_server.base_url)
    evalgate_server.script(Behaviour.text(text))
    assert answer("How long?") == text
    assert [request.body for request in evalgate_server.requests] == ["How long?"]
""",
    )
    project.run(*_FIXTURE, gate=False).assert_outcomes(passed=2)


def test_the_fixture_alone_loads_no_server(project: Project) -> None:
    project.write(
        "test_it.py", "import sys\ndef test_it():\n    assert 'pytest_evalgate.testing' not in sys.modules\n"
    )
    command = (sys.executable, "-m", "pytest", "--disable-plugin-autoload", "-p", "no:cacheprovider", *_FIXTURE)
    assert project.pytester.run(*command).ret == 0


def test_the_examples_of_the_package_run(project: Project) -> None:
    assert testing.__doc__ is not None
    paragraphs = testing.__doc__.split("\n\n")
    examples = [textwrap.dedent(text) for text in paragraphs if text.startswith("    ")]
    project.write("test_of_a_user.py", "\n\n".join(["import myapp.bot", *examples]))
    project.write("myapp/__init__.py", "")
    project.write(
        "myapp/bot.py",
        """
import openai

def answer(question):
    messages = [{"role": "user", "content": question}]
    with openai.OpenAI() as client:
        return client.chat.completions.create(model="gpt-x-mini", messages=messages).choices[0].message.content
""",
    )
    project.run(*_FIXTURE, "test_of_a_user.py", gate=False).assert_outcomes(passed=2)
