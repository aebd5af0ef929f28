from __future__ import annotations

import base64
import html
import json
import pickle
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.text.redaction import MASK, Redactor, Secret, encodings_of, looks_like_key, mask_keys, read_secret

_KEY = 'sk-canary/47+"11"'
_REDACTOR = Redactor(encodings_of(_KEY))


@pytest.mark.parametrize(
    "text",
    [
        _KEY,
        quote(_KEY, safe=""),
        json.dumps(_KEY),
        base64.b64encode(_KEY.encode()).decode(),
        base64.urlsafe_b64encode(_KEY.encode()).decode(),
    ],
)
def test_every_form_of_a_key_is_taken_out(text: str) -> None:
    assert MASK in _REDACTOR.redact(f"said: {text}.")
    assert not any(form in _REDACTOR.redact(f"said: {text}.") for form in encodings_of(_KEY))


@given(before=st.binary(max_size=7), after=st.binary(max_size=7))
def test_base64_shows_no_key_in_any_context(before: bytes, after: bytes) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        cleaned = _REDACTOR.redact(encode(before + _KEY.encode() + after).decode())
        kept = cleaned.replace(MASK, "").rstrip("=")
        assert MASK in cleaned
        assert len(kept) <= 4 * (len(before) + len(after)) / 3 + 4


_U = "".join(f"\\u{ord(char):04x}" for char in _KEY)
_WITHOUT = (f"said: {MASK}.", f"said: {{a: [{MASK}]}}.")
_PERCENT = "".join(f"%{ord(char):02X}" for char in _KEY)


@pytest.mark.parametrize(
    "text",
    [
        _U,
        _U.upper().replace("\\U", "\\u"),
        "\\u0073" + _KEY[1:],
        _KEY[:5] + _U[30:36] + _KEY[6:],
        json.dumps({"a": [_KEY]}).replace("sk", "\\u0073\\u006B"),
        json.dumps(_U),
        json.dumps(json.dumps(json.dumps(_KEY))),
        json.dumps(_KEY).replace("/", "\\/"),
        _U[:18] + _KEY[3:].replace("/", "\\/"),
        "".join(f"\\x{ord(char):02x}" for char in _KEY),
        _PERCENT,
        _PERCENT.lower(),
        _KEY[:5] + _PERCENT[15:],
        quote(_KEY),
        quote(_KEY, safe="").lower(),
        quote(quote(_KEY, safe=""), safe=""),
        html.escape(_KEY),
        "".join(f"&#{ord(char)};" for char in _KEY),
        "".join(f"&#x{ord(char):X};" for char in _KEY),
        _KEY.encode().hex(),
        _KEY.encode().hex().upper(),
    ],
)
def test_a_key_is_taken_out_however_its_characters_are_escaped(text: str) -> None:
    assert _REDACTOR.redact(f"said: {text}.").replace('"', "").replace("\\", "") in _WITHOUT
    assert _REDACTOR.redact_bytes(f"said \xe9: {text}.".encode()).decode() == _REDACTOR.redact(f"said \xe9: {text}.")


def test_other_escapes_stay() -> None:
    text = "\\u0000 \\u00e9 \\u003c \\u0073k \ud800 100% %73k &lt;a&gt; &#115; C:\\x\\73"
    assert _REDACTOR.redact(text) == text


def test_json_is_cleaned_in_keys_and_values() -> None:
    value = {"a": [_KEY, 1, None, {"b": f"x {_KEY}"}], _KEY: True}
    assert _REDACTOR.redact_json(value) == {"a": [MASK, 1, None, {"b": f"x {MASK}"}], MASK: True}
    assert Redactor().redact_json(value) is value


def test_bytes_are_cleaned_as_texts_are() -> None:
    assert _REDACTOR.redact_bytes(f'{{"said": {json.dumps(_KEY)}}}'.encode()) == b'{"said": "***"}'


def test_the_longest_key_is_replaced_first_if_one_contains_the_other() -> None:
    redactor = Redactor.of(["A", "B"], {"A": "sk-12345678", "B": "sk-12345678-longer"})
    assert redactor.redact("sk-12345678-longer and sk-12345678") == "*** and ***"


@pytest.mark.parametrize("value", ["", "none", "EMPTY", "  "])
def test_placeholders_and_unset_variables_redact_nothing(value: str) -> None:
    assert Redactor.of(["A", "B"], {"A": value}) == Redactor()
    assert Redactor().redact("none is EMPTY") == "none is EMPTY"


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{:>9}".format, "%s".__mod__])
def test_a_secret_never_shows_its_value(show: object) -> None:
    assert callable(show)
    shown = show(Secret("KEY", _KEY))
    assert "canary" not in shown
    assert "47" not in shown


def test_a_secret_cannot_be_pickled() -> None:
    with pytest.raises(TypeError, match="KEY"):
        pickle.dumps(Secret("KEY", _KEY))


def test_a_placeholder_is_not_redacted_from_plain_words() -> None:
    assert Secret("KEY", "none").redact("none of them") == "none of them"


def test_a_secret_is_read_by_name_without_surrounding_white_space() -> None:
    assert read_secret("KEY", {"KEY": "sk-1\n"}, "models.a.api_key_env") == Secret("KEY", "sk-1")


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}, {"KEY": " \n"}])
def test_a_missing_secret_is_an_error_that_names_the_variable_and_the_place(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"models\.a\.api_key_env: the environment variable KEY is not set"):
        read_secret("KEY", environ, "models.a.api_key_env")


@pytest.mark.parametrize("value", ["sk-1\r\nHost: evil", "schlüssel", "sk\x001"])
def test_a_secret_that_no_header_can_carry_is_rejected_and_not_shown(value: str) -> None:
    with pytest.raises(SettingsError, match="KEY has characters") as error:
        read_secret("KEY", {"KEY": value}, "models.a.api_key_env")
    assert value not in str(error.value)


@pytest.mark.parametrize(
    "key",
    ["sk-proj-abc", "sk-ant-api03-x", "sk-0123456789abcdef", "gsk_" + "a1" * 12, "hf_" + "aB" * 12, "AIza" + "x" * 35,
     "sk_live_0123456789", "d41d8cd98f00b204e9800998ecf8427e", "aB3dE5fG7hJ9kL1mN3pQ5rS7", "ghp_" + "a" * 36],
)  # fmt: skip
def test_a_key_is_recognised(key: str) -> None:
    assert looks_like_key(key)


@pytest.mark.parametrize(
    "name",
    ["OPENAI_API_KEY", "", "MY_SERVICE_2024_KEY_V2", "my_service_api_key_2024_v2_prod",
     "MyServiceApiKey2024Production1",
     "sk-learn-classifier", "gpt-4o-mini-2024-07-18", "claude-sonnet-4-20250514", "golden/support.jsonl",
     "task-12345678901234"],
)  # fmt: skip
def test_a_name_is_no_key(name: str) -> None:
    assert not looks_like_key(name)


def test_keys_in_a_message_are_masked() -> None:
    assert mask_keys("(got 'sk-proj-abc1') and hf_" + "x" * 20) == "(got '***') and ***"
    assert mask_keys("models.candidate: sk-learn-classifier") == "models.candidate: sk-learn-classifier"
