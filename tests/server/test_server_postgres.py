"""The answers over PostgreSQL are those over SQLite, to the bit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.server.conftest import fill, serving
from tests.server.test_server_answers import SAME, path_of
from tests.support.postgres import BINARIES, postgres_running

from pytest_evalgate.store import StorePlace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server.conftest import Served

    from pytest_evalgate.app.project import Project


@pytest.fixture(scope="module")
def postgres_served(shop: Project) -> Iterator[Served]:
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'pytest-evalgate[postgres]'")
    if not BINARIES:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with postgres_running() as address, pytest.MonkeyPatch.context() as patch:
        url = address.format("postgres")
        patch.setenv("SHOP_STORE", url)
        fill(shop, StorePlace("$SHOP_STORE", None, url))
        settings = shop.settings.model_copy(update={"store_env": "SHOP_STORE"})
        with serving(replace(shop, settings=settings)) as found:
            yield found
        assert found.lines == []


def test_both_databases_give_the_same_answers(served: Served, postgres_served: Served) -> None:
    for name, parameters, _ in SAME:
        path, rest = path_of(name, parameters)
        answers = [each.get(path, params=rest) for each in (served, postgres_served)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json() == answers[1].json(), path
    for path in ("/v1/suites", "/", "/suites/faq"):
        first, second = served.get(path), postgres_served.get(path)
        assert (second.status_code, second.text) == (200, first.text)
