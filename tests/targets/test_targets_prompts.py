from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.records.cases import Case, Place
from pytest_evalgate.targets.prompts import load_messages, load_prompt, parse_prompt

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
        ("<b>{{ '&' }}{{ ['<']|tojson }}</b>", '<b>&["<"]</b>'),
        ("{% set who = person.name %}{{ who ~ '/' ~ lang }}", "Ada/de"),
        ("{% macro item(x) %}- {{ x }}\n{% endmacro %}{% for x in facts %}{{ item(x) }}{% endfor %}", "- a\n- b\n"),
        ("{% for n in range(3) %}{{ n }}{% endfor %} {{ [facts, 1] }}", '012 [["a", "b"], 1]'),
        ("{% for key, value in vars.items() %}{{ key }} {% endfor %}", "lang facts person input "),
        ("{{ input.upper() }} {{ input|wordcount }}", "WHERE IS MY MONEY? 4"),
        ("one line end is cut\n", "one line end is cut"),
    ],
)
def test_templates_render_values_of_the_case(template: str, text: str) -> None:
    assert _render(template) == text


@pytest.mark.parametrize("name", ["expected", "case.expected", "case.rubric", "rubric", "case.reference_context"])
def test_expected_values_are_not_available_in_prompts(name: str) -> None:
    assert f"'{name.rpartition('.')[2]}'" in _refused(f"{{{{ {name} }}}}")


def test_an_undefined_name_is_reported_with_template_line_and_case() -> None:
    assert _refused("a\nb {{ langg }}") == (
        "prompts/faq.md:2: 'langg' is undefined; defined are lang, facts, person, input, vars, case; "
        'in case "refund-1" (golden/faq.jsonl:17)'
    )
    assert _refused("{% for x in\n nothing.there %}{% endfor %}").startswith(
        "prompts/faq.md:1: 'nothing' is undefined"
    )
    assert _refused("\n\n{{ person.age }}").startswith("prompts/faq.md:3: 'dict object' has no attribute 'age'")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a\n{{ input", "prompts/faq.md:2: unexpected end of template"),
        ("{% if input %}", "prompts/faq.md:1: Unexpected end of template"),
        ("a\n\n{{ input|shout }}", "prompts/faq.md:3: No filter named 'shout'."),
        ("{% nothing %}", "prompts/faq.md:1: Encountered unknown tag 'nothing'."),
        ("{{ " + "(" * 900 + "1" + ")" * 900 + " }}", "prompts/faq.md: nested too deeply"),
        ("{% for a in facts %}" * 30 + "{% endfor %}" * 30, "prompts/faq.md: nested too deeply"),
    ],
)
def test_a_malformed_template_is_refused_when_it_is_loaded(template: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_prompt(template, name="prompts/faq.md")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "template",
    [
        "\n{% include 'secrets.txt' %}",
        "\n{% extends 'a' %}",
        "\n{% from 'a' import b %}",
    ],
)
def test_a_template_loads_no_other_file(template: str) -> None:
    assert _refused(template).startswith("prompts/faq.md:2: no loader for this environment specified; in case")


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in big %}{{ text }}{% endfor %}",
        "{% for a in big %}{% for b in big %}{% for c in big %}{{ c }}{% endfor %}{% endfor %}{% endfor %}",
        "{{ text }}{{ text }}",
        "{{ text ~ text }}",
    ],
)
def test_rendering_stops_at_the_length_limit(template: str) -> None:
    case = Case("long", vars={"big": list(range(5000)), "text": "x" * 900_000})
    assert "the rendered prompt is longer than 1,048,576 characters; in case" in _refused(template, case)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for a in range(10**9) %}{% endfor %}", "prompts/faq.md:1: Range too big"),
        ("{% macro f() %}{{ f() }}{% endmacro %}\n{{ f() }}", "prompts/faq.md:1: maximum recursion depth"),
    ],
)
def test_a_template_that_would_not_end_is_an_error(template: str, message: str) -> None:
    assert _refused(template).startswith(message)


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
def test_values_of_a_case_are_never_templates(text: str) -> None:
    case = Case(
        "a", input=text, vars={"name": text, text: "key"}, context=(text,), metadata={"m": [text]}, tags=(text,)
    )
    template = "{{ input }}|{{ name }}|{{ case.context[0] }}|{{ case.metadata.m|first }}|{{ case.tags|join }}"
    assert _render(template, case) == "|".join([text] * 5)


@given(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_values_are_rendered_unchanged(text: str, value: Any) -> None:
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
        "{{ input|attr('__class__') }}",
        "{{ '{0.__class__}'.format(input) }}",
        "{{ vars.__class__ }}",
        "{{ case.__init__.__globals__ }}",
        "{{ facts|map(attribute='__class__')|join }}",
        "{{ facts|map('attr', '__class__')|join }}",
        "{{ self.__init__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ lipsum.__globals__ }}",
        "{% for a in facts %}{{ loop.__class__ }}{% endfor %}",
    ],
)
def test_attributes_with_underscores_are_refused(attack: str) -> None:
    message = _refused(attack)
    assert message.startswith("prompts/faq.md:1: ")
    assert "is unsafe" in message or "has no attribute '__" in message


@pytest.mark.parametrize("template", ["{{ vars.get }}", "{{ range }}", "{{ self }}", "{{ namespace }}"])
def test_a_value_that_is_not_json_is_no_prompt(template: str) -> None:
    assert "is not JSON serializable; in case" in _refused(template)


@pytest.mark.parametrize("change", ["{{ facts.append(1) }}", "{{ vars.clear() }}", "{{ case.tags.pop() }}"])
def test_a_template_cannot_change_the_case(change: str) -> None:
    assert "is unsafe" in _refused(change) or "not safely callable" in _refused(change)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"a\xff", "faq.md: not UTF-8: byte at offset 1 of the file; save as UTF-8"),
        (b"x" * (300 << 10), "faq.md: larger than 262,144 bytes; move its data into the cases"),
    ],
)
def test_a_file_that_is_not_utf8_or_too_large_is_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "faq.md"
    path.write_bytes(raw)
    with pytest.raises(SettingsError) as caught:
        load_prompt(path, name="faq.md")
    assert str(caught.value) == message


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
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


_CHAT = """[
  {"role": "system", "content": "Answer in {{ lang }}."},
  {"role": "user", "content": [{"type": "text", "text": "{{ input }}"},
    {"type": "image_url", "image_url": {"url": "x"}}]}
]"""


def test_a_json_prompt_is_a_list_of_messages_whose_texts_are_templates(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    path.write_text(_CHAT, "utf-8")
    case = Case("c", input='a "quote" {{ lang }}', vars={"lang": "de"})
    assert load_messages(path, name="chat.json").messages(case) == [
        {"role": "system", "content": "Answer in de."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": 'a "quote" {{ lang }}'},
                {"type": "image_url", "image_url": {"url": "x"}},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "chat.json: not a list of messages"),
        ('{"role": "user"}', "chat.json: not a list of messages"),
        ('[{"content": "a"}]', "chat.json: not a list of messages"),
        ("[{]", "chat.json: not JSON"),
        ('[{"role": "user", "content": "{% if %}"}]', "chat.json:1: "),
    ],
)
def test_another_json_is_no_prompt(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "chat.json"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError) as caught:
        load_messages(path, name="chat.json")
    assert str(caught.value).startswith(message)
