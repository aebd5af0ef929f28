"""Peak memory of each client under hostile servers, 32 calls at a time, over what the process takes when idle.

A call may take two seconds. ``VmHWM`` is reset before each attack (Linux: 5 to ``/proc/self/clear_refs``), so each row
is the peak of that attack alone, and what glibc kept from the ones before is part of the idle figure.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import processes
from tests.support.hostile import ATTACKS

from pytest_evalgate.config import Model
from pytest_evalgate.engine.clients import model_client
from pytest_evalgate.engine.limiter import Limiter, Limits
from pytest_evalgate.engine.retry import RetryingClient, RetryPolicy
from pytest_evalgate.engine.stop import StopSignal
from pytest_evalgate.records.calls import Call, CallFailed

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from pytest_evalgate.records.calls import Reply

CALLS: Final = 32
TIMEOUT_S: Final = 2.0
BOUND_MB: Final = 150


def main() -> int:
    if len(sys.argv) > 1:
        asyncio.run(_attack(*sys.argv[1:]))
        return 0
    command = [sys.executable, "-m", "tests.support.hostile"]
    environment = processes.environment(Path.cwd())
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        print(f"peak MB over idle, {CALLS} calls at a time of {TIMEOUT_S:.0f} s (bound {BOUND_MB})", flush=True)
        worst = 0
        for client in ("http", "openai"):
            for name in ATTACKS:
                me = [sys.executable, "-m", "benchmarks.hostile_servers", client, url, name]
                done = subprocess.run(me, check=True, capture_output=True, text=True, env=environment)
                peak, ends = done.stdout.strip().split(" ", 1)
                worst = max(worst, int(peak))
                print(
                    f"  {client:7} {name:26} {peak:>5}  {'ok    ' if int(peak) <= BOUND_MB else 'MISSED'}  {ends}",
                    flush=True,
                )
        server.stdin.close()
    print(f"  worst: {worst} MB")
    return 0


async def _attack(client: str, url: str, name: str) -> None:
    """Print the peak, and how the calls ended."""
    base_url = f"{url}{name}"
    table = {"model": "m", "base_url": base_url, "client": client, "api_key_env": "", "max_concurrency": CALLS}
    raw = model_client("m", Model.model_validate(table), {})
    stop_signal = StopSignal()
    limiter = Limiter(Limits(CALLS, None), stop_signal)
    sender = RetryingClient(raw, limiter, stop_signal, base_url, RetryPolicy(TIMEOUT_S, first_pause_s=0.01))
    await raw.open()
    call = Call("chat", base_url, "m", {"model": "m", "messages": [{"role": "user", "content": "q"}]})
    idle = _reset_peak()
    ends = Counter(await asyncio.gather(*[_end_of(sender.send(call)) for _ in range(CALLS)]))
    await asyncio.sleep(0.5 if name.endswith("idle") else 0)
    peak = _status("VmHWM") - idle
    await raw.close()
    print(peak, "; ".join(f"{count} x {end}" for end, count in ends.most_common(2)))


async def _end_of(sending: Coroutine[None, None, Reply]) -> str:
    try:
        reply = await asyncio.wait_for(sending, TIMEOUT_S)
    except CallFailed as failed:
        return str(failed)[:70]
    except TimeoutError:
        return "timeout"
    return f"replied {str(reply.value)[:20]!r}"


def _reset_peak() -> int:
    """Return the memory in use, in MB, and start to measure the peak."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    return _status("VmRSS")


def _status(field: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith(field))
    return int(line.split()[1]) // 1024


if __name__ == "__main__":
    sys.exit(main())
