"""What one case takes by each kind of target: CPU of the whole process, the least of a few rounds, beside pytest's."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import processes, projects
from benchmarks.profiled import again
from benchmarks.rows import Row, print_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

BOUNDS_S: Final = {"recorded": 0.45, "http": 0.55, "openai": 0.85}
ROUNDS: Final = 5

APPLICATION: Final = "def answer(text):\n    return text\n"


def main() -> int:
    title = "start-up: one case, nothing cached; models with a judge"
    return print_rows(rows(), f"{title}; {processes.machine()}; least of {ROUNDS} rounds")


def rows() -> Iterator[Row]:
    with processes.judging_server(0.0) as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, toml in _projects(server.base_url).items():
            runs = [_run(folder / f"{kind}-{number}", toml) for number in range(ROUNDS)]
            used, floor = (processes.least(each) for each in zip(*runs, strict=True))
            profiled = folder / f"{kind}-profiled"
            yield Row(
                f"start-up, N = 1, {kind}",
                used.cpu_s,
                BOUNDS_S.get(kind),
                "s CPU",
                floor.cpu_s,
                f"wall {used.wall_s:.2f} s, {used.peak_mb:.0f} MiB",
                profile=lambda profiled=profiled, toml=toml: again(  # type: ignore[misc]
                    (*processes.GATE, projects.GOLDEN), _project(profiled, toml)
                ),
            )


def _projects(base_url: str) -> dict[str, str]:
    """Return the configuration by the name of each kind of target."""
    models = {
        client: projects.Asked(base_url, client, concurrency=32, judged=True).toml() for client in ("http", "openai")
    }
    return {
        "recorded": projects.suite_toml('{ recorded = "outputs.jsonl" }'),
        **models,
        "python": projects.suite_toml('{ python = "application:answer" }'),
    }


def _run(folder: Path, toml: str) -> tuple[processes.Used, processes.Used]:
    project = _project(folder, toml)
    return processes.gate(project, projects.GOLDEN), processes.pytest_run(project, "-p", "floor", projects.GOLDEN)


def _project(folder: Path, toml: str) -> Path:
    project = projects.write(folder, 1, toml)
    output = f'{{"id": "case-000000", "output": "{projects.question(0)}"}}\n'
    (project / "outputs.jsonl").write_text(output, encoding="utf-8")
    (project / "application.py").write_text(APPLICATION, encoding="utf-8")
    return project


if __name__ == "__main__":
    sys.exit(main())
