# ruff: noqa: T201 - what is printed is the matter

from __future__ import annotations

import io
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate.usercode.streams import StandardStreams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Streams:
    """Two pairs of standard streams: the terminal, and what captures the output of a test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.terminal = self._install()

    def _install(self) -> tuple[io.StringIO, io.StringIO]:
        pair = (io.StringIO(), io.StringIO())
        self._patch.setattr(sys, "stdout", pair[0])
        self._patch.setattr(sys, "stderr", pair[1])
        return pair

    def capture(self) -> tuple[io.StringIO, io.StringIO]:
        return self._install()


@pytest.fixture
def streams() -> Iterator[StandardStreams]:
    held = StandardStreams()
    yield held
    held.release()


def _in_thread(function: Callable[[], object]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def _print_twice() -> None:
    print("::add-mask::a")
    print("warned", file=sys.stderr)


def test_they_stay_open(streams: StandardStreams, monkeypatch: pytest.MonkeyPatch) -> None:
    both = _Streams(monkeypatch)  # no fixture: pytest installs streams of its own before the test
    monkeypatch.setattr(sys, "stderr", None)
    streams.keep_open()
    sys.stdout.close()
    assert not both.terminal[0].closed
    streams.release()
    sys.stdout.close()
    assert both.terminal[0].closed


def test_what_threads_write_is_held_and_captured_later(
    streams: StandardStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = _Streams(monkeypatch)
    streams.hold_threads()
    _in_thread(_print_twice)
    print("the reporter's")
    assert [stream.getvalue() for stream in both.terminal] == ["the reporter's\n", ""]
    captured = both.capture()
    streams.deliver()
    streams.deliver()
    assert [stream.getvalue() for stream in captured] == ["::add-mask::a\n", "warned\n"]
    _in_thread(_print_twice)
    assert captured[0].getvalue() == "::add-mask::a\n" * 2, "what is written during a test is captured at once"


def test_a_timer_writes_at_once(streams: StandardStreams, monkeypatch: pytest.MonkeyPatch) -> None:
    both = _Streams(monkeypatch)
    streams.hold_threads()
    timer = threading.Timer(0, print, ["stacks of all threads"])
    timer.start()
    timer.join()
    assert both.terminal[0].getvalue() == "stacks of all threads\n"


def test_much_text_is_cut_at_its_beginning(streams: StandardStreams, monkeypatch: pytest.MonkeyPatch) -> None:
    both = _Streams(monkeypatch)
    streams.hold_threads()
    _in_thread(lambda: [print("x" * 99_999) for _ in range(20)])
    _in_thread(lambda: print("y" * 2_000_000 + "end", end=""))
    captured = both.capture()
    streams.deliver()
    text = captured[0].getvalue()
    assert len(text) <= 1_000_000
    assert text.endswith("yyend")


def test_a_released_stream_is_written_to_as_before(streams: StandardStreams, monkeypatch: pytest.MonkeyPatch) -> None:
    both = _Streams(monkeypatch)
    streams.hold_threads()
    streams.hold_threads()
    _in_thread(_print_twice)
    streams.release()
    _in_thread(_print_twice)
    streams.deliver()
    assert both.terminal[0].getvalue() == "::add-mask::a\n"


def test_missing_streams_are_left_alone(streams: StandardStreams, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    streams.hold_threads()
    streams.keep_open()
    streams.deliver()
