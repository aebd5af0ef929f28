"""A fake client that records its calls and returns a fixed reply."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.records.calls import Reply

if TYPE_CHECKING:
    from pytest_evalgate.records.calls import Call


@dataclass
class FakeClient:
    reply: Reply | Exception = field(default_factory=lambda: Reply("hello"))
    calls: list[Call] = field(default_factory=list)

    async def send(self, call: Call) -> Reply:
        self.calls.append(call)
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()
