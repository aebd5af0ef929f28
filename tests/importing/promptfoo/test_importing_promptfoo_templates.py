from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.golden.dialects.transforms import read_transform
from pytest_evalgate.importing.promptfoo import nunjucks
from pytest_evalgate.importing.promptfoo.expressions import read_javascript, read_python
from pytest_evalgate.importing.promptfoo.nunjucks import NunjucksError, render, translate

RENDERED: list[tuple[str, dict[str, Any], str]] = [
    ("Hi {{name}}", {"name": "Ada"}, "Hi Ada"),
    ("Hi {{ unknown }}{{ unknown.part }}!", {}, "Hi !"),
    ("{{ a === 1 and b !== 'x' }}", {"a": 1, "b": "y"}, "true"),
    ("{% if a === null %}none{% elseif a.length > 2 %}long{% else %}short{% endif %}", {"a": "abc"}, "long"),
    ("{% for one in list %}{{ loop.index }}{{ one }}{% endfor %}", {"list": ["a", "b"]}, "1a2b"),
    ("{{ object | dump }} {{ list }}", {"object": {"a": [1]}, "list": [1, "b"]}, '{"a":[1]} 1,b'),
    ("{{ number }} {{ whole }} {{ yes }}", {"number": 0.5, "whole": 3.0, "yes": True}, "0.5 3 true"),
    ("{{ text | upper | replace('B', 'x') | trim }}", {"text": " ab "}, "Ax"),
    ("{{ missing | default('d') }}", {}, "d"),
    ("{{ person.items }}", {"person": {"items": "few"}}, "few"),
    ("{# a comment #}{% raw %}{{ kept }}{% endraw %}", {}, "{{ kept }}"),
    ("'a === b' {{ 'a === b' }}", {}, "'a === b' a === b"),
    ("{{ env.CITY }}", {}, "Oslo"),
]


@pytest.mark.parametrize(("template", "variables", "text"), RENDERED)
def test_a_template_renders_as_in_nunjucks(template: str, variables: dict[str, Any], text: str) -> None:
    assert render(template, variables, {"CITY": "Oslo"}) == text


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ a | nl2br }}", 'the filter "nl2br", which has no equivalent'),
        ("{{ a.toUpperCase() }}", 'the method "toUpperCase" of JavaScript'),
        ("{% include 'other.txt' %}", 'the tag "include"'),
        ("{{#each rows}}", "not a template of Jinja"),
        ("{{ env.SECRET }}", "reads an environment variable"),
        ("{{ a", "not a template of Jinja"),
        ("{{ helper(a) }}", "calls a function"),
    ],
)
def test_what_has_no_equivalent_is_a_problem(template: str, reason: str) -> None:
    if template == "{{ a":  # Nunjucks sends it as it is, and so does an import
        assert render(template, {}, {}) == template
        return
    with pytest.raises(NunjucksError, match=reason):
        translate(template, {})


def test_a_template_cannot_reach_python_or_run_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nunjucks, "MOST_CHARACTERS", 100)
    for template in ("{{ ''.__class__.__mro__ }}", "{{ a.__init__.__globals__ }}"):
        assert render(template, {"a": print}, {}) == ""
    with pytest.raises(NunjucksError, match="longer than 100"):
        render("{% for a in range(50000) %}{{ a }}{% endfor %}", {}, {})


TRUE_FOR = [
    ("output.includes('a') && !output.includes(\"b\")", ["contains", "not-contains"]),
    ("output.toLowerCase().includes('ab')", ["icontains"]),
    ("(output.includes('a') || output.includes('b'))", ["contains-any"]),
    ("return output.length >= 3 && output.length < 10;", ["length", "length"]),
    ("output.includes('a') ? 1 : 0", ["contains"]),
    ("/a|b && c/i.test(output)", ["regex"]),
    ("output.match(/x/) !== null", ["regex"]),
    ("const d = JSON.parse(output);\nreturn d.meta?.code === context.vars.code;", ["json-fields"]),
    ("const d = JSON.parse(output); return /no|never/.test(d.answer || '');", ["regex"]),
    ("JSON.parse(output).name.startsWith('A')", ["starts-with"]),
]


@pytest.mark.parametrize(("code", "kinds"), TRUE_FOR)
def test_simple_javascript_becomes_rules(code: str, kinds: list[str]) -> None:
    specs = read_javascript(code, {"code": "X"})
    assert specs is not None
    assert [spec["kind"] for spec in specs] == kinds


@pytest.mark.parametrize(
    "code",
    [
        "output.split(' ').length < 5",
        "output.length",
        "Math.random() > 0.5",
        "output.toLowerCase().includes('Upper')",
        "!(output.includes('a') && output.includes('b'))",
        "/^a$/m.test(output)",
        "output.includes(`${name}`)",
        "let n = 3; return output.length > n",
        "output.includes('a') || output.length > 3",
        "process.exit(1)",
        "output.length > 3 ? 0.5 : 0",
    ],
)
def test_other_javascript_is_not_guessed(code: str) -> None:
    assert read_javascript(code, {}) is None


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        ("'a' in output and 'b' not in output.lower()", ["contains", "not-icontains"]),
        ("len(output.split()) <= 9", ["word-count"]),
        ("not output.startswith('x')", ["not-starts-with"]),
        ("output.strip().lower() == 'yes'", None),
        ("context['vars']['name'] in output", ["contains"]),
        ("'a' in output or len(output) > 3", None),
        ("eval('1')", None),
        ("(", None),
    ],
)
def test_simple_python_becomes_rules(code: str, kinds: list[str] | None) -> None:
    specs = read_python(code, {"name": "Ada"})
    assert (None if specs is None else [spec["kind"] for spec in specs]) == kinds


@pytest.mark.parametrize(
    ("code", "field", "strips"),
    [
        ("output.answer.text", "answer.text", False),
        ("JSON.parse(output)['rows'][0].name", "rows.0.name", False),
        ("output?.a?.b", "a.b", False),
        ("output.trim()", "", True),
        ("return JSON.parse(output).a.trim();", "a", True),
    ],
)
def test_a_path_is_read_from_a_transform(code: str, field: str, strips: bool) -> None:  # noqa: FBT001 - a column
    made = read_transform(code)
    assert made is not None
    assert (made.field, made.strips) == (field, strips)


@pytest.mark.parametrize("code", ["output.split(',')[0]", "output.length", "file://t.js", "output.rows.map(r => r.a)"])
def test_other_transforms_are_code(code: str) -> None:
    assert read_transform(code) is None


@given(st.text("output.includes('a')&|!/[]{} \n;=<3?:", max_size=40))
def test_any_text_is_read_or_refused(code: str) -> None:
    for read in (read_javascript, read_python):
        specs = read(code, {})
        assert specs is None or all("kind" in spec for spec in specs)
