"""Envelopes that are strict JSON, and all that programs write instead."""

from __future__ import annotations

import contextlib
import json

import pytest

from pytest_evalgate.targets import TargetFailure
from pytest_evalgate.targets.envelope import read_output

_ANSWER = "I do not know."
_ENVELOPE = json.dumps({"output": _ANSWER, "metadata": {"retrieved": ["within 14 days"]}})


@pytest.mark.parametrize(
    "written",
    [
        _ENVELOPE,
        f"  \n{_ENVELOPE}\r\n\n",
        f"\ufeff{_ENVELOPE}\n",
        json.dumps({"metadata": {"output": 1}, "output": _ANSWER}, indent=2),
        json.dumps({"output": _ANSWER, "metadata": None, "more": ["```"]}),
    ],
)
def test_an_envelope_is_opened(written: str) -> None:
    assert read_output(written.encode()).value == _ANSWER


@pytest.mark.parametrize(
    "text",
    [
        "",
        "14 days",
        "output: 14 days",
        '{"answer": "14 days"}',
        '{"steps": [{"output": "14 days"}], "score": NaN}',
        '{"answer": {"output": 1}} and so on',
        '[{"output": "14 days"}]',
        '[\n  {"output": "14 days"}\n]',
        '"{\\"output\\": 1}"',
        "{{ 7 * 7 }} {0.__class__}",
        "{% set x = {'output': 1} %}",
        "{not json, but it says output}",
        'Write `{"output": "x"}` on one line.',
        'Write:\n```json\n{"output": "x"}\n```\nand nothing else.',
        'The key "output": what the program answers.',
        "{" * 10_000,
    ],
)
def test_any_other_text_is_the_output(text: str) -> None:
    assert read_output(f"{text}\n".encode()).value == text


def test_a_byte_order_mark_is_no_part_of_a_text() -> None:
    assert read_output(b"\xef\xbb\xbfyes\r\n").value == "yes"


_IN_METADATA = '{{"output": "I do not know.", "metadata": {{{}}}}}'


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (_IN_METADATA.format('"score": NaN'), "NaN"),
        (_IN_METADATA.format('"score": -Infinity'), "Infinity"),
        (_IN_METADATA.format('"k": 1, "k": 2'), "k"),
        ('{"output": "no", "output": "14 days"}', "output"),
        ('{"metadata": {"score": NaN}, "output": "no"}', "NaN"),
        ('{"output": "two\nlines"}', "control character"),
        ('{"output": "I do', ""),
        ('{"output": ', ""),
        ('{"output": "no",}', ""),
        ("{'output': 'no', 'metadata': {'retrieved': ['14 days']}}", ""),
        ("{'metadata': {'retrieved': ['14 days']}, 'output': 'no'}", ""),
        ("{output: 'no'}", ""),
        ('{"output": "no" /* 14 days */}', ""),
        (f"{_ENVELOPE}\n{_ENVELOPE}", ""),
        (f"{_ENVELOPE}\nINFO done", ""),
        (f"{_ENVELOPE}}}", ""),
        (f"INFO model loaded\n{_ENVELOPE}", "text before the object"),
        (f"INFO model loaded\n{_ENVELOPE}\nINFO done", "text before the object"),
        (f"INFO model loaded\n{json.dumps(json.loads(_ENVELOPE), indent=2)}", "text before the object"),
        ("INFO model loaded\n" + _IN_METADATA.format('"score": NaN'), "text before the object"),
        ("INFO model loaded\n{'output': 'no', 'retrieved': '14 days'}", "text before the object"),
        (f"loading ...{_ENVELOPE}", "text before the object"),
        (f"100%|###| 4/4\r{_ENVELOPE}", "text before the object"),
        (f"\x1b[0m{_ENVELOPE}", "text before the object"),
        (f'{{"level": "info"}}\n{_ENVELOPE}', "text before the object"),
        (f'{{"level": "info"}}\n{{"level": NaN}}\n{_ENVELOPE}', "text before the object"),
        ('{"level": "info"}\n' * 1_000 + _ENVELOPE, "text before the object"),
        (f"\ufeffINFO\n\ufeff{_ENVELOPE}", "text before the object"),
        ('{"output": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested deeper"),
    ],
)
def test_an_envelope_that_is_not_strict_json_is_a_failure_of_the_program(written: str, reason: str) -> None:
    with pytest.raises(TargetFailure, match=r"^stdout is not strict JSON: .*; write json") as caught:
        read_output(written.encode())
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "piece", ['{"output"', "{'", "\n{", '\n{"output": ', "```\n{", '"\\', '{"output": "', "{\"a\": '\\'", "\n{[output"]
)
def test_no_text_takes_quadratic_time(piece: str) -> None:  # it would take minutes
    for text in (piece * (400_000 // len(piece)), "x" + piece * (400_000 // len(piece))):
        with contextlib.suppress(TargetFailure):
            read_output(text.encode())
