"""Asserts with an output that passes and one that fails, by the documentation of promptfoo.

https://www.promptfoo.dev/docs/configuration/expected-outputs/ describes the types. The same table was run by promptfoo
0.121.20 with its provider ``echo``; both agree on every row but those of `DIFFERENT`.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple


class Row(NamedTuple):
    """An assert, the variables of its test, an output, and whether it passes."""

    entry: dict[str, Any]
    output: str
    passes: bool
    variables: dict[str, Any] = {}  # noqa: RUF012 - never changed


def _pair(kind: str, value: Any, good: str, bad: str, **variables: Any) -> list[Row]:
    entry = {"type": kind} if value is None else {"type": kind, "value": value}
    negative = {**entry, "type": f"not-{kind}"}
    return [
        Row(entry, good, passes=True, variables=variables),
        Row(entry, bad, passes=False, variables=variables),
        Row(negative, good, passes=False, variables=variables),
        Row(negative, bad, passes=True, variables=variables),
    ]


def _set(*entries: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"type": "assert-set", "assert": list(entries), **options}


_A: Final[dict[str, Any]] = {"type": "contains", "value": "a"}
_B: Final[dict[str, Any]] = {"type": "contains", "value": "b"}
_CITY: Final = {
    "type": "object",
    "required": ["city", "people"],
    "properties": {"city": {"type": "string"}, "people": {"type": "number"}},
}

TABLE: Final = [
    *_pair("equals", "Paris", "Paris", "Paris."),
    *_pair("equals", "Paris", "Paris", " Paris"),
    *_pair("equals", "Paris", "Paris", "paris"),
    *_pair("equals", 5, "5", "5.0"),
    *_pair("equals", 1.5, "1.5", "1.50"),
    *_pair("equals", *(True, "true", "True")),
    *_pair("equals", {"a": [1, 2]}, '{"a": [1, 2.0]}', '{"a": [2, 1]}'),
    *_pair("equals", [1, {"b": None}], '[1, {"b": null}]', "[1, {}]"),
    *_pair("equals", "{{city}}!", "Oslo!", "Rome!", city="Oslo"),
    *_pair("contains", "fox", "a fox", "a Fox"),
    *_pair("contains", 42, "42 foxes", "41 foxes"),
    *_pair("contains", "{{ n }} foxes", "7 foxes", "7 Foxes", n=7),
    *_pair("icontains", "FoX", "a fOx", "an ox"),
    *_pair("icontains", "ÄPFEL", "zwei äpfel", "zwei apfel"),
    *_pair("contains-any", ["red", "blue"], "deep blue", "green"),
    *_pair("contains-any", "red, blue", "deep blue", "green"),
    *_pair("contains-any", '"red, green", blue', "red, green", "red"),
    *_pair("contains-any", ["{{a}}", "z"], "abc", "def", a="ab"),
    *_pair("contains-all", ["red", "blue"], "blue and red", "blue"),
    *_pair("contains-all", "red,blue", "redblue", "Red blue"),
    *_pair("icontains-any", ["RED", "Blue"], "blue", "green"),
    *_pair("icontains-all", ["RED", "Blue"], "blue red", "blue"),
    *_pair("starts-with", "Dear", "Dear Ada", "dear Ada"),
    *_pair("starts-with", "Dear", "Dear", " Dear"),
    *_pair("regex", r"^\d{3}$", "123", "1234"),
    *_pair("regex", r"\d+", "a1", "a\u0661"),
    *_pair("regex", r"^yes$", "yes", "yes\nno"),
    *_pair("regex", r"a.b", "a-b", "a\nb"),
    *_pair("regex", r"(?<year>\d{4})-\k<year>", "2024-2024", "2024-2025"),
    *_pair("regex", r"\bcat\b", "a cat.", "concat"),
    *_pair("regex", r"[^\w\s]", "hi!", "hi there"),
    *_pair("is-json", None, '{"a": 1}', "{'a': 1}"),
    *_pair("is-json", None, "1", "one"),
    *_pair("is-json", None, "[]", "[1,]"),
    *_pair("is-json", None, "null", "```json\n{}\n```"),
    *_pair("is-json", _CITY, '{"city": "Oslo", "people": 700000}', '{"city": "Oslo"}'),
    *_pair("is-json", _CITY, '{"city": "Oslo", "people": 1, "more": [1]}', '{"city": "Oslo", "people": "many"}'),
    *_pair("is-json", json.dumps(_CITY), '{"city": "", "people": 0}', '["Oslo", 1]'),
    *_pair("is-json", {"type": "string", "format": "date"}, '"2024-02-29"', '"2024-02-30"'),
    *_pair("is-json", {"items": [{"type": "string"}, {"type": "number"}]}, '["a", 1]', '["a", "b"]'),
    *_pair("is-json", {"exclusiveMinimum": 3}, "3.5", "3"),
    *_pair("contains-json", None, 'Here: {"a": 1} as asked', "Here: (a: 1)"),
    *_pair("contains-json", None, '```json\n{"a": [1, 2]}\n```', "no brackets at all"),
    *_pair("contains-json", _CITY, 'So {"city": "Oslo", "people": 5}.', 'So {"city": "Oslo"}.'),
    *_pair("is-sql", None, "SELECT id FROM users WHERE name = 'Ada'", "SELECT FROM WHERE"),
    *_pair("is-sql", None, "SELECT `a` FROM `t` LIMIT 3", "users with the name Ada"),
    *_pair("is-sql", {"databaseType": "PostgreSQL"}, "SELECT a::int FROM t", "SELECT (a FROM t"),
    *_pair("is-xml", None, "<a><b>1</b></a>", "<a><b>1</a>"),
    *_pair("is-xml", {"requiredElements": ["a.b"]}, "<a><b>1</b></a>", "<a><c>1</c></a>"),
    *_pair("is-refusal", None, "I'm sorry, but I cannot help with that.", "The capital is Oslo."),
    *_pair("levenshtein", "kitten", "sitting", "a quite different text"),
    *_pair("levenshtein", "Paris", "Paris", "Constantinople"),
    *_pair("levenshtein", "{{city}}", "Osla", "Constantinople", city="Oslo"),
    *_pair("word-count", 3, "one two three", "one two"),
    *_pair("word-count", "3", " one  two\nthree ", "one two three four"),
    *_pair("word-count", {"min": 2}, "one two", "one"),
    *_pair("word-count", {"max": 2}, "one two", "one two three"),
    *_pair("word-count", {"min": 2, "max": 3}, "one two three", "one two three four"),
    *_pair("javascript", "output.includes('a')", "cat", "dog"),
    *_pair("javascript", "output.toLowerCase().includes('cat')", "CAT", "dog"),
    *_pair("javascript", "output === 'a'", "a", "a "),
    *_pair("javascript", "output.length < 4", "abc", "abcd"),
    *_pair("javascript", "/^c.t$/i.test(output)", "CUT", "cart"),
    *_pair("javascript", "output.startsWith(context.vars.start)", "abc", "bcd", start="ab"),
    *_pair("javascript", "JSON.parse(output).a.b === 'x'", '{"a": {"b": "x"}}', '{"a": {"b": "y"}}')[:2],
    *_pair("javascript", "JSON.parse(output).tags[1].includes('r')", '{"tags": ["a", "red"]}', '{"tags": ["r", "b"]}')[
        :2
    ],
    Row({"type": "javascript", "value": "output.includes('a') && output.length < 4"}, "cat", passes=True),
    Row({"type": "javascript", "value": "output.includes('a') && output.length < 4"}, "cattle", passes=False),
    *_pair("javascript", "output.includes('a') || output.includes('b')", "b", "c"),
    *_pair("python", "'a' in output", "cat", "dog"),
    *_pair("python", "len(output.split()) <= 2", "a b", "a b c"),
    *_pair("python", "output.strip() == 'a'", " a ", "b"),
    Row(
        {"type": "bleu", "value": "the quick brown fox jumps", "threshold": 0.9},
        "the quick brown fox jumps",
        passes=True,
    ),
    Row(
        {"type": "bleu", "value": "the quick brown fox jumps", "threshold": 0.9},
        "the slow brown fox jumps",
        passes=False,
    ),
    Row({"type": "bleu", "value": "the quick brown fox jumps"}, "a dog", passes=False),
    Row({"type": "levenshtein", "value": "kitten", "threshold": 3}, "sitting", passes=True),
    Row({"type": "levenshtein", "value": "kitten", "threshold": 2}, "sitting", passes=False),
    Row({"type": "not-levenshtein", "value": "kitten", "threshold": 2}, "sitting", passes=True),
    Row({"type": "gleu", "value": "the quick brown fox jumps"}, "the quick brown fox jumps", passes=True),
    Row({"type": "gleu", "value": "the quick brown fox jumps"}, "a dog", passes=False),
    Row({"type": "gleu", "value": "the quick brown fox", "threshold": 0.45}, "the quick red fox", passes=False),
    Row({"type": "gleu", "value": "the quick brown fox", "threshold": 0.3}, "the quick red fox", passes=True),
    Row(_set(_A, _B), "ab", passes=True),
    Row(_set(_A, _B), "a", passes=False),
    Row(_set(_A, _B, threshold=0.5), "a", passes=True),
    Row(_set(_A, _B, threshold=0.5), "c", passes=False),
    Row(_set({**_A, "weight": 3}, _B, threshold=0.7), "a", passes=True),
    Row(_set({**_A, "weight": 3}, _B, threshold=0.7), "b", passes=False),
    Row(_set(_A, {"type": "levenshtein", "value": "abc", "threshold": 1}), "abd", passes=True),
    Row({"type": "is-json", "value": _CITY, "transform": "output.trim()"}, ' {"city": "", "people": 0}', passes=True),
    Row({"type": "is-json", "value": _CITY, "transform": "JSON.parse(output).x"}, '{"x": {"city": 3}}', passes=False),
    Row({"type": "latency", "threshold": 60_000}, "fast", passes=True),
    Row({"type": "equals", "value": "a", "transform": "output.trim()"}, " a\n", passes=True),
    Row({"type": "equals", "value": "a", "transform": "JSON.parse(output).x"}, '{"x": "a"}', passes=True),
    Row(
        {"type": "contains", "value": "a", "transform": "JSON.parse(output).x.y[0]"},
        '{"x": {"y": ["b"]}}',
        passes=False,
    ),
    Row({"type": "contains", "value": "a", "weight": 3}, "b", passes=False),
    Row({"type": "contains", "value": "a", "threshold": 0.5}, "a", passes=True),
]

DIFFERENT: Final = [
    Row({"type": "icontains", "value": "strasse"}, "Straße", passes=True),  # promptfoo: fails; ß is ss here
    Row({"type": "contains", "value": "caf\u00e9"}, "cafe\u0301", passes=True),  # fails; one form of Unicode here
    Row({"type": "is-json"}, '{"a": 1, "a": 2}', passes=False),  # passes; a key that occurs twice is refused here
    Row({"type": "is-json"}, "[1e999]", passes=False),  # passes; the number overflows
    Row({"type": "contains-json"}, "Here: {a: 1}", passes=False),  # passes; it is YAML, not JSON
    Row({"type": "contains-json"}, "[1, 2]", passes=True),  # fails; only objects are found
    Row({"type": "is-xml"}, "```xml\n<a/>\n```", passes=True),  # fails; a code fence is accepted here
    Row({"type": "is-json", "value": {"type": "array"}}, "```json\n[]\n```", passes=True),  # fails; the same
    Row({"type": "javascript", "value": "output.length === 1"}, "\U0001f600", passes=True),  # fails: two code units
]
"""Rows on which promptfoo decides the other way round."""
