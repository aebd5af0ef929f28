from __future__ import annotations

import base64
import json
import pickle
from urllib.parse import quote

import pytest

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.text.redaction import Secret, read_secret

_VALUE = 'sk-canary/"4711"'


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{:>9}".format, "%s".__mod__])
def test_a_secret_shows_its_name_at_most(show: object) -> None:
    assert callable(show)
    shown = show(Secret("KEY", _VALUE))
    assert "canary" not in shown
    assert "4711" not in shown


def test_a_secret_cannot_be_pickled() -> None:
    with pytest.raises(TypeError, match="KEY"):
        pickle.dumps(Secret("KEY", _VALUE))


@pytest.mark.parametrize(
    "form",
    [_VALUE, quote(_VALUE, safe=""), json.dumps(_VALUE)[1:-1], base64.b64encode(_VALUE.encode()).decode()],
)
def test_every_form_of_it_is_taken_out(form: str) -> None:
    assert Secret("KEY", _VALUE).redact(f"wrong key {form.rstrip('=')}!") == "wrong key ***!"


def test_a_placeholder_does_not_garble_plain_words() -> None:
    assert Secret("KEY", "none").redact("none of them") == "none of them"


def test_a_key_is_read_by_name_and_white_space_around_it_dropped() -> None:
    assert read_secret("KEY", {"KEY": "sk-1\n"}, "models.a.api_key_env") == Secret("KEY", "sk-1")


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}, {"KEY": " \n"}])
def test_a_missing_key_is_an_error_that_names_the_variable_and_the_place(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"models\.a\.api_key_env: the environment variable KEY is not set"):
        read_secret("KEY", environ, "models.a.api_key_env")


@pytest.mark.parametrize("value", ["sk-1\r\nHost: evil", "schlüssel", "sk\x001"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(SettingsError, match="KEY has characters") as error:
        read_secret("KEY", {"KEY": value}, "models.a.api_key_env")
    assert value not in str(error.value)
