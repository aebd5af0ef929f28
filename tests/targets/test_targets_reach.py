"""Questions that do not reach the application, whatever the template looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate import config
from pytest_evalgate.golden.record import parse_row
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.targets.http import HttpTargetRunner
from pytest_evalgate.targets.model import ModelTargetRunner
from pytest_evalgate.targets.prompts import parse_prompt
from pytest_evalgate.targets.reach import check_reach, foreign_arguments, foreign_placeholders

if TYPE_CHECKING:
    from collections.abc import Sequence

_CLIENT: Any = None
_PLACE = "suites.s.target"


def _cases(*rows: dict[str, Any]) -> list[Case]:
    made = [parse_row({"id": f"c{line}", **row}, Place("g.jsonl", line)).case for line, row in enumerate(rows, 1)]
    return [case for case in made if case is not None]


_LONG = [{"input": q, "vars": {"long": q == "a"}} for q in "abc"]
_TWO = ({"input": "first?"}, {"input": "second?"})


def _model(prompt: str | None, system: str | None = None, api: str = "chat") -> ModelTargetRunner:
    spec, model = config.ModelTarget(model="m"), config.Model.model_validate({"model": "m", "api": api})
    made = [
        None if text is None else parse_prompt(text, name=name) for name, text in (("p.md", prompt), ("s.md", system))
    ]
    return ModelTargetRunner(spec, model, "s", _CLIENT, prompt=made[0], system=made[1])


def _http(**request: Any) -> HttpTargetRunner:
    made = config.HttpRequest.model_validate({"url": "https://example.org/ask", **request})
    return HttpTargetRunner(made, "s", "1", _CLIENT)


def _messages(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def _found(target: Any, rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(map(str, check_reach(target, _cases(*rows), _PLACE)))


@pytest.mark.parametrize(
    "prompt",
    [
        "Answer the question: {input}",
        "Answer the question: ${input}",
        "Answer the question: %(input)s",
        "Answer the question: [[input]]",
        "Answer the question: <<input>>",
        "Answer the question: {{ '{{ input }}' }}",
        "Answer the question: {% raw %}{{ input }}{% endraw %}",
        "Answer the question.",
        "Answer {{ case.id }}.",
        "{# {{ input }} #}Answer.",
        "{% if vars.never is defined %}{{ input }}{% endif %}Answer.",
        "{% set input = 'fixed' %}{{ input }}",
        "{{ input[:0] }}Answer.",
        "",
    ],
)
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_prompt_without_the_input(prompt: str, api: str) -> None:
    (found,) = _found(_model(prompt, api=api), _TWO)
    assert found.startswith("g.jsonl:1: suites.s.target: no question reaches the application")
    assert "put {{ input }} into p.md" in found


@pytest.mark.parametrize(
    ("target", "rows"),
    [
        (_model("Answer: {{ input }}"), _TWO),
        (_model("Answer: {{ case.input }}"), _TWO),
        (_model("Answer: {{ input | upper }}"), _TWO),
        (_model("Only: {{ input.text }}"), ({"input": {"text": "a"}}, {"input": {"text": "b"}})),
        (_model("Only: {{ input + 1 }}"), ({"input": 1}, {"input": 2})),
        (_model(None), _TWO),
        (_model(None, system="You are kind."), _TWO),
        (_model("The end.", system="You are asked: {{ input }}"), _TWO),
        (_model("Answer the last message."), (_messages("a?"), _messages("b?"))),
        (_model("Summarise {{ topic }}"), ({"vars": {"topic": "a"}}, {"vars": {"topic": "b"}})),
        (_model("Summarise {{ topic }}"), [{"input": q, "vars": {"topic": q}} for q in "ab"]),
        (_model("Summarise: {{ case.context }}"), [{"input": "sum", "context": [q]} for q in "ab"]),
        (_model("Write a poem."), ({"input": None}, {"input": ""})),
        (_http(body={"question": "{{ input }}"}), _TWO),
        (_http(url="https://example.org/ask?q={{ input }}", method="GET"), _TWO),
        (_http(body={"all": "{{ case.messages }}"}), (_messages("a?"), _messages("b?"))),
    ],
)  # fmt: skip
def test_a_question_that_reaches_the_application(target: Any, rows: Sequence[dict[str, Any]]) -> None:
    assert not _found(target, rows)


@pytest.mark.parametrize(
    ("target", "rows", "lines"),
    [
        (_model("In {{ language }}."), [{"input": q, "vars": {"language": "de"}} for q in ("a", "b")], [1, 2]),
        (_model(None), [{"input": q, **_messages("the same")} for q in ("a", "b")], [1, 2]),
        (_http(body={"id": "{{ case.id }}"}), _TWO, [1]),
        (_http(body={"id": "{{ case.id }}", "question": "{input}"}), _TWO, [1]),
        (_http(body={"language": "{{ vars.l }}"}), [{"input": q, "vars": {"l": "de"}} for q in ("a", "b")], [1, 2]),
        (_model("{% if long %}{{ input }}{% endif %}"), _LONG, [2, 3]),
    ],
)  # fmt: skip
def test_a_question_that_is_lost(target: Any, rows: Sequence[dict[str, Any]], lines: list[int]) -> None:
    assert [problem.line for problem in check_reach(target, _cases(*rows), _PLACE)] == lines


def test_a_template_that_fails_for_every_case_is_one_problem() -> None:
    (found,) = _found(_model("{{ question }}"), _TWO)
    assert found.startswith("g.jsonl:1: suites.s.target: p.md:1: 'question' is undefined; defined are input")
    assert found.endswith("(the same on line 2)")


def test_placeholders_of_other_syntaxes_are_named() -> None:
    target = _model('{{ input }} in {language}, with {context}: {"json": 1} {unknown} $input', "In ${language}")
    cases = _cases({"input": "a {question}", "vars": {"language": "de"}})
    assert foreign_placeholders(target, cases) == ["${language}", "{language}", "{context}"]


def test_arguments_of_a_command_are_passed_as_they_stand() -> None:
    arguments = ["python", "app.py", "{{ input }}", "--q={input}", "{}", '--json={"a": 1}', "${input}", "{{x}}"]
    assert list(foreign_arguments(arguments)) == ["{{ input }}", "--q={input}", "${input}", "{{x}}"]
