"""Results wait on disk until they are judged: outputs can be larger than everything else in a session."""

from __future__ import annotations

import tempfile


class Spool:
    """Lines of text in a temporary file that is gone when it is closed."""

    def __init__(self) -> None:
        """Open the file."""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by its owner
        self._end = 0

    def append(self, line: str) -> int:
        """Keep a line of ASCII text and return where it stands."""
        place = self._end
        self._end += self._file.write(line.encode("ascii") + b"\n")
        return place

    def read(self, place: int) -> str:
        """Return the line that stands at ``place``."""
        self._file.seek(place)
        return self._file.readline().decode("ascii").rstrip("\n")

    def close(self) -> None:
        """Throw the file away."""
        self._file.close()
