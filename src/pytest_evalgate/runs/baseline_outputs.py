"""What the cases of a baseline answered: kept beside it, for reports that show what changed. No gate looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate import files, jsonl
from pytest_evalgate.errors import BaselineError
from pytest_evalgate.runs import codec, git, run_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pytest_evalgate.data import Baseline, Json

_SUFFIX: Final = ".outputs.jsonl"


def file_beside(baseline: Path) -> Path:
    """Return where the outputs of the baseline at ``baseline`` are kept."""
    return baseline.with_name(baseline.name.removesuffix(".json") + _SUFFIX)


def of_run(baseline: Baseline, run: Path) -> bytes:
    """Return the first trial's output of every case of ``baseline`` as lines, as the run file ``run`` holds them.

    Raises:
        OSError: the run file cannot be read.
        ValueError: a line of it is torn.

    """
    rows = (row for row in run_file.rows(run) if row["suite"] == baseline.suite and row["id"] in baseline.cases)
    outputs = {row["id"]: output for row in rows if (output := _first_output(row)) is not None}
    return b"".join(codec.dumps({"id": name, "output": outputs[name]}).encode() + b"\n" for name in sorted(outputs))


def find(baseline: Baseline, *, file: Path, root: Path, state: Path) -> bytes:
    """Return the outputs of ``baseline`` as lines: those beside it, else those of its run, else nothing.

    Args:
        baseline: The baseline, which knows whether it was read from a file or a commit.
        file: Where the suite's baseline is kept.
        root: The root folder.
        state: The state folder, where the run may still be.

    """
    kind, _, where = baseline.source.partition(":")
    try:
        if kind == "git":
            return git.show(root, where, files.relative_name(file_beside(file), root))
        return file_beside(root / where).read_bytes()
    except (BaselineError, OSError):
        pass
    try:
        return of_run(baseline, run_file.path_of(state, baseline.provenance.run_id))
    except (OSError, KeyError, ValueError):
        return b""


def write(outputs: bytes, baseline: Path) -> None:
    """Keep outputs beside the baseline at ``baseline``; where there are none, none are kept."""
    if outputs:
        files.write_atomically(file_beside(baseline), outputs)
    else:
        file_beside(baseline).unlink(missing_ok=True)


def read(baseline: Path) -> Mapping[str, Json]:
    """Read the outputs beside the baseline at ``baseline``, by case id; a file that cannot be read holds none."""
    try:
        return parse(file_beside(baseline).read_bytes())
    except OSError:
        return {}


def parse(outputs: bytes) -> Mapping[str, Json]:
    """Return outputs by case id; lines that are torn or foreign hold none."""
    try:
        return dict(_lines(outputs))
    except (KeyError, TypeError, ValueError):
        return {}


def _lines(data: bytes) -> Iterator[tuple[str, Json]]:
    for line in data.splitlines():
        row = jsonl.loads(line)
        yield str(row["id"]), row["output"]


def _first_output(row: Mapping[str, Json]) -> Json:
    first: Mapping[str, Json] = next(iter(row.get("trials", ())), {})
    return first.get("output", {}).get("value")
