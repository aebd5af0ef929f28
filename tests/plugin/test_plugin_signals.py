from __future__ import annotations

import os
import sys

import pytest

from pytest_evalgate.plugin.signals import EXIT_ENDED, no_silent_exit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")


@pytest.mark.parametrize(
    ("status", "decided", "seen"), [(0, None, EXIT_ENDED), (7, None, 7), (0, 1, 1), (0, 0, 0), (7, 1, 7)]
)
def test_code_that_ends_the_process_does_not_turn_it_into_a_pass(status: int, decided: int | None, seen: int) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(writer, 2)
        with no_silent_exit(lambda: os.write(writer, b"uncaptured"), lambda: decided):
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == seen
    assert (b"before the verdict" in said and b"uncaptured" in said) == (seen == EXIT_ENDED)


def test_a_forked_child_of_the_code_ends_as_it_wants_and_the_function_is_restored() -> None:
    end = os._exit
    with no_silent_exit(lambda: None, lambda: None):
        child = os.fork()
        if not child:
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert os._exit is end
