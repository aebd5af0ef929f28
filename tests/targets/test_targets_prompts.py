from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.data import Case, Place
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.targets.prompts import load_prompt, parse_prompt

if TYPE_CHECKING:
    from pathlib import Path

_CASE = Case(
    "refund-1",
    input="Where is my money?",
    vars={"lang": "de", "facts": ["a", "b"], "person": {"name": "Ada", "items": 3}, "input": "hidden"},
    context=("one", "two"),
    tags=("lang:de",),
    metadata={"source": "mail"},
    messages=({"role": "user", "content": "hi"},),
    expected="30 days",
    rubric="be polite",
    place=Place("golden/faq.jsonl", 17),
)


def _render(template: str, case: Case = _CASE) -> str:
    return parse_prompt(template, name="prompts/faq.md").render(case)


def _refused(template: str, case: Case = _CASE) -> str:
    with pytest.raises(SettingsError) as caught:
        _render(template, case)
    return str(caught.value)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("no names at all", "no names at all"),
        ("Q: {{ input }}", "Q: Where is my money?"),
        ("{{ lang }}/{{ vars.lang }}/{{ vars['lang'] }}", "de/de/de"),
        ("{{ vars.input }}", "hidden"),
        ("{{ case.id }} {{ case.tags[0] }} {{ case.metadata.source }}", "refund-1 lang:de mail"),
        ("{% for text in case.context %}- {{ text }}\n{% endfor %}", "- one\n- two\n"),
        (
            "{% for x in case.context %}{{ loop.index }}.{{ x }}{{ '' if loop.last else ', ' }}{% endfor %}",
            "1.one, 2.two",
        ),
        ("{% for key, value in person|items %}{{ key }}={{ value }};{% endfor %}", "name=Ada;items=3;"),
        ("{{ person.items }}", "3"),
        ("{{ case.messages|map(attribute='content')|join(',') }}", "hi"),
        ("{% if lang == 'de' %}Deutsch{% else %}English{% endif %}", "Deutsch"),
        ("{{ {'de': 'German', 'en': 'English'}[lang] }}", "German"),
        ("{% if lang in ['de', 'at'] %}yes{% endif %}", "yes"),
        ("{{ facts|join(' + ') }} {{ facts|length }} {{ facts[:1] }}", 'a + b 2 ["a"]'),
        ("{{ missing|default('none') }}{% if missing is defined %}!{% endif %}", "none"),
        ("{{ person.age|default('?') }}", "?"),
        ("{{ person }} {{ 1.5 }} {{ true }} {{ none }}", '{"name": "Ada", "items": 3} 1.5 true null'),
        ("{{ person|tojson(indent=1) }}", '{\n "name": "Ada",\n "items": 3\n}'),
        ("{{ 'a' + lang }} {{ 2 * 3 + 7 % 4 }} {{ lang|replace('d', 'n')|upper }}", "ade 9 NE"),
        ("{% raw %}{{ input }}{% endraw %}{# a comment #}", "{{ input }}"),
        ("<b>{{ '&' }}</b>", "<b>&</b>"),
        ("one line end is cut\n", "one line end is cut"),
    ],
)
def test_what_a_template_says(template: str, text: str) -> None:
    assert _render(template) == text


@pytest.mark.parametrize("name", ["expected", "case.expected", "case.rubric", "rubric", "case.reference_context"])
def test_what_is_wanted_is_not_for_the_prompt(name: str) -> None:
    assert f"'{name.rpartition('.')[2]}'" in _refused(f"{{{{ {name} }}}}")


def test_an_undefined_name_is_told_with_template_line_and_case() -> None:
    assert _refused("a\nb {{ langg }}") == (
        "prompts/faq.md:2: 'langg' is undefined; there are lang, facts, person, input, vars, case; "
        'in case "refund-1" (golden/faq.jsonl:17)'
    )
    assert _refused("{% for x in\n nothing.there %}{% endfor %}").startswith(
        "prompts/faq.md:1: 'nothing' is undefined"
    )
    assert _refused("\n\n{{ person.age }}").startswith("prompts/faq.md:3: 'dict object' has no attribute 'age'")


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("a\n{{ input", "prompts/faq.md:2: unexpected end of template"),
        ("{% if input %}", "prompts/faq.md:1: Unexpected end of template"),
        ("{{ input|shout }}", "prompts/faq.md:1: no filter is named shout; there are abs, capitalize"),
        ("\n{% include 'secrets.txt' %}", "prompts/faq.md:2: include is not part of prompt templates"),
        ("{% extends 'a' %}", "prompts/faq.md:1: extends is not part"),
        ("{% from 'a' import b %}", "prompts/faq.md:1: fromimport is not part"),
        ("{% set a = 1 %}", "prompts/faq.md:1: set is not part"),
        ("{% set a %}b{% endset %}", "prompts/faq.md:1: set is not part"),
        ("{% with a = 1 %}{% endwith %}", "prompts/faq.md:1: with is not part"),
        ("{% block a %}{{ self.a() }}{% endblock %}", "prompts/faq.md:1: block is not part"),
        ("{% filter upper %}a{% endfilter %}", "prompts/faq.md:1: filterblock is not part"),
        ("{{ input ~ lang }}", "prompts/faq.md:1: ~ (write one {{ }} after the other) is not part"),
        ("{% for a in facts recursive %}{% endfor %}", "prompts/faq.md:1: a recursive loop is not part"),
        ("{{ [facts, facts] }}", "prompts/faq.md:1: a list or dict that is written in a prompt template holds"),
        ("{{ {'a': facts} }}", "prompts/faq.md:1: a list or dict that is written in a prompt template holds"),
        ("{{ (facts, 1) }}", "prompts/faq.md:1: a list or dict that is written in a prompt template holds"),
        ("{{ " + "(" * 900 + "1" + ")" * 900 + " }}", "prompts/faq.md: nested too deeply"),
        ("{% for a in facts %}" * 30 + "{% endfor %}" * 30, "prompts/faq.md: nested too deeply"),
    ],
)
def test_what_is_no_prompt_template_is_refused_when_it_is_loaded(template: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_prompt(template, name="prompts/faq.md")
    assert str(caught.value).startswith(told)


_BOMBS = [
    "{% for a in range(10**9) %}{% endfor %}",
    "{% for a in big %}{% for b in big %}{% for c in big %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in big %}{% for b in big if false %}{% endfor %}{% endfor %}",
    "{% for a in big %}{{ loop.length }}{% for b in big %}{{ loop.last }}{% endfor %}{% endfor %}",
    "{% for a in big %}{{ text }}{% endfor %}",
    "{{ 'x' * 10**10 }}",
    "{{ 'x' * 10000000000 }}",
    "{{ 10000000000 * 'x' }}",
    "{{ big * 10000000000 }}",
    "{{ 'x'.ljust(10**10) }}",
    "{{ 'x'|center(10**10) }}",
    "{{ 'x'|indent(10**10) }}",
    "{{ 1|round(1000000000, 'ceil') }}",
    "{{ 10**10**10 }}",
    "{{ '%10000000000d' % 1 }}",
    "{{ '%10000000000d' % (1,) }}",
    "{{ '{:>10000000000}'.format(1) }}",
    "{{ '{:>10000000000}'|format(1) }}",
    "{{ text + text }}",
    "{{ text|replace('', text) }}",
    "{{ big|join(text) }}",
    "{{ [[[]]]|tojson(indent=10000000) }}",
    "{{ text }}{{ text }}",
    "{{ quotes|tojson|tojson|tojson|tojson }}",
    "{% set a = [big, big] %}",
    "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
    "{{ lipsum(n=1000000000) }}",
    "{{ cycler }}",
]


@pytest.mark.parametrize("template", _BOMBS)
def test_template_bombs_end_at_once(template: str) -> None:
    case = Case("bomb", vars={"big": list(range(5000)), "text": "x" * 900_000, "quotes": '"' * 90_000})
    before = time.thread_time()
    told = _refused(template, case)
    assert told.startswith("prompts/faq.md")
    assert time.thread_time() - before < 4, "the bound is 2 s of the thread's own time"


def test_loops_whose_rounds_are_few_and_slow_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_evalgate.targets.prompt_language.MOST_CPU_S", 0.0)
    assert "its loops take more than 0 s" in _refused("{% for a in facts %}{% endfor %}")


def test_as_many_rounds_as_a_case_may_need() -> None:
    case = Case("long", vars={"rows": list(range(9_999))})
    assert _render("{% for row in rows %}{% endfor %}.", case) == "."


_INJECTED = [
    "{{ 7 * 7 }}",
    "{{ env }}",
    "{% for a in range(10**9) %}x{% endfor %}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ config }}{# comment #}",
    "{0.__class__.__init__.__globals__}",
    "%(secret)s %n $HOME ${HOME} `id` $(id)",
    "<script>&amp;</script>",
]


@pytest.mark.parametrize("text", _INJECTED)
def test_what_a_case_holds_is_never_a_template(text: str) -> None:
    case = Case(
        "a", input=text, vars={"name": text, text: "key"}, context=(text,), metadata={"m": [text]}, tags=(text,)
    )
    template = "{{ input }}|{{ name }}|{{ case.context[0] }}|{{ case.metadata.m|first }}|{{ case.tags|join }}"
    assert _render(template, case) == "|".join([text] * 5)


@given(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_values_come_out_as_they_went_in(text: str, value: Any) -> None:
    case = Case("a", input=text, vars={"value": value})
    assert _render("<{{ input }}>", case) == f"<{text}>"
    shown = _render("{{ value }}", case)
    assert shown == (value if isinstance(value, str) else _render("{{ value|tojson }}", case))


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__ }}",
        "{{ input.__class__.__mro__ }}",
        "{{ input['__class__'] }}",
        "{{ input.format }}",
        "{{ input|attr('__class__') }}",
        "{{ vars.__class__ }}",
        "{{ case.__init__.__globals__ }}",
        "{{ vars.get }}",
        "{{ vars.items }}",
        "{{ facts|map(attribute='__class__')|list }}",
        "{{ facts|map('attr', '__class__')|list }}",
        "{{ self }}",
        "{{ self.__init__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ lipsum.__globals__ }}",
        "{{ namespace }}",
        "{{ range }}",
        "{{ input.upper() }}",
        "{% for a in facts %}{{ loop.__class__ }}{% endfor %}",
        "{% for a in facts %}{{ loop.cycle }}{% endfor %}",
        "{{ 'a' | counted rounds }}",
    ],
)
def test_no_python_object_is_within_reach(attack: str) -> None:
    assert _refused(attack).startswith("prompts/faq.md:1: ")


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"a\xff", "faq.md: not UTF-8: byte at offset 1 of the file; save as UTF-8"),
        (b"x" * (300 << 10), "faq.md: larger than 262,144 bytes; put the bulk into the cases"),
    ],
)
def test_a_file_that_holds_no_template_is_refused(tmp_path: Path, raw: bytes, told: str) -> None:
    path = tmp_path / "faq.md"
    path.write_bytes(raw)
    with pytest.raises(SettingsError) as caught:
        load_prompt(path, name="faq.md")
    assert str(caught.value) == told


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"faq\.md: there is no such file"):
        load_prompt(tmp_path / "faq.md", name="faq.md")
    with pytest.raises(SettingsError, match="folder: there is no such file"):
        load_prompt(tmp_path, name="folder")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match="there is no such file"):
        load_prompt(tmp_path / "pipe", name="pipe")


def test_files_are_read_as_editors_write_them(tmp_path: Path) -> None:
    (tmp_path / "faq.md").write_bytes("\ufeffGrüße:\r\n{{ input }}\r\n".encode())
    assert load_prompt(tmp_path / "faq.md", name="faq.md").render(Case("a", input="x")) == "Grüße:\nx"
