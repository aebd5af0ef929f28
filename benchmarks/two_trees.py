"""Two commits in one run: the rows of a script with the package of one folder and of another, in turn.

    git worktree add /tmp/old main
    python -m benchmarks.two_trees /tmp/old/src src startup recorded_cases --rounds 3

The scripts, the server and the libraries are the same for both; only the package differs. Of the rounds the best
figure counts: the least, or the most if the bound is a least. What the rest of the machine takes falls on both alike.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import processes
from benchmarks.speed import SCRIPTS, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.rows import Row


def main() -> int:
    chosen = arguments()
    old, new = (str(Path(tree).resolve()) for tree in (chosen.old, chosen.new))
    for tree in (old, new):
        assert Path(tree, "pytest_evalgate").is_dir(), f"{tree} does not contain the package: name its src"
    print(f"old {old}, new {new}; {processes.machine()}; best of {chosen.rounds} rounds")
    print(f"  {'row':<40} {'old':>10} {'new':>10} {'new/old':>8}  unit")
    for script in chosen.scripts:
        rounds = [(_measured(script, old), _measured(script, new)) for _ in range(chosen.rounds)]
        best_old, best_new = (list(map(_best, zip(*side, strict=True))) for side in zip(*rounds, strict=True))
        for before, after in zip(best_old, best_new, strict=True):
            ratio = f"{after.figure / before.figure:8.3f}" if before.figure else " " * 8
            print(f"  {after.name:<40} {before.figure:>10.3f} {after.figure:>10.3f} {ratio}  {after.unit}")
    print(f"  {processes.machine()}")
    return 0


def _measured(script: str, tree: str) -> list[Row]:
    os.environ[processes.TREE_VARIABLE] = tree
    return list(rows_of(script))


def _best(rows: Sequence[Row]) -> Row:
    figures = [row.figure for row in rows]
    return replace(rows[0], figure=max(figures) if rows[0].at_least else min(figures))


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", help="folder that contains the package, such as src of a worktree")
    parser.add_argument("new")
    parser.add_argument("scripts", nargs="+", choices=SCRIPTS, metavar="SCRIPT", help=", ".join(SCRIPTS))
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args(given)


if __name__ == "__main__":
    sys.exit(main())
