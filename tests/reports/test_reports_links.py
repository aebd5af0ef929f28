from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_evalgate.records.results import Place
from pytest_evalgate.reports.github import links_of
from pytest_evalgate.reports.view import Links

_SHA, _HEAD = "a" * 40, "b" * 40
_PUSH = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/bot",
    "GITHUB_SHA": _SHA,
    "GITHUB_RUN_ID": "77",
}
_ROOT = Path("/w/bot")


def test_of_a_push() -> None:
    links = links_of(_PUSH, _ROOT)
    assert links == Links("https://github.com/acme/bot", _SHA, "", "https://github.com/acme/bot/actions/runs/77")
    assert links.line(Place("golden sets/ü#1.jsonl", 7)) == (
        f"https://github.com/acme/bot/blob/{_SHA}/golden%20sets/%C3%BC%231.jsonl#L7"
    )


def test_a_pull_request_is_linked_at_its_own_commit(tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"head": {"sha": _HEAD}}}))
    found = links_of({**_PUSH, "GITHUB_EVENT_PATH": str(event)}, _ROOT)
    assert found is not None
    assert found.commit == _HEAD


@pytest.mark.parametrize("event", ["", "[]", "{", '{"pull_request": null}', '{"pull_request": {"head": {"sha": 1}}}'])
def test_an_event_that_says_nothing(tmp_path: Path, event: str) -> None:
    path = tmp_path / "event.json"
    path.write_text(event)
    found = links_of({**_PUSH, "GITHUB_EVENT_PATH": str(path)}, _ROOT)
    assert found is not None
    assert found.commit == _SHA


def test_a_root_folder_below_the_checkout() -> None:
    found = links_of({**_PUSH, "GITHUB_WORKSPACE": "/w"}, _ROOT)
    assert found is not None
    assert found.line(Place("g.jsonl", 1)).endswith(f"/blob/{_SHA}/bot/g.jsonl#L1")


@pytest.mark.parametrize(
    "wrong",
    [
        {"GITHUB_SERVER_URL": "javascript:alert(1)//"},
        {"GITHUB_REPOSITORY": "acme/bot](https://evil)"},
        {"GITHUB_SHA": "HEAD"},
        {"GITHUB_SERVER_URL": ""},
    ],
)
def test_anything_else_has_no_links(wrong: dict[str, str]) -> None:
    assert links_of({**_PUSH, **wrong}, _ROOT) is None
    assert links_of({}, _ROOT) is None
