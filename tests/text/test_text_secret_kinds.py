"""Secrets by their format: keys of well-known issuers are found, words that look like them are not."""

from __future__ import annotations

import pytest

from pytest_evalgate.text.detectors import detect
from pytest_evalgate.text.secret_kinds import SECRETS, secrets_in

_TAIL = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
_SECRETS = {
    f"sk-proj-{_TAIL}": "an API key",
    f"AIza{_TAIL[:35]}": "an API key",
    f"hf_{_TAIL}": "an API key",
    f"gsk_{_TAIL}": "an API key",
    f"xai-{_TAIL}": "an API key",
    "AKIA" + "ABCDEFGHIJ234567": "an AWS access key",
    f"ghp_{_TAIL}": "a token of GitHub or GitLab",
    f"github_pat_{_TAIL}": "a token of GitHub or GitLab",
    f"xoxb-{_TAIL}": "a token of Slack",
    "-----BEGIN " + "RSA PRIVATE KEY-----": "a private key",
    "-----BEGIN " + "PRIVATE KEY-----": "a private key",
    f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{_TAIL}": "a JSON Web Token",
}


@pytest.mark.parametrize(("text", "kind"), _SECRETS.items())
def test_a_secret_by_its_shape(text: str, kind: str) -> None:
    assert list(secrets_in(f'key = "{text}";')) == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "task-automation-is-not-a-key",
        "sk-short",
        "risk-assessment-of-the-whole-company",
        "eyJ.eyJ.x",
        "AKIAtoo",
        "ghp_x",
        "keys begin with sk-proj- or sk_live_",
        "fw_max_number_of_output_tokens = 5",
        "hf_transformers_offline_mode",
    ],
)
def test_no_secret(text: str) -> None:
    assert list(secrets_in(text)) == []


def test_the_span_of_a_secret_covers_all_of_it() -> None:
    text = f"first AKIA{'ABCDEFGHIJ234567'}, then\n-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----\nend"
    assert [(one.kind, text[one.start : one.end]) for one in detect(text, SECRETS)] == [
        ("aws", "AKIA" + "ABCDEFGHIJ234567"),
        ("private-key", "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----"),
    ]
