"""The scripted server, which grades what a judge is asked to grade, and echoes everything else: ``LATENCY_S``."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Final

from benchmarks.projects import PASSAGE
from tests.support.__main__ import raise_open_file_limit
from tests.support.behaviours import Behaviour
from tests.support.server import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.replies import Request

_NONCE: Final = re.compile(r'- nonce: the text "([0-9a-f]{16})"')


def main() -> None:
    raise_open_file_limit()
    with ScriptedServer(keeps_requests=False) as server:
        server.answer_with(_grading(float(sys.argv[1])))
        print(server.base_url, flush=True)
        sys.stdin.read()


def _grading(latency_s: float) -> Callable[[Request], Behaviour]:
    echo = Behaviour.echo(latency_s=latency_s)

    def answer(request: Request) -> Behaviour:
        nonce = _NONCE.search(request.body["messages"][-1]["content"])
        if nonce is None:
            return echo
        grade = {"nonce": nonce[1], "evidence": PASSAGE, "score": 1, "verdict": "pass"}
        return Behaviour.text(json.dumps(grade), latency_s=latency_s)

    return answer


if __name__ == "__main__":
    main()
