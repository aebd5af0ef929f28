"""What one case takes by each kind of target: CPU of the whole process, the least of a few rounds."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks import processes, projects

BOUND_S: Final = 1.2
ROUNDS: Final = 5

APPLICATION: Final = "def answer(text):\n    return text\n"


def main() -> int:
    print("start-up: one case, nothing cached, CPU of the whole process")
    print(f"  {processes.machine()}; least of {ROUNDS} rounds")
    with processes.scripted_server(0.0) as server, tempfile.TemporaryDirectory() as folder:
        for name, toml in _projects(server.base_url).items():
            runs = [_run(Path(folder, f"{name}-{number}"), toml) for number in range(ROUNDS)]
            used, floor = (processes.least(each) for each in zip(*runs, strict=True))
            print(
                f"  {name:<16} CPU {used.cpu_s:.2f} s (pytest alone {floor.cpu_s:.2f})   bound {BOUND_S} "
                f"{'ok' if used.cpu_s <= BOUND_S else 'MISSED'}   wall {used.wall_s:.2f} s   {used.peak_mb:.0f} MB",
                flush=True,
            )
    return 0


def _projects(base_url: str) -> dict[str, str]:
    """Return the configuration by the name of each kind of target."""
    clients = {
        f"client = {client}": projects.Asked(base_url, client, concurrency=32).toml() for client in ("http", "openai")
    }
    return {
        "recorded": projects.suite_toml('{ recorded = "outputs.jsonl" }'),
        **clients,
        "python": projects.suite_toml('{ python = "application:answer" }'),
    }


def _run(folder: Path, toml: str) -> tuple[processes.Used, processes.Used]:
    project = projects.write(folder, 1, toml)
    output = f'{{"id": "case-000000", "output": "{projects.question(0)}"}}\n'
    (project / "outputs.jsonl").write_text(output, encoding="utf-8")
    (project / "application.py").write_text(APPLICATION, encoding="utf-8")
    return processes.gate(project, projects.GOLDEN), processes.pytest_run(project, "-p", "floor", projects.GOLDEN)


if __name__ == "__main__":
    sys.exit(main())
