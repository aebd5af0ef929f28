"""Count the checks of other tools that are served and refused: ``python -m benchmarks.promptfoo_types``.

The counts are those of the table from which docs/reference/dialects.md is made. test_golden_equivalents checks that
each type of promptfoo, and each evaluator of pydantic-evals, is read or refused as the table says.
"""

from __future__ import annotations

from pytest_evalgate.golden.dialects.equivalents import TOOLS


def main() -> None:
    print(f"{'tool':<16}{'all':>5}{'served':>8}{'refused':>9}{'silent':>8}")
    for tool, rows in TOOLS.items():
        served = sum(bool(one.ours) for one in rows)
        refused = sum(bool(not one.ours and one.note) for one in rows)
        print(f"{tool:<16}{len(rows):>5}{served:>8}{refused:>9}{len(rows) - served - refused:>8}")


if __name__ == "__main__":
    main()
