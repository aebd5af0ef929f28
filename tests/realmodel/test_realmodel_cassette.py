from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.realmodel.conftest import Project, RealModel

pytestmark = pytest.mark.realmodel

_KEY = "the-key-of-the-server"
_CASSETTE = ".evalgate/cassettes/capitals.jsonl"


def test_a_cassette_replays_without_the_server_and_without_its_key(
    serving: Callable[..., AbstractContextManager[RealModel]], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(_KEY) as model:
        project.ask(model, "openai")
        with monkeypatch.context() as patch:
            patch.setenv(project.key_variable, _KEY)
            assert project.run().ret == 0
    recorded = project.outputs
    assert project.cache("export", _CASSETTE)["entries"] == 3
    assert project.cache("prune", "--keep-runs", "0")["left"] == 0
    _assert_nobody_answers(model)

    assert project.run("--eval-offline").ret == 0
    assert project.attempts == [0, 0, 0]
    assert project.outputs == recorded


def _assert_nobody_answers(model: RealModel) -> None:
    url = urlsplit(model.base_url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((url.hostname, url.port), timeout=60)
