"""Mutations of a set-up: one change to one file of a project, by a seed.

``mutate`` changes bytes, lines, JSON fields, TOML values or the file itself. As a program, this module runs a session
for each seed, each in a process forked from one that has imported everything, and prints what came of it:

    python -m tests.support.mutations PROJECT FIRST COUNT
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import shutil
import sys
import tempfile
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_evalgate.cli import main as evalgate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Json = Any

CONFIG: Final = "evalgate.toml"
_STORED: Final = (
    ".evalgate/baselines/drop.json",
    ".evalgate/baselines/faq.json",
    ".evalgate/cassettes/tape.jsonl",
    ".evalgate/history.jsonl",
    "calibration/tone.json",
    "golden/drop.jsonl",
    "golden/drop.out.jsonl",
    "golden/faq.jsonl",
    "golden/faq.out.jsonl",
    "golden/tone.jsonl",
    "labels.jsonl",
    "rubrics/tone.md",
    "shards/1-of-2.jsonl",
    "shards/2-of-2.jsonl",
)
_WRONG: Final = ("null", '""', '"x"', "-1", "1e999", "NaN", "true", "[]", "{}", "0", "1.5", "[[]]", '"9"', "1e-9")
_WRONG_TOML: Final = ('""', '"x"', "-1", "nan", "inf", "true", "[]", "{}", "0", "1.5", "'''", "9e99", "1979-05-27")
_BYTES: Final = (b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n", b"{", b'"', b"#", b",", b"\xe2\x80\xae", b"9")


@dataclass(frozen=True)
class Mutation:
    """What was changed."""

    seed: int
    file: str
    what: str


@dataclass(frozen=True)
class Outcome:
    """What came of a session: its exit code, what it printed, its verdict by suite, and the suites it did not run."""

    mutation: Mutation
    code: int
    shown: str
    verdict: str | None
    suites: dict[str, str]
    not_run: list[str]


def mutate(project: Path, seed: int) -> Mutation:
    """Change one file of a project, which is a copy."""
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    name = CONFIG if rng.random() < 0.25 else rng.choice(_STORED)
    path = project / name
    data = path.read_bytes()
    kinds: list[Callable[[random.Random, bytes], bytes]] = [_bytes, _line]
    if name == CONFIG:
        kinds += [_toml] * 3
    elif name.endswith((".json", ".jsonl")):
        kinds += [_json] * 3
    if rng.random() < 0.08:
        return Mutation(seed, name, _file(rng, path))
    kind = rng.choice(kinds)
    changed = data
    while changed == data:
        changed = kind(rng, data)
    path.write_bytes(changed)
    return Mutation(seed, name, kind.__name__.strip("_"))


def _bytes(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    match rng.randrange(6):
        case 0:
            return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        case 1:
            return data[:at] + data[at + 1 :]
        case 2:
            return data[:at] + rng.choice(_BYTES) + data[at:]
        case 3:
            return data[:at]
        case 4:
            return data[:at] + data[at : at + 40] + data[at:]
        case _:
            return data[:at] + data[at + rng.randrange(1, 60) :]


def _line(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    line = lines[at]
    match rng.randrange(8):
        case 0:
            lines[at : at + 1] = []
        case 1:
            lines[at:at] = [line]
        case 2:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], line
        case 3:
            lines[at] = line[: len(line) // 2] + b"\n"
        case 4:
            lines[at] = rng.choice((b"# ", b"// ")) + line
        case 5:
            lines[at] = line.rstrip(b"\r\n")
        case 6:
            lines[at] = b"\n"
        case _:
            lines.append(lines.pop(at))
    return b"".join(lines)


def _places(value: Json, *before: str | int) -> Iterator[tuple[str | int, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*before, key)
        yield from _places(member, *before, key)


def _json(rng: random.Random, data: bytes) -> bytes:
    """Change, remove, rename or double one field of one JSON document."""
    documents = data.decode().split("\n")
    whole = data.lstrip().startswith(b"{\n")
    at = 0 if whole else rng.choice([number for number, text in enumerate(documents) if text])
    value = json.loads(data if whole else documents[at])
    *way, last = rng.choice(list(_places(value)))
    parent = value
    for step in way:
        parent = parent[step]
    old, mark = json.dumps(parent[last]), "\x7fmark\x7f"
    new = rng.choice(_WRONG)
    match rng.randrange(4):
        case 0:
            del parent[last]
        case 1 if isinstance(parent, dict):
            parent[f"{last}x"] = parent.pop(last)
        case 2 if isinstance(parent, dict):
            parent[last] = mark
            new = f"{old}, {json.dumps(last)}: {new}"
        case _:
            parent[last] = mark
    text = json.dumps(value).replace(json.dumps(mark), new)
    return text.encode() if whole else "\n".join([*documents[:at], text, *documents[at + 1 :]]).encode()


def _toml(rng: random.Random, data: bytes) -> bytes:
    """Change, remove, rename or double one key or one table."""
    lines = data.decode().split("\n")
    at = rng.choice([number for number, line in enumerate(lines) if "=" in line or line.startswith("[")])
    line = lines[at]
    if line.startswith("["):
        lines[at] = rng.choice(
            (line[1:], line.replace("]", "x]"), f"{line}\n{line}", f"[{line}]", line.replace(".", ""))
        )
    else:
        key, _, value = line.partition(" = ")
        inner = list(re.finditer(r'"[^"]*"|[0-9.]+', value))
        match rng.randrange(5):
            case 0:
                lines[at] = f"{key} = {rng.choice(_WRONG_TOML)}"
            case 1:
                lines[at] = f"{key}x = {value}"
            case 2:
                lines[at] = f"{line}\n{line}"
            case 3 if inner:
                found = rng.choice(inner)
                lines[at] = f"{key} = {value[: found.start()]}{rng.choice(_WRONG_TOML)}{value[found.end() :]}"
            case _:
                lines[at] = ""
    return "\n".join(lines).encode()


def _file(rng: random.Random, path: Path) -> str:
    kind = rng.choice(("removed", "empty", "a folder", "a loop of links", "/dev/null", "another file"))
    other = (path.parent / "other").read_bytes() if (path.parent / "other").exists() else b"\x89PNG\r\n\x1a\n"
    path.unlink()
    match kind:
        case "empty":
            path.touch()
        case "a folder":
            path.mkdir()
        case "a loop of links":
            path.symlink_to(path.name)
        case "/dev/null":
            path.symlink_to("/dev/null")
        case "another file":
            path.write_bytes(other)
    return kind


# --- as a program


def run(project: Path, seed: int) -> Outcome:
    """Mutate a copy of ``project``, and run a session in a forked process."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        folder = Path(name) / "project"
        shutil.copytree(project, folder, symlinks=True)
        mutation = mutate(folder, seed)
        shown = Path(name) / "shown"
        child = os.fork()
        if not child:
            _run_and_exit(folder, shown, merge=mutation.file.startswith("shards/"))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        verdict = {}
        if (folder / ".evalgate" / "verdict.json").is_file():
            verdict = json.loads((folder / ".evalgate" / "verdict.json").read_bytes())
        suites = {suite: found["verdict"] for suite, found in verdict.get("suites", {}).items()}
        text = shown.read_text("utf-8", "replace")
        return Outcome(mutation, code, text, verdict.get("verdict"), suites, verdict.get("suites_not_run", []))


def _run_and_exit(folder: Path, shown: Path, *, merge: bool) -> None:
    code = 99
    try:
        os.chdir(folder)
        out = os.open(shown, os.O_WRONLY | os.O_CREAT)
        for descriptor in (1, 2):
            os.dup2(out, descriptor)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
        code = _merge() if merge else _session()
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    except BaseException:  # noqa: BLE001 - reported as a traceback, which the test looks for
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _session() -> int:
    alone = ("-p", "pytest_evalgate.plugin", "-p", "no:cacheprovider")
    return int(pytest.main(["--eval-gate", "--eval-offline", "-q", *alone]))


def _merge() -> int:
    return evalgate(["merge", "shards", "--expect-shards", "2", "--gate"])


def main() -> None:
    """Run a session and a merge without a mutation, which import everything; then print one line for each seed."""
    project, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        folder = Path(name) / "project"
        shutil.copytree(project, folder)
        before = Path.cwd()
        os.chdir(folder)
        with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.redirect_stderr(shown):
            codes = (_session(), _merge())
        os.chdir(before)
    if codes != (1, 1):
        sys.exit(f"exit codes without a mutation: {codes}\n{shown.getvalue()}")
    for seed in range(first, first + count):
        sys.stdout.write(json.dumps(asdict(run(project, seed))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
