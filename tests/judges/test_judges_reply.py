from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.markers import MARKERS

from pytest_evalgate.judges.reply import FIELDS, Choice, ParsedVerdict, Unreadable, read, read_choice
from pytest_evalgate.judges.scale import SCALES

_NONCE = "0123456789abcdef"
_CANDIDATE = 'You have 30 days\nto "return" it.'
_BINARY = SCALES["binary"]
_FIVE = SCALES["1-5"]


def _reply(**changes: Any) -> str:
    fields = {"nonce": _NONCE, "evidence": "30 days", "score": 1, "verdict": "pass", **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not ...})


_FAIL = {"score": 0, "verdict": "fail", "evidence": ""}


@pytest.mark.parametrize(("start", "end"), MARKERS, ids=[start for start, _ in MARKERS])
def test_a_draft_in_reasoning_is_never_the_verdict(start: str, end: str) -> None:
    draft, final = _reply(), _reply(**_FAIL)
    assert _read(f"{start}{draft}{end}{final}") == ParsedVerdict(0, "")
    assert _read(f"{start}Or {final}, or {draft}?{end}\n```json\n{draft}\n```") == ParsedVerdict(1, "30 days")
    for text in (f"{start}{draft}", f"{start}{draft}{end}", f"{start}{draft}{end}I cannot tell."):
        assert isinstance(_read(text), Unreadable)


def test_evidence_may_quote_a_marker() -> None:
    reply = json.dumps({"nonce": _NONCE, "evidence": "</think> 30", "score": 1, "verdict": "pass"})
    assert read(reply, nonce=_NONCE, candidate="a </think> 30", scale=_BINARY) == ParsedVerdict(1, "</think> 30")


def _read(text: str, scale: Any = _BINARY) -> ParsedVerdict | Unreadable:
    return read(text, nonce=_NONCE, candidate=_CANDIDATE, scale=scale)


@pytest.mark.parametrize(
    "text",
    [
        _reply(),
        f"\n  {_reply()}\n",
        f"```json\n{_reply()}\n```",
        f"Let me see. The output says {{so}} much.\n{_reply()}\nThat is all.",
        f"[{_reply()}]",
        json.dumps(dict(reversed(json.loads(_reply()).items())), indent=2),
        _reply(score=1.0),  # an integer to a JSON schema
        _reply().replace('"score": 1', '"score": 1e0'),
        f"<think>{_reply(score=0, verdict='fail')}</think>{_reply()}",
        f"<think>If I wrote {{a}} or {_reply(score=0, verdict='fail')} ...</think>\n\n```json\n{_reply()}\n```",
        f"{_reply(score=0, verdict='fail')}</think>{_reply()}",
        f"[THINK]{_reply(score=0, verdict='fail')}[/THINK]{_reply()}",
        f"<|channel|>analysis<|message|>{{}}<|end|><|start|>assistant<|channel|>final<|message|>{_reply()}",
    ],
)
def test_the_object_may_be_anywhere_in_the_reply(text: str) -> None:
    assert _read(text) == ParsedVerdict(1, "30 days")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"<think>{_reply()}</think>", "the reply contains no JSON object"),
        (f"<think>{_reply()}</think>I cannot tell.", "the reply contains no JSON object"),
        (f"{_reply()}</think>I cannot tell.", "the reply contains no JSON object"),
        (f"<think>{_reply()}", "the reasoning in the reply has no end"),
        (f"<thinking>{_reply()}", "the reasoning in the reply has no end"),
        (f"◁think▷{_reply()}", "the reasoning in the reply has no end"),
        (f"<|channel|>analysis<|message|>{_reply()}<|end|>", "the reasoning in the reply has no end"),
        (f"<think>{_reply()}</think>{_reply()}{_reply()}", "the reply contains 2 JSON objects"),
        ("", "the reply contains no JSON object"),
        ("pass", "the reply contains no JSON object"),
        ('"pass"', "the reply contains no JSON object"),
        (_reply()[:-1], "the reply contains no JSON object"),
        (_reply() + _reply(), "the reply contains 2 JSON objects; exactly one is required"),
        (f"{_reply(score=0, verdict='fail')} on second thoughts {_reply()}", "the reply contains 2 JSON objects"),
        (f"{{}} {_reply()}", "the reply contains 2 JSON objects"),
        (f'{{"answer": {_reply()}}}', "the reply lacks fields: nonce, evidence, score, verdict"),
        ("{}", "the reply lacks fields: nonce, evidence, score, verdict"),
        *((_reply(**{name: ...}), f"the reply lacks fields: {name}") for name in FIELDS if name != "rationale"),
        (
            _reply(reason="because"),
            'the reply has unexpected fields: "reason"',
        ),
        (_reply(nonce="fedcba9876543210"), "the nonce in the reply is wrong"),
        (_reply(nonce=None), "the nonce in the reply is wrong"),
        (_reply(nonce=_NONCE.upper()), "the nonce in the reply is wrong"),
        (_reply(verdict="PASS"), 'the verdict is "PASS", not "pass" or "fail"'),
        (_reply(verdict=True), 'the verdict is true, not "pass" or "fail"'),
        (_reply(verdict=["pass"]), 'the verdict is ["pass"], not "pass" or "fail"'),
        (_reply(verdict="fail"), 'the verdict "fail" contradicts the score 1'),
        (_reply(score=0), 'the verdict "pass" contradicts the score 0'),
        (_reply(score=2), "the score is 2, not a whole number from 0 to 1"),
        (_reply(score=-1), "the score is -1, not"),
        (_reply(score=True), "the score is true, not"),
        (_reply(score=0.5), "the score is 0.5, not"),
        (_reply(score="1"), 'the score is "1", not'),
        (_reply(score=None), "the score is null, not"),
        (_reply().replace('"score": 1', '"score": NaN'), "the JSON object in the reply is invalid: NaN is not JSON"),
        (_reply().replace('"score": 1', '"score": 0, "score": 1'), "invalid: duplicate key"),
        (_reply(evidence=""), "the evidence is missing"),
        (_reply(evidence=" \n"), "the evidence is missing"),
        (_reply(evidence='."'), "the evidence is missing"),
        (_reply(evidence=30), "the evidence is not a string"),
        (_reply(evidence=["30 days"]), "the evidence is not a string"),
        (_reply(evidence="14 days"), "the evidence does not occur in the output"),
        (_reply(evidence="30 DAYS"), "the evidence does not occur in the output"),
        (_reply(evidence="30 days to return it for free"), "the evidence does not occur in the output"),
        (_reply(evidence="\ud800"), "the JSON object in the reply is invalid: lone surrogate"),
        (" " * 64_000 + _reply(), "the reply has 64,0"),
        ("{" * 101 + _reply(), "the reply contains more than 100 braces"),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, "the reply contains"),
        ('{"a":' * 70 + "1" + "}" * 70, "the JSON object in the reply is invalid: nested deeper than 64"),
        (f'{{"score": {"9" * 5_000}}}', "the reply contains no JSON object"),
    ],
)
def test_any_other_reply_is_unreadable(text: str, why: str) -> None:
    parsed = _read(text)
    assert isinstance(parsed, Unreadable)
    assert why in parsed.reason


def test_a_fail_needs_no_evidence_but_its_quotes_must_occur() -> None:
    assert _read(_reply(score=0, verdict="fail", evidence="")) == ParsedVerdict(0, "")
    assert _read(_reply(score=0, verdict="fail", evidence="30 days")) == ParsedVerdict(0, "30 days")
    assert isinstance(_read(_reply(score=0, verdict="fail", evidence="40 days")), Unreadable)


@pytest.mark.parametrize(("score", "verdict"), [(1, "fail"), (2, "fail"), (3, "pass"), (4, "pass"), (5, "pass")])
def test_scores_of_the_scale_of_five_and_their_verdicts(score: int, verdict: str) -> None:
    assert _read(_reply(score=score, verdict=verdict), _FIVE) == ParsedVerdict(score, "30 days")
    other = "fail" if verdict == "pass" else "pass"
    assert isinstance(_read(_reply(score=score, verdict=other), _FIVE), Unreadable)


def test_only_the_lowest_score_needs_no_evidence() -> None:
    assert _read(_reply(score=1, verdict="fail", evidence=""), _FIVE) == ParsedVerdict(1, "")
    assert isinstance(_read(_reply(score=2, verdict="fail", evidence=""), _FIVE), Unreadable)


@pytest.mark.parametrize("quote", ["30 days to", "  30\tdays\n\nto ", 'to "return" it', '30 days\\nto \\"return\\"'])
def test_evidence_may_differ_in_white_space_and_be_quoted_as_it_was_shown(quote: str) -> None:
    assert _read(_reply(evidence=quote)) == ParsedVerdict(1, quote)


def test_the_largest_number_of_braces_is_accepted() -> None:
    assert _read("{" * 99 + _reply()) == ParsedVerdict(1, "30 days")


_WORDS = st.sampled_from(["pass", "fail", "30 days", "", _NONCE, "evidence"]) | st.text(max_size=5)
_VALUES = st.none() | st.booleans() | st.integers(-1, 6) | st.floats() | _WORDS
_OBJECTS = st.dictionaries(st.sampled_from([*FIELDS, "reason"]), _VALUES | st.lists(_VALUES, max_size=2))
_PIECES = st.lists(st.sampled_from(list('{}[]",:\\ ')) | st.sampled_from([f'"{name}"' for name in FIELDS]) | _WORDS)


@given(
    st.text()
    | _PIECES.map("".join)
    | st.lists(_OBJECTS, max_size=2).map(lambda found: " ".join(map(json.dumps, found)))
)
def test_parsing_never_raises(text: str) -> None:
    for scale in SCALES.values():
        parsed = _read(text, scale)
        if isinstance(parsed, ParsedVerdict):
            found = json.loads(text[text.index("{") : text.rindex("}") + 1])
            assert found.keys() == set(FIELDS)
            assert (found["nonce"], found["score"], found["verdict"]) == (
                _NONCE,
                parsed.score,
                scale.verdict(parsed.score),
            )
            assert " ".join(parsed.evidence.split()) in " ".join(_CANDIDATE.split())


@given(st.text())
def test_a_reply_without_the_nonce_is_unreadable(text: str) -> None:
    if _NONCE not in text:
        assert isinstance(_read(text), Unreadable)
        assert isinstance(_read(text + _reply(nonce=text)), Unreadable)


_PAIR = ("It is 30 days.", "Ask our staff.")


def _choice(**changes: Any) -> str:
    return json.dumps({"nonce": _NONCE, "evidence": "30 days", "choice": "first", **changes})


def test_a_choice_is_read() -> None:
    assert read_choice(_choice(), nonce=_NONCE, pair=_PAIR) == Choice("first", "30 days")
    assert read_choice(_choice(choice="tie", evidence=""), nonce=_NONCE, pair=_PAIR) == Choice("tie", "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("first", "no JSON object"),
        (_choice(choice="A"), 'the choice is "A", not one of first, second, tie'),
        (_choice(choice=["first"]), 'the choice is ["first"]'),
        (_choice(choice="second"), "the evidence does not occur in the output"),
        (_choice(evidence=""), "the evidence is missing"),
        (_choice(choice="tie", evidence="40 days"), "the evidence does not occur in the output"),
        (_choice(nonce="x"), "the nonce in the reply is wrong"),
        (_choice(score=1), 'the reply has unexpected fields: "score"'),
    ],
)
def test_every_other_choice_is_unreadable(text: str, why: str) -> None:
    parsed = read_choice(text, nonce=_NONCE, pair=_PAIR)
    assert isinstance(parsed, Unreadable)
    assert why in parsed.reason


@given(
    st.text()
    | st.dictionaries(st.sampled_from(["nonce", "evidence", "choice"]), st.none() | st.text()).map(json.dumps)
)
def test_parsing_a_choice_never_raises(text: str) -> None:
    if _NONCE not in text:
        assert isinstance(read_choice(text, nonce=_NONCE, pair=_PAIR), Unreadable)
