"""``pytest-evalgate label sample --width``: the number of further labels for intervals of a wanted width."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_evalgate.errors import SettingsError
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from pytest_evalgate.judges.label_sample import Candidate
    from pytest_evalgate.judges.label_top_up import LabelTopUp


def planned(args: argparse.Namespace, candidates: Sequence[Candidate], field: str | None) -> LabelTopUp:
    """Plan the outputs to add to the sample in ``--out``, and print the plan.

    Raises:
        UserError: the sample is not of this run, not labelled in full, or cannot reach the width.
    """
    from pytest_evalgate.cli.label.sheet import drawn_rows  # noqa: PLC0415 - scipy, 0.75 s
    from pytest_evalgate.judges.label_sample import top_up  # noqa: PLC0415 - as above
    from pytest_evalgate.judges.label_top_up import plan_top_up  # noqa: PLC0415 - as above
    from pytest_evalgate.judges.labels import Columns, load  # noqa: PLC0415 - as above

    top_up(candidates, drawn_rows(args.out, field), 0, args.seed)  # refuses a sample of another run
    labels = load(args.out, Columns(tuple(args.pass_label)), root=Path.cwd())
    if labels.unlabelled:
        raise SettingsError(
            f"{args.out}: {count(labels.unlabelled, 'row')} of {len(labels.rows) + labels.unlabelled:,} without a "
            "label: fill them in first, the plan depends on them"
        )
    plan = plan_top_up(candidates, labels.rows, args.width / 100)
    if not args.json or not any(plan.add.values()):
        print("\n".join(_lines(plan, args.width)), file=sys.stderr)
    return plan


def _lines(plan: LabelTopUp, width: float) -> Iterator[str]:
    for name, rate in (("TPR", plan.tpr), ("TNR", plan.tnr)):
        yield f"{name}: interval of {100 * rate.now:.1f} points, {100 * rate.then:.1f} expected with the new labels"
    more = sum(plan.add.values())
    yield (
        f"{count(more, 'more label')} for {width:g} points"
        if more
        else f"both are at most {width:g} points wide: no more labels are needed"
    )
