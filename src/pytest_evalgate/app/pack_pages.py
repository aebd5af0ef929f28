"""Files of a release pack that follow from its other files: pages, model card, identities of models, coverage map.

They are made when the pack is written, and made again when it is verified: one that was edited differs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from pytest_evalgate.config import suite_named
from pytest_evalgate.curation.wanted_values import run_coverage
from pytest_evalgate.frozen import dataclass
from pytest_evalgate.golden.data_card import read_card
from pytest_evalgate.reports import phrases
from pytest_evalgate.reports.brief import render_brief, render_brief_page
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.escape import code, inline
from pytest_evalgate.text.wording import count, interval, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_evalgate.app.view import DecidedRun
    from pytest_evalgate.config import Settings
    from pytest_evalgate.records.verdicts import Calibration, JudgeVerdict, SuiteVerdict
    from pytest_evalgate.reports.brief import Brief

READINESS: Final = ("readiness.md", "readiness.html")
DERIVED: Final = (*READINESS, "model-card.md", "models.json", "coverage.json")
_CARD_END: Final = ".card.toml"
_SOFTWARE: Final = ("pytest-evalgate", "pytest", "python")


@dataclass(frozen=True, slots=True)
class PackContent:
    """What the derived files of a pack are made from: its brief, its runs, its configuration and its other files."""

    brief: Brief
    runs: Sequence[DecidedRun]
    settings: Settings
    files: Mapping[str, bytes]

    @property
    def calibrations(self) -> dict[str, Calibration]:
        """The calibrations of the judges of all runs."""
        return {name: found for run in self.brief.runs for name, found in run.view.calibrations.items()}

    @property
    def suites(self) -> list[tuple[str, str, SuiteVerdict]]:
        """Run id, name and verdict of each suite."""
        return [(one.run.id, name, suite) for one in self.runs for name, suite in one.verdict.suites.items()]


def derived_files(content: PackContent) -> dict[str, bytes]:
    """Return the files that follow from the others, by name."""
    pages = (render_brief(content.brief), render_brief_page(content.brief), "\n\n".join(_model_card(content)) + "\n")
    values = (_models(content), _coverage(content))
    made = [*(page.encode() for page in pages), *(_json(value) for value in values)]
    return dict(zip(DERIVED, made, strict=True))


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


def _models(content: PackContent) -> dict[str, Any]:
    """Return the identities of models, targets and judges, and the software that the runs state."""
    judges = {judge.name: judge for _, _, suite in content.suites for judge in suite.judges}
    return {
        "models": {
            name: {"model": model.model, "base_url": model.base_url, "api": model.api, "params": dict(model.params)}
            for name, model in content.settings.models.items()
        },
        "judges": {
            name: _judge(judge, content.settings.judges[name].model, content.calibrations.get(name))
            for name, judge in judges.items()
        },
        "runs": {
            one.run.id: {
                "facts": dict(one.info.facts),
                "other_models": {
                    name: [dataclasses.asdict(other) for other in suite.other_models]
                    for name, suite in one.verdict.suites.items()
                    if suite.other_models
                },
            }
            for one in content.runs
        },
    }


def _judge(judge: JudgeVerdict, model: str, calibration: Calibration | None) -> dict[str, Any]:
    found: dict[str, Any] = {"model": model, "fingerprint": judge.fingerprint, "why_not": judge.why_not}
    if calibration is not None:
        kept = ("created", "labels", "labels_sha256", "threshold")
        found |= {name: getattr(calibration, name) for name in kept} | {"parts": dict(calibration.parts)}
    return found


def _coverage(content: PackContent) -> dict[str, Any]:
    """Return which case covers which wanted value, by run, suite and field."""
    found: dict[str, Any] = {}
    for one in content.runs:
        for suite in one.run.suites:
            configured = suite_named(content.settings, suite.plan.name)
            for field in () if configured is None else run_coverage(suite, configured.coverage):
                found.setdefault(one.run.id, {}).setdefault(suite.plan.name, {})[field.by] = {
                    "wanted": {value.value: list(value.cases) for value in field.wanted},
                    "others": dict(field.others),
                    "without": field.without,
                }
    return found


def _model_card(content: PackContent) -> Iterator[str]:
    """Yield the blocks of the model card: what was evaluated, on which data, by which judges, and its limits."""
    brief = content.brief
    commit = content.runs[0].run.commit
    yield f"# Model card: {brief.decision}"
    yield f"Commit {code(commit or 'unknown')}. Decision and requirements: readiness.md."
    yield "## What was evaluated"
    yield _list(_evaluated(content))
    yield "## Results"
    head = ("| Run | Suite | Cases | Pass rate (95 % CI) | Verdict |", "|---|---|--:|---|---|")
    yield "\n".join((*head, *map(_row, content.suites)))
    if pieces := [line for _, name, suite in content.suites for line in _slice_rows(name, suite)]:
        yield "## Slices"
        yield "\n".join(("| Suite | Slice | Cases | Pass rate (95 % CI) |", "|---|---|--:|---|", *pieces))
    yield "## Data"
    yield from _data(content)
    if content.calibrations:
        yield "## Judges"
        yield _list(_calibrated(found) for _, found in sorted(content.calibrations.items()))
    yield "## Limits"
    risks = [*brief.risks, *(risk for run in brief.runs for risk in run.risks)]
    yield _list(inline(f"{risk.of}: {risk.text}") for risk in risks) or "- none known"
    yield "## Environment of this pack"
    yield _environment(content.files["environment.json"])


def _list(items: Iterator[str] | Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _evaluated(content: PackContent) -> Iterator[str]:
    for one in content.runs:
        facts = [f"{name} {value}" for name, value in sorted(one.info.facts.items()) if name in _SOFTWARE]
        yield inline(f"run {one.run.id} of {one.run.created[:10]}, tier {one.info.tier}: {', '.join(facts)}")
        for name, value in sorted(one.info.facts.items()):
            if name.endswith(": target"):
                yield inline(f"{name}: {value}")


def _row(found: tuple[str, str, SuiteVerdict]) -> str:
    run_id, name, suite = found
    cells = (code(run_id), code(name), f"{suite.cases:,}", _rate(suite.pass_rate, suite.interval))
    return f"| {' | '.join(cells)} | {phrases.word(suite.verdict)} |"


def _rate(rate: float | None, bounds: tuple[float, float] | None) -> str:
    if rate is None:
        return "-"
    return percent(rate) if bounds is None else f"{percent(rate)} ({interval(bounds)})"


def _slice_rows(name: str, suite: SuiteVerdict) -> Iterator[str]:
    for piece in suite.slices:
        rate = _rate(piece.pass_rate, piece.interval)
        yield f"| {code(name)} | {inline(f'{piece.by}={piece.value}')} | {piece.n:,} | {rate} |"


def _data(content: PackContent) -> Iterator[str]:
    """Yield a block for each golden set: its digest, and its data card if it has one."""
    goldens = jsonl.loads(content.files["golden.json"])
    listed = {file["path"]: file for some in goldens.values() for file in some}
    plans = [suite.plan for one in content.runs for suite in one.run.suites]
    digests = {plan.golden[0]: plan.golden_sha256 for plan in plans if len(plan.golden) == 1}
    for path, file in sorted(listed.items()):
        yield f"### {inline(path)}"
        lines = [f"SHA-256 {code(file['sha256'] or 'none: the file is gone')}"]
        card = content.files.get(f"project/{path.rpartition('.')[0]}{_CARD_END}")
        if card is None:
            lines.append("no data card: pytest-evalgate sample writes its first version")
        else:
            lines += _card_lines(card, digests.get(path))
        yield _list(lines)


def _card_lines(data: bytes, golden_sha256: str | None) -> Iterator[str]:
    try:
        card = read_card(data.decode())
    except ValueError as error:
        yield inline(f"not a data card: {error}")
        return
    for name, text in card.texts.items():
        yield inline(f"{name.replace('_', ' ')}: {text.strip() or 'not filled in'}")
    is_old = golden_sha256 not in (None, card.golden_sha256)
    yield f"written for {count(card.cases, 'case')}{' of another version of the set' if is_old else ''}"


def _calibrated(found: Calibration) -> str:
    rates = f"passed {found.judge_pass:g} of {found.human_pass:g} outputs that people pass"
    rates += f", failed {found.judge_fail:g} of {found.human_fail:g} that people fail"
    return inline(f"{found.judge}: {count(found.label_count, 'label')} of {found.created[:10]}: {rates}")


def _environment(data: bytes) -> str:
    found = jsonl.loads(data)
    size = count(len(found["distributions"]), "distribution")
    digest = hashlib.sha256(data).hexdigest()
    return f"{inline(found['implementation'])} {inline(found['python'])}, {size}; SHA-256 of the list {code(digest)}"
