from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.cli import main
from pytest_evalgate.engine.cache import KEY_VARIABLE, ReplyCache, Signer
from pytest_evalgate.engine.cache.entries import Entry
from pytest_evalgate.records.calls import Call, Reply

if TYPE_CHECKING:
    from pathlib import Path

_KEY = "sixteen characters and more"


@dataclass(frozen=True)
class Project:
    """A configured folder with a cache."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def folder(self) -> Path:
        return self.root / ".evalgate" / "cache"

    def remember(self, text: str, *, label: str = "faq::a", day: int = 1, run: str = "r1", **fields: Any) -> Call:
        call = Call("chat", "http://x/v1", "m-1", {"prompt": text}, label=label, **fields)
        entry = Entry(call, Reply(f"re: {text}", tokens_in=30, tokens_out=4), f"2026-01-{day:02}T00:00:00Z", run)
        with ReplyCache(self.folder, Signer(_KEY.encode())) as cache:
            assert cache.add([entry]) == 1
        return call

    def spoil(self) -> None:
        with contextlib.closing(sqlite3.connect(self.folder / "cache.db")) as connection:
            connection.execute("UPDATE Cache SET value = x'00' WHERE rowid = 1")
            connection.commit()

    def call(self, *arguments: str) -> tuple[int, str, str]:
        code = main(["cache", *arguments])
        printed = self.capsys.readouterr()
        return code, printed.out, printed.err

    def json(self, *arguments: str) -> Any:
        return json.loads(self.call(*arguments, "--json")[1])


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Project:
    (tmp_path / "evalgate.toml").write_text('[suites.faq]\ngolden = "g.jsonl"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY_VARIABLE, _KEY)
    monkeypatch.delenv("EVALGATE_DIR", raising=False)
    return Project(tmp_path, capsys)


def test_stats_count_by_purpose_and_model(project: Project) -> None:
    project.remember("1")
    project.remember("2")
    project.remember("3", purpose="judge:tone")
    code, out, err = project.call("stats")
    assert (code, err) == (0, "")
    assert out.startswith(".evalgate/cache/cache.db: 3 entries, 0.")
    assert "  judge:tone  m-1  1 entry, 30 tokens in, 4 out\n" in out
    assert "  target  m-1  2 entries, 60 tokens in, 8 out\n" in out
    found = project.json("stats")
    assert (found["entries"], found["bad"], found["authenticated"]) == (3, 0, True)
    assert found["holdings"][0] == {
        "purpose": "judge:tone", "model": "m-1", "entries": 1, "tokens_in": 30, "tokens_out": 4
    }  # fmt: skip


def test_stats_of_nothing(project: Project) -> None:
    assert project.call("stats")[:2] == (0, ".evalgate/cache/cache.db: 0 entries, 0.0 MB\n")


def test_stats_list_what_is_not_trusted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.remember("1")
    project.call("export", ".evalgate/cassettes/faq.jsonl")
    project.spoil()
    monkeypatch.delenv(KEY_VARIABLE)
    monkeypatch.setenv("CI", "true")
    out = project.call("stats")[1]
    assert "1 of them failed the check and are not used: pytest-evalgate cache verify\n" in out
    assert "unauthenticated, checked for damage only: in CI the key has to come from EVALGATE_CACHE_KEY\n" in out
    assert "cassette .evalgate/cassettes/faq.jsonl: 1 entry, as trustworthy as the branch that contains it\n" in out


def test_a_required_key_that_is_missing_is_a_usage_error(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.root / "evalgate.toml").write_text('cache_auth = "required"\n')
    monkeypatch.delenv(KEY_VARIABLE)
    monkeypatch.setenv("CI", "true")
    code, _, err = project.call("stats")
    assert code == 4
    assert 'cache_auth = "required", but there is no key' in err


def test_prune_without_a_criterion_is_an_error(project: Project) -> None:
    assert project.call("prune")[::2] == (
        4,
        "pytest-evalgate: cache prune: name what to remove: --older-than 30d, --keep-runs 20 or --bad\n",
    )


def test_prune_by_age(project: Project) -> None:
    project.remember("1", day=1)
    project.remember("2", day=2)
    code, out, _ = project.call("prune", "--older-than", "0h")
    assert code == 0
    assert out == "removed 2 entries (made 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z), 0 of them bad; 0 left\n"
    assert project.json("stats")["entries"] == 0


def test_prune_keeps_younger_entries(project: Project) -> None:
    project.remember("1")
    assert project.json("prune", "--older-than", "9999w") == {"removed": 0, "bad": 0, "left": 1}


def test_prune_by_run(project: Project) -> None:
    for day in (1, 2, 3):
        project.remember(str(day), day=day, run=f"r{day}")
    assert project.json("prune", "--keep-runs", "2") == {"removed": 1, "bad": 0, "left": 2}
    assert {row["run"] for row in _lines(project.call("export", "-")[1])} == {"r2", "r3"}


def test_prune_of_bad_entries(project: Project) -> None:
    project.remember("1")
    project.remember("2")
    project.spoil()
    assert project.call("prune", "--bad")[1] == "removed 1 entry, 1 of them bad; 1 left\n"
    assert project.call("verify")[0] == 0


@pytest.mark.parametrize("age", ["30", "d", "-1d", "1.5d", "1y", "٣d"])
def test_an_age_that_cannot_be_read_is_a_usage_error(project: Project, age: str) -> None:
    with pytest.raises(SystemExit) as ended:
        project.call("prune", f"--older-than={age}")
    assert ended.value.code == 2
    assert "is not an age: write 12h, 30d or 8w" in project.capsys.readouterr().err


@pytest.mark.parametrize("number", ["-1", "x", "1.5"])
def test_a_number_of_runs_that_cannot_be_read_is_a_usage_error(project: Project, number: str) -> None:
    with pytest.raises(SystemExit):
        project.call("prune", f"--keep-runs={number}")
    assert "is not a whole number from 0" in project.capsys.readouterr().err


def _lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_exported_cassette_can_be_imported_elsewhere(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    call = project.remember("1")
    assert project.call("export", "tape.jsonl")[:2] == (0, "1 entry -> tape.jsonl\n")
    monkeypatch.setenv("EVALGATE_DIR", "elsewhere")
    monkeypatch.setenv(KEY_VARIABLE, "another key, just as long")
    assert project.call("import", "tape.jsonl")[:2] == (0, "1 entry added, 0 already cached\n")
    assert project.json("import", "tape.jsonl") == {"added": 0, "known": 1}
    with ReplyCache(project.root / "elsewhere" / "cache", Signer(b"another key, just as long")) as cache:
        found = cache.get(call)
    assert found is not None
    assert found.value == "re: 1"


def test_an_export_may_be_a_part(project: Project) -> None:
    project.remember("1", label="faq::a")
    project.remember("2", label="sql::a", run="r2")
    assert [row["label"] for row in _lines(project.call("export", "-", "--label", "faq::")[1])] == ["faq::a"]
    assert [row["label"] for row in _lines(project.call("export", "-", "--run", "r2")[1])] == ["sql::a"]
    assert project.json("export", "none.jsonl", "--run", "r9") == {"file": "none.jsonl", "entries": 0}


def test_an_export_holds_no_bad_entry(project: Project) -> None:
    project.remember("1")
    project.remember("2")
    project.spoil()
    assert [row["payload"] for row in _lines(project.call("export", "-")[1])] == [{"prompt": "2"}]


def test_an_export_that_cannot_be_written_is_an_error(project: Project) -> None:
    code, _, err = project.call("export", "evalgate.toml/tape.jsonl")
    assert code == 4
    assert "evalgate.toml: cannot be made: File exists: move the file that is in the way" in err


def test_a_malformed_cassette_is_not_imported(project: Project) -> None:
    (project.root / "tape.jsonl").write_text('{"schema": 1}\n{')
    code, _, err = project.call("import", "tape.jsonl")
    assert code == 4
    assert "tape.jsonl:1: " in err
    assert "tape.jsonl:2: " in err
    assert not project.folder.exists()


def test_verify_of_a_sound_cache(project: Project) -> None:
    project.remember("1")
    assert project.call("verify") == (0, "1 entry checked, 0 bad\n", "")


def test_verify_lists_bad_entries(project: Project) -> None:
    project.remember("1")
    project.remember("2")
    project.spoil()
    code, out, _ = project.call("verify")
    assert code == 1
    first, counted, remedy = out.splitlines()
    assert first.startswith("row 1, key ")
    assert first.endswith("changed since it was written, or written with another key")
    assert counted == "2 entries checked, 1 bad"
    assert "pytest-evalgate cache prune --bad" in remedy
    assert [row["row"] for row in project.json("verify")["bad"]] == [1]


def test_verify_of_a_cache_that_had_to_be_put_aside_is_not_sound(project: Project) -> None:
    project.folder.mkdir(parents=True)
    (project.folder / "cache.db").write_bytes(b"not a database, whatever it is called" * 100)
    code, _, err = project.call("verify")
    assert code == 1
    assert "cache.db was moved to cache.db.corrupt-" in err
    assert project.call("verify")[0] == 0


def test_a_torn_cache_is_an_error_and_put_aside(project: Project) -> None:
    for _ in range(30):
        project.remember(secrets.token_hex(2000))
    path = project.folder / "cache.db"
    with path.open("r+b") as file:
        half = path.stat().st_size // 2
        file.seek(half)
        file.write(b"\xff" * half)
    code, _, err = project.call("verify")
    assert code == 4
    assert ".evalgate/cache/cache.db: " in err
    assert project.call("verify")[0] == 0
    assert [path for path in project.folder.iterdir() if ".corrupt-" in path.name]


def test_a_cache_that_cannot_be_used_is_an_error(project: Project) -> None:
    (project.root / ".evalgate").write_text("a file")
    code, _, err = project.call("stats")
    assert code == 4
    assert "no cache in " in err


def test_why_names_the_first_difference(project: Project) -> None:
    project.remember("old", day=1)
    project.remember("new", day=2)
    project.remember("x", label="sql::a")
    code, out, _ = project.call("why", "faq::a")
    assert code == 0
    assert out == (
        "faq::a  target  trial 0: made 2026-01-02T00:00:00Z; changed since 2026-01-01T00:00:00Z: "
        'payload.prompt: "old" -> "new"\n'
    )
    assert [row["label"] for row in project.json("why", "a")] == ["faq::a", "sql::a"]


def test_why_without_an_earlier_call(project: Project) -> None:
    project.remember("only")
    assert (
        project.call("why", "a")[1] == "faq::a  target  trial 0: made 2026-01-01T00:00:00Z; there is no earlier call\n"
    )
    assert project.call("why", "b")[:2] == (1, "no call of b is cached\n")


def test_control_characters_in_entries_are_escaped(project: Project) -> None:
    project.remember("\x1b[31m", label="faq::\x1b]0;x\x07", purpose="judge:\x1b[2J")
    project.remember("b", label="faq::\x1b]0;x\x07", purpose="judge:\x1b[2J", day=2)
    for arguments in (["stats"], ["why", "\x1b]0;x\x07"], ["verify"]):
        out = project.call(*arguments)[1]
        assert out
        assert "\x1b" not in out


def test_entries_of_a_run_are_exported_with_its_id(project: Project) -> None:
    with ReplyCache(project.folder, Signer(_KEY.encode()), run="r7") as cache:
        asyncio.run(cache.put(Call("chat", "x", "m", {}, label="faq::b"), Reply("hi")))
    assert _lines(project.call("export", "-")[1])[0]["run"] == "r7"
