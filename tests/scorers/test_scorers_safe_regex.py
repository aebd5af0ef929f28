from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.errors import ScorerError
from pytest_evalgate.scorers import PatternError, PatternMatcher, PatternTimeout
from pytest_evalgate.scorers.pattern_worker import reply_to
from pytest_evalgate.scorers.pipe_lines import Lines, PolledLines, ThreadedLines
from pytest_evalgate.scorers.safe_regex import _WORKER, TEXT_LIMIT, Found, How

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scorers.conftest import ScoreOf

HANGING = [
    (r"(a+)+$", "a" * 40 + "b"),
    (r"(a|aa)+$", "a" * 60 + "b"),
    (r"(a|a?)+$", "a" * 40 + "b"),
    (r"([a-zA-Z]+)*$", "a" * 40 + "1"),
    (r"(.*a){20}$", "a" * 40 + "b"),
    (r"(x+x+)+y", "x" * 60),
    (r"^(\w+\s?)*$", "word " * 12 + "wordwordword!"),
    (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 60),
    (r"^([a-z0-9])(([\-.]|_+)?([a-z0-9]+))*@[a-z]+$", "a" * 60 + "!"),
    (r"\s+$", " " * 300_000 + "x"),  # polynomial: it is the length of the text that kills
    (r".*.*.*=.*", "x" * 20_000),
]


@pytest.mark.parametrize(("pattern", "text"), HANGING)
def test_a_hanging_pattern_is_stopped(pattern: str, text: str, matcher: PatternMatcher) -> None:
    matcher.find("a", "a")
    start = time.monotonic()
    with pytest.raises(PatternTimeout, match=r"took longer than 0\.5 s") as caught:
        matcher.find(pattern, text)
    assert time.monotonic() - start < 30  # unstopped, it takes minutes at least
    assert pattern.replace("\\", "") in str(caught.value).replace("\\", "")
    assert matcher.find("a", "a") == Found("a")


@pytest.mark.parametrize(
    ("pattern", "text", "how", "found"),
    [
        ("b+", "abbb b", "search", "bbb"),
        ("b+", "abbb b", "last", "b"),
        ("b+", "abbb", "full", None),
        ("ab+", "abbb", "full", "abbb"),
        ("z", "abbb", "last", None),
        ("", "abc", "last", ""),
        ("a(b)?c", "ac", "search", "ac"),
        ("a(b)?(c)", "ac", "search", "c"),
        ("(é|\U0001f600|\udc80)+", "x\udc80", "search", "\udc80"),
        ("a\nb\u2028c", "a\nb\u2028c", "search", "a\nb\u2028c"),
    ],
)
def test_find(pattern: str, text: str, how: How, found: str | None, matcher: PatternMatcher) -> None:
    assert matcher.find(pattern, text, how=how) == Found(found)
    assert reply_to({"pattern": pattern, "text": text, "how": how, "flags": 0}) == {"found": found}


def test_only_the_head_of_a_long_text_is_searched(matcher: PatternMatcher) -> None:
    assert matcher.find("b", "a" * TEXT_LIMIT + "b") == Found(None, cut=True)
    assert matcher.find("b", "b" + "a" * TEXT_LIMIT) == Found("b", cut=True)
    assert matcher.find("b", "a" * (TEXT_LIMIT - 1) + "b") == Found("b")


@pytest.mark.parametrize("pattern", ["(", "a{9999999999}", "(" * 5000 + ")" * 5000, "(?P<a>x)(?P<a>y)"])
def test_a_malformed_pattern_is_named(pattern: str, matcher: PatternMatcher) -> None:
    with pytest.raises(PatternError, match='pattern "'):
        matcher.check(pattern)
    assert matcher.find("a", "a") == Found("a")


def _process(matcher: PatternMatcher) -> subprocess.Popen[bytes]:
    matcher.find("a", "a")
    assert matcher._child is not None
    return matcher._child.process


def test_no_process_before_the_first_use_and_none_after_close() -> None:
    matcher = PatternMatcher()
    assert matcher._child is None
    process = _process(matcher)
    assert process.poll() is None
    matcher.close()
    assert process.returncode is not None
    assert matcher.find("a", "a") == Found("a")  # a closed matcher starts again
    matcher.close()
    matcher.close()


@pytest.fixture(params=[PolledLines, ThreadedLines])
def lines(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[Lines]:
    """Have the matcher read as on this system, and as on Windows."""
    monkeypatch.setattr("pytest_evalgate.scorers.safe_regex.lines_of", request.param)
    kind: type[Lines] = request.param
    return kind


@pytest.mark.usefixtures("lines")
def test_a_time_out_leaves_nothing_behind() -> None:
    before = threading.active_count()
    with PatternMatcher(deadline_s=0.05) as matcher:
        process = _process(matcher)
        with pytest.raises(PatternTimeout):
            matcher.find("(a+)+$", "a" * 40 + "b")
        assert process.returncode == -signal.SIGKILL
        assert process.stdout is not None
        assert process.stdout.closed
        assert threading.active_count() == before
        assert _process(matcher).pid != process.pid


def test_the_process_goes_with_the_matcher() -> None:
    matcher = PatternMatcher()
    process = _process(matcher)
    del matcher
    gc.collect()
    assert process.returncode is not None


def test_a_process_that_was_killed_between_two_matches_is_replaced() -> None:
    with PatternMatcher() as matcher:
        process = _process(matcher)
        process.kill()
        process.wait()
        assert matcher.find("a", "a") == Found("a")


@pytest.mark.usefixtures("lines")
def test_a_process_that_dies_in_a_match_is_an_error_and_is_replaced() -> None:
    with PatternMatcher(deadline_s=60) as matcher:
        timer = threading.Timer(0.2, _process(matcher).kill)
        timer.start()
        with pytest.raises(PatternError, match="its process died"):
            matcher.find("(a+)+$", "a" * 60 + "b")
        timer.join()
        assert matcher.find("a", "a") == Found("a")


def test_an_interrupted_match_does_not_answer_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with PatternMatcher() as matcher:
        matcher.find("a", "a")
        with monkeypatch.context() as patch:
            patch.setattr(PolledLines, "read", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                matcher.find("stale", "stale")
        assert matcher.find("a", "a") == Found("a")


@pytest.mark.usefixtures("lines")
def test_a_long_text_and_a_long_reply_go_through() -> None:
    text = "é" * 500_000
    with PatternMatcher(deadline_s=60) as matcher:
        assert matcher.find("é+", text) == Found(text)


@pytest.mark.usefixtures("lines")
def test_it_works_off_the_main_thread_and_from_several() -> None:
    found: list[str | None] = []
    with PatternMatcher() as matcher:

        def look(number: int) -> None:
            found.extend(matcher.find(str(number), f"x{number}").text for _ in range(20))

        threads = [threading.Thread(target=look, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(map(str, found)) == sorted(str(number) for number in range(8) for _ in range(20))


def test_a_program_that_forgets_to_close_ends_without_a_warning() -> None:
    program = (
        "from pytest_evalgate.scorers.safe_regex import PatternMatcher as M\n"
        "m = M(deadline_s=0.05); m.find('a', 'a'); print(m._child.process.pid)\n"
        "try: m.find('(a+)+$', 'a' * 40 + 'b')\n"
        "except Exception as error: print(type(error).__name__)\n"
        "m.find('a', 'a'); print(m._child.process.pid)\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    first, error, second = done.stdout.split()
    assert (done.stderr, error) == ("", "PatternTimeout")
    for pid in (first, second):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_a_worker_that_does_not_start_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise SystemExit(3)", encoding="utf-8")
    monkeypatch.setattr("pytest_evalgate.scorers.safe_regex._WORKER", tmp_path / "broken.py")
    with pytest.raises(PatternError, match="its process died: it did not start"):
        PatternMatcher().find("a", "a")


def test_a_line_comes_whole_or_not_at_all(lines: type[Lines]) -> None:
    read, write = os.pipe()
    pipe = lines(os.fdopen(read, "rb", buffering=0))  # type: ignore[call-arg]
    os.write(write, b"half ")
    with pytest.raises(TimeoutError):
        pipe.read(0.02)
    os.write(write, b"a line\n")
    os.close(write)
    assert pipe.read(30).endswith(b"a line\n")
    with pytest.raises(EOFError):
        pipe.read(30)
    pipe.close()


def test_the_worker_ends_with_its_input() -> None:
    worker = [sys.executable, "-I", "-S", str(_WORKER)]
    done = subprocess.run(worker, input=b"", capture_output=True, timeout=60, check=True)
    assert done.stdout == b"ready\n"


def test_the_worker_ends_itself_where_nobody_is_left_to_kill_it() -> None:
    request = {"pattern": "(a+)+$", "text": "a" * 60 + "b", "how": "search", "flags": 0, "limit_s": 0.1}
    worker = [sys.executable, "-I", "-S", str(_WORKER)]
    done = subprocess.run(
        worker, input=json.dumps(request).encode() + b"\n", capture_output=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGALRM


def test_the_scorer_names_pattern_and_case(score_of: ScoreOf) -> None:
    with pytest.raises(
        ScorerError, match=r'golden/faq.jsonl:3: case "q1": scorer "regex": pattern "\(a\+\)\+\$" took'
    ):
        score_of({"kind": "regex", "pattern": "(a+)+$"}, "a" * 40 + "b")
