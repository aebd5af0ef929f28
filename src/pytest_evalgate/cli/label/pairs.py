"""``pytest-evalgate label sample --against``: pairs of outputs of a run and its baseline, for people to label."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from pytest_evalgate.app.decide import RunDecider
from pytest_evalgate.cli.label.sheet import pair_sheet
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.runs import baseline as baselines
from pytest_evalgate.scorers.part import NoPartError, part_of
from pytest_evalgate.text import files
from pytest_evalgate.text.wording import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from pytest_evalgate.app.project import Project
    from pytest_evalgate.judges.label_pairs import PairSample
    from pytest_evalgate.records.cases import Case, Json
    from pytest_evalgate.records.results import Output, SuiteRun
    from pytest_evalgate.records.verdicts import Baseline

_BASELINE: Final = "baseline"


def sample_pairs(
    args: argparse.Namespace, project: Project, suite: SuiteRun, cases: Mapping[str, Case], field: str | None
) -> int:
    """Draw pairs of outputs and write both of each, or their parts at ``field``; with ``--more``, add to the file.

    Raises:
        UserError: the other side cannot be found, or its outputs are not stored.
    """
    from pytest_evalgate.judges.label_pairs import draw_pairs, drawn_cases  # noqa: PLC0415 - scipy, 0.75 s

    baseline, outputs = _against(args.against, project, suite)
    before = drawn_cases(args.out) if args.more is not None else []
    show = None if field is None else partial(_part, field, cases)
    number = args.more or args.n
    sample = draw_pairs(suite.results, baseline, outputs, before, number, seed=args.seed, show=show)
    is_csv = args.out is not None and args.out.suffix.lower() == ".csv"
    text = pair_sheet(sample.rows, cases, args.form or ("csv" if is_csv else "jsonl"), header=args.more is None)
    if args.out is None:
        print(text, end="")
    else:
        had = args.out.read_text("utf-8") if args.more is not None else ""
        files.write_atomically(args.out, (had + text).encode())
    _print_summary(args, sample)
    return 0


def _part(field: str, cases: Mapping[str, Case], case_id: str, output: Output) -> Json:
    """Return the part of an output that the judge grades; an empty text if it has none, which the judge fails."""
    try:
        return part_of(output, field, cases.get(case_id)).value
    except NoPartError:
        return ""


def _against(spec: str, project: Project, suite: SuiteRun) -> tuple[Baseline, Mapping[str, Json]]:
    """Return the other side, as a baseline, and its outputs by case id."""
    name = suite.plan.name
    if spec == _BASELINE:
        decider = RunDecider(project.root, project.settings, project.state.path, project.settings.suites.get)
        found = decider.baseline_of(name)
        if found is None:
            raise SettingsError(f"suite {name} has no baseline yet: pytest-evalgate baseline promote, or name a run")
        configured = None if (known := project.settings.suites.get(name)) is None else known.baseline
        state = project.state.path
        file = baselines.file_of(configured, suite=name, root=project.root, state=state)
        data = baselines.find_outputs(found, file=file, root=project.root, state=state)
        return found, baselines.parse_outputs(data)
    run = project.run(spec)
    other = next((one for one in run.suites if one.plan.name == name), None)
    if other is None:
        raise SettingsError(f"run {run.id} has no suite {name}")
    found = baselines.promote(run, other, reason="compared", now=run.created)
    outputs = {
        result.case.golden_id: trial.output.value
        for result in other.results
        for trial in result.trials[:1]
        if trial.output is not None
    }
    return found, outputs


def _print_summary(args: argparse.Namespace, sample: PairSample) -> None:
    if args.json:
        strata = {name: {"pairs": sample.pairs[name], "drawn": sample.drawn[name]} for name in sample.pairs}
        print(json.dumps({"strata": strata, "same_output": sample.same}, indent=1))
        return
    drawn = sum(sample.drawn.values())
    lines = [f"drew {drawn:,} of {count(sum(sample.pairs.values()), 'pair')}, by the verdicts before and now:"]
    lines += [f"  {name}: {sample.drawn[name]:,} of {sample.pairs[name]:,}" for name in sample.pairs]
    lines += [f"{count(sample.same, 'pair')} have equal outputs and need no label"] if sample.same else []
    if args.out is not None:
        lines.append(f'label both rows of each pair, then set in the suite: run_labels = "{args.out.as_posix()}"')
    print("\n".join(lines), file=sys.stderr)  # standard output may be the rows
