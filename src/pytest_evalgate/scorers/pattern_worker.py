"""Child process that matches patterns, so that a pattern that hangs can be killed from outside.

Run as a file, with the standard library only. Reads one JSON request a line, writes one JSON reply a line, and ends
when its input does. `safe_regex` is the other end.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from typing import Any


def reply_to(request: dict[str, Any]) -> dict[str, Any]:
    """Match as ``request`` says: ``{pattern, flags, text, how}``; the reply holds ``found`` or ``error``."""
    try:
        return {"found": matched(re.compile(request["pattern"], request["flags"]), request["text"], request["how"])}
    except (re.error, ArithmeticError, RecursionError, MemoryError, ValueError) as error:
        return {"error": str(error) or type(error).__name__}


def matched(pattern: re.Pattern[str], text: str, how: str) -> str | None:
    """Return the first group of the match that took part, else the whole match; None where there is no match."""
    if how == "compile":
        return None
    if how == "last":
        match = None
        for match in pattern.finditer(text):  # noqa: B007 - the last one is wanted, and a list of all may be long
            pass
    else:
        match = pattern.fullmatch(text) if how == "full" else pattern.search(text)
    if match is None:
        return None
    return next((group for group in match.groups() if group is not None), match[0])


def _limit(seconds: float) -> None:
    """Have the system end this process after ``seconds``: nobody else does where the parent was killed."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def main() -> None:
    """Answer requests until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent closes the pipe
    replies = sys.stdout.buffer
    replies.write(b"ready\n")
    replies.flush()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        _limit(request["limit_s"])
        reply = json.dumps(reply_to(request)).encode("ascii")
        _limit(0)
        replies.write(reply + b"\n")
        replies.flush()


if __name__ == "__main__":
    main()
