"""Client of `tests.support.forked`: asks the server for a program in a forked process, and waits for its exit code.

``python -IS fork_client.py SOCKET PROGRAM [ARGUMENT ...]`` gives the program its own folder, environment and streams.
It imports nothing of this project, and starts in 25 ms.
"""

import os
import socket
import struct
import sys

LENGTH = struct.Struct("!Q")
CODE = struct.Struct("!i")
STREAMS = 3


def ask(path: str, words: list[str], folder: str, environment: dict[str, str], streams: tuple[int, int, int]) -> int:
    """Have the server at ``path`` run ``words``, a program and its arguments; return the exit code."""
    variables = (f"{name}={value}" for name, value in environment.items())
    task = "\0".join([folder, str(len(words)), *words, *variables]).encode("utf-8", "surrogateescape")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [LENGTH.pack(len(task))], list(streams))
        connection.sendall(task)
        reply = connection.recv(CODE.size)
    return int(CODE.unpack(reply)[0]) if reply else 70


if __name__ == "__main__":
    exit_code = ask(sys.argv[1], sys.argv[2:], os.getcwd(), dict(os.environ), (0, 1, 2))  # noqa: PTH109 - pathlib takes 10 ms
    sys.exit(exit_code if exit_code >= 0 else 128 - exit_code)  # as a shell reports a signal
