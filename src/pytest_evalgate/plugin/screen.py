"""What pytest's terminal shows of a judged run: the section, and the verdict as the last line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_evalgate import files

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

    from pytest_evalgate.data import Verdict
    from pytest_evalgate.plugin.gatekeeper import Gatekeeper
    from pytest_evalgate.reports.view import ReportView


def show(keeper: Gatekeeper, verdict: Verdict, notes: Iterable[str], reporter: pytest.TerminalReporter) -> None:
    """Print the section, ``notes`` at its end."""
    from pytest_evalgate.reports.terminal import render  # noqa: PLC0415 - wanted once, at the end

    verbosity = reporter.config.get_verbosity()
    view = _view(keeper, verdict, notes)
    if verbosity > 0:
        view = _with_cases(keeper, view)
    reporter.section("eval gate", sep="=")
    for line in render(view, reporter._tw.fullwidth, verbosity):  # noqa: SLF001 - pytest's own width
        reporter.write_line(keeper.redactor.clean(line.text), **({line.colour: True} if line.colour else {}))


def last_word(keeper: Gatekeeper, verdict: Verdict, notes: Iterable[str], reporter: pytest.TerminalReporter) -> None:
    """Print the verdict line, after pytest's own bar."""
    from pytest_evalgate.reports.terminal import verdict_line  # noqa: PLC0415 - wanted once, at the end

    line = verdict_line(_view(keeper, verdict, notes))
    reporter.write_line(keeper.redactor.clean(line.text), bold=True, **({line.colour: True} if line.colour else {}))


def _view(keeper: Gatekeeper, verdict: Verdict, notes: Iterable[str]) -> ReportView:
    from pytest_evalgate.reports.texts import Texts  # noqa: PLC0415 - wanted once, at the end
    from pytest_evalgate.reports.view import Surroundings, build_view  # noqa: PLC0415 - the same

    assert keeper.run is not None  # noqa: S101 - only a judged run is shown
    root = keeper.assembly.root
    return build_view(
        verdict,
        keeper.run,
        keeper.judgement.baselines,
        run_file=files.relative_name(keeper.file, root),
        verdict_file=files.relative_name(keeper.state.verdict, root),
        around=Surroundings(
            facts=tuple(keeper.origin.facts.items()),
            report_file=keeper.report_file if keeper.shard is None else None,
            notes=tuple(notes),
        ),
        texts=Texts.by(keeper.assembly.settings.report),
    )


def _with_cases(keeper: Gatekeeper, view: ReportView) -> ReportView:
    """Add what the cases were asked and answered, and what their baselines had answered."""
    from pytest_evalgate.reports.cases import StoredCases  # noqa: PLC0415 - wanted by who looks closer
    from pytest_evalgate.reports.texts import Texts  # noqa: PLC0415 - the same
    from pytest_evalgate.reports.view import compared, with_cases  # noqa: PLC0415 - the same

    assert keeper.run is not None  # noqa: S101 - only a judged run is shown
    outputs = {suite.name: keeper.outputs_before(suite.name) for suite in view.suites}
    before = compared(keeper.run, keeper.judgement.baselines, outputs)
    return with_cases(view, StoredCases(keeper.file, before, Texts.by(keeper.assembly.settings.report)))
