"""Waits that end by their bound instead of by their wake-up: each is logged to ``pytest_evalgate.waits``.

Every wait has a wake-up and a bound. In a healthy run none ends by its bound, not even on a busy machine:
``make busy`` counts them with six busy loops running. The waits, each with what ends it, and its bound:

* pytest's thread for a case (``Engine.wait``): the case's future; a check 4 times a second that the thread lives;
  bound: ``max_duration_s`` + 10 s.
* the engine for a coroutine of the user (``CodeCall``): its outcome, or the end of the loop's thread, which fails all
  calls; bound: that of the first wait.
* the engine for a plain function (``DaemonThreads``): its outcome: a job always reports; bound: that of the first
  wait.
* an idle thread for a job: a job, or ``close``; bound: none: the threads are daemons.
* a call for the commit of its reply (``cache/writer``): the commit, or the end of the writer's thread, which fails
  all writes; bound: 30 s, then the run continues without writing.
* the cache for a lock of SQLite: the other process; bound: 2 s each, 5 attempts a commit; 60 s for the first use of a
  thread (diskcache).
* opening the cache while another process does: polls each 20 ms; bound: 10 s.
* a call that another worker is sending (lease): polls each 20 to 200 ms for its reply; the kernel frees the lease of
  a dead process; bound: 600 s, then the call is sent.
* callers that share a call (single flight): the call's task; bound: that of the call.
* a slot of the limiter, a pause before a retry: a slot, a timer, the stop signal; bound: the call's deadline,
  ``max_duration_s``.
* an attempt of a call, connecting included: bytes, the end or the loss of the connection; bound: ``timeout_s``.
* the first call for its client (imports, certificates): the thread that loads them; bound: that of the first wait.
* a program of a ``command`` target: its exit and the end of its pipes; bound: ``timeout_s``, and 2 s after it was
  killed.
* a session for its store: the commit; bound: 60 s on PostgreSQL (5 s to connect), 10 s for another writer of the
  SQLite file. A shard file on its way through the store has 60 s more than 1 s for each MiB.
* a session for the past runs of its store: the rows; bound: 5 s on PostgreSQL, then it has no trend.
* a git command: its exit; bound: 20 s.
* ``ssh-keygen``, when a release pack is signed or its signature is checked: its exit; bound: 120 s.
* the webhooks of ``notify``, after the verdict: the responses; bound: 10 s for all of them, in daemon threads.
* the collector of ``telemetry``, after the verdict: the responses; bound: 10 s for all of them, in daemon threads.
* ``watch`` for its pytest, after Ctrl-C: its exit; bound: 15 s, then it is terminated.
* the end of a thread: engine, user's loop, writer: the thread; bound: 3 s, 1 s, 10 s: they are daemons.
* xdist's controller: messages and the death of a worker; bound: polls each 2 s.
"""

from __future__ import annotations

import logging
from typing import Final

_LOG: Final = logging.getLogger("pytest_evalgate.waits")


def report_expired(wait: str, bound_s: float) -> None:
    """Log that ``wait`` was ended by its bound."""
    _LOG.info("%s took longer than %g s", wait, bound_s)
