"""The pages as files: the same bytes for the same store, links that lead somewhere, and no need of a server."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from tests.server.page_reader import PageReader
from tests.server.test_server_pages import found
from tests.support.stored_project import make_project

from pytest_evalgate.cli import main
from pytest_evalgate.errors import UserError
from pytest_evalgate.server.static_pages import write_pages
from pytest_evalgate.server.view_sources import ViewSources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ViewSources]:
    made = make_project(tmp_path_factory.mktemp("static") / "shop", 6, 18)
    with ViewSources.opened(found(made.root)) as opened:
        yield opened


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_store_gives_the_same_bytes(sources: ViewSources, tmp_path: Path) -> None:
    for name in ("one", "two", "two"):
        write_pages(sources, tmp_path / name)
    one = _bytes(tmp_path / "one")
    assert one == _bytes(tmp_path / "two")
    kinds = {name.partition("-")[0] for name in one if name.endswith(".html")}
    assert kinds == {"index.html", "suite", "run", "compare", "case"}
    assert {name for name in one if name.startswith("assets/")} == {"assets/view.css", "assets/report.js"}


def test_every_link_leads_to_a_file_or_a_place_in_the_page(sources: ViewSources, tmp_path: Path) -> None:
    write_pages(sources, tmp_path)
    linked = set()
    for path in tmp_path.glob("*.html"):
        page = PageReader.of(path.read_text("utf-8"))
        for address in page.addresses:
            file, _, _ = address.partition("#")
            assert file in {"", "data:,"} or (tmp_path / file).is_file(), (path.name, address)
            linked.add(file)
        assert not {tag for tag, _ in page.elements} & {"form", "input"} or path.name.startswith("run-")
    assert {path.name for path in tmp_path.glob("*.html")} <= linked


def test_pages_that_are_gone_are_removed_and_other_files_stay(sources: ViewSources, tmp_path: Path) -> None:
    write_pages(sources, tmp_path)
    (tmp_path / "run-old.html").write_text("old", "utf-8")
    (tmp_path / "CNAME").write_text("evals.example", "utf-8")
    write_pages(sources, tmp_path)
    assert not (tmp_path / "run-old.html").exists()
    assert (tmp_path / "CNAME").exists()


def test_a_folder_of_something_else_is_refused(sources: ViewSources, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine", "utf-8")
    with pytest.raises(UserError, match="has pages of something else: give a new folder"):
        write_pages(sources, tmp_path)
    with pytest.raises(UserError, match="is a file: give a folder"):
        write_pages(sources, tmp_path / "index.html")
    assert (tmp_path / "index.html").read_text("utf-8") == "mine"


def test_the_verb_writes_the_pages_and_names_the_first(
    sources: ViewSources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(sources.root)
    assert main(["view", "--static", str(tmp_path / "site")]) == 0
    out = capsys.readouterr().out
    assert re.fullmatch(rf"wrote \d+ files, \d\.\d MB: open {tmp_path}/site/index.html\n", out)
    assert main(["view", "--static", str(tmp_path / "site"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["index"] == (tmp_path / "site" / "index.html").as_posix()
    assert printed["files"] == len(_bytes(tmp_path / "site"))
    (tmp_path / "page.html").write_text("mine", "utf-8")
    assert main(["view", "--static", str(tmp_path)]) == 4
    assert "has pages of something else: give a new folder" in capsys.readouterr().err
