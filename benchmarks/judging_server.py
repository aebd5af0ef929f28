"""The scripted server, which grades what a judge is asked to grade, and echoes questions: ``LATENCY_S``.

It answers the judges of pytest-evalgate, and those of other tools (`benchmarks.peers`), which ask for a tool call, for
a line with a grade, or for JSON.
"""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Final

from benchmarks.projects import PASSAGE
from tests.support.__main__ import raise_open_file_limit
from tests.support.behaviours import Behaviour
from tests.support.replies import last_user_text
from tests.support.server import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.replies import Request

_NONCE: Final = re.compile(r'- nonce: the text "([0-9a-f]{16})"')
_QUESTION: Final = re.compile(r"(What is \d+ modulo 97\?\s*)+")
_GRADE: Final = {"reason": "It does.", "pass": True, "score": 1}


def main() -> None:
    raise_open_file_limit()
    with ScriptedServer(keeps_requests=False) as server:
        server.answer_with(_grading(float(sys.argv[1])))
        print(server.base_url, flush=True)
        sys.stdin.read()


def _grading(latency_s: float) -> Callable[[Request], Behaviour]:
    echo = Behaviour.echo(latency_s=latency_s)

    def answer(request: Request) -> Behaviour:
        text = last_user_text(request)
        if _QUESTION.fullmatch(text):
            return echo
        if nonce := _NONCE.search(text):
            grade = {"nonce": nonce[1], "evidence": PASSAGE, "score": 1, "verdict": "pass"}
            return Behaviour.text(json.dumps(grade), latency_s=latency_s)
        if tools := request.body.get("tools"):
            return Behaviour.tool_calls((tools[0]["function"]["name"], _GRADE), latency_s=latency_s)
        if "GRADE:" in text:
            return Behaviour.text("GRADE: C", latency_s=latency_s)
        return Behaviour.text(json.dumps(_GRADE), latency_s=latency_s)

    return answer


if __name__ == "__main__":
    main()
