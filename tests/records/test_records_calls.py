from __future__ import annotations

import pytest

from pytest_evalgate.records.calls import other_model


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o", "GPT-4o"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("gpt-4", "gpt-4-0613"),
        ("openai/gpt-4o", "gpt-4o"),
        ("openai/gpt-4o", "gpt-4o-2024-08-06"),
        ("gpt-4o", "openai/gpt-4o"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("claude-3-5-sonnet", "claude-3-5-sonnet-20241022"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022"),
        ("gemini-1.5-pro", "models/gemini-1.5-pro-002"),
        ("gemini-1.5-pro-latest", "gemini-1.5-pro"),
        ("mistral-large-latest", "mistral-large-2411"),
        ("mistral-large", "mistral-large-latest"),
        ("llama3", "llama3:latest"),
        ("llama-v3p1-8b-instruct", "accounts/fireworks/models/llama-v3p1-8b-instruct"),
        ("deepseek/deepseek-r1:free", "deepseek/deepseek-r1"),
        ("claude-3-haiku", "us.anthropic.claude-3-haiku-20240307-v1:0"),
        ("gemini-2.5-flash-preview-05-20", "gemini-2.5-flash-preview-05-20"),
        ("gemini-2.5-flash-preview", "gemini-2.5-flash-preview-05-20"),
        ("gpt-4o", ""),
        ("", "gpt-4o"),
        ("gpt-4o", " gpt-4o "),
    ],
)
def test_a_snapshot_or_another_spelling_is_the_same_model(asked: str, served: str) -> None:
    assert other_model(asked, served) == ""


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("m-2026", "another-model"),
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4o", "gpt-4o-mini-2024-07-18"),
        ("gpt-4", "gpt-4o"),
        ("gpt-4", "gpt-4-32k"),
        ("gpt-4", "gpt-4.1"),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-11-20"),
        ("claude-3", "claude-3-5"),
        ("gpt-4o-2024-08-06", "gpt-4o-mini"),
        ("claude-3-5-sonnet-latest", "claude-3-7-sonnet-20250219"),
        ("llama-3-8b", "llama-3-70b"),
        ("llama3:8b", "llama3:70b"),
        ("o1", "o3"),
        ("phi-3", "phi-3-8192"),
        ("openai/gpt-4o", "azure/gpt-35-turbo"),
    ],
)
def test_any_other_name_is_another_model(asked: str, served: str) -> None:
    assert other_model(asked, served) == served
