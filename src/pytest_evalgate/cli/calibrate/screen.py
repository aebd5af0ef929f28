"""Screen of ``pytest-evalgate calibrate``: a measured judge as lines of at most 100 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytest_evalgate.cli.calibrate.correlations_screen import correlation_lines
from pytest_evalgate.cli.printing import WIDTH, wrapped
from pytest_evalgate.text.escape import one_line
from pytest_evalgate.text.layout import align, truncate_columns
from pytest_evalgate.text.wording import count, p_value, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_evalgate.cli.calibrate.work import CalibrationResult
    from pytest_evalgate.judges.measure import Disagreement, Measurement
    from pytest_evalgate.judges.panel import OrderBias, Panel, SelfConsistency
    from pytest_evalgate.judges.rates import JudgeRate
    from pytest_evalgate.judges.rates import Statistic as Figure
    from pytest_evalgate.judges.threshold import Threshold

_CELL_WIDTH: Final = 24
_LOW_YOUDEN: Final = 0.5
_MANY_FLIPS: Final = 0.05
_BIAS_ALPHA: Final = 0.05
_NONE: Final = "-"
_NAMES: Final[Mapping[str, str]] = {
    "balanced_accuracy": "balanced accuracy",
    "kappa": "Cohen's kappa",
    "mcc": "Matthews correlation (MCC)",
    "krippendorff_nominal": "Krippendorff's alpha",
    "f1": "F1 of passes",
    "kappa_linear": "kappa of grades, linear",
    "kappa_quadratic": "kappa of grades, quadratic",
    "krippendorff_ordinal": "alpha of grades, ordinal",
    "krippendorff_interval": "alpha of grades, interval",
    "spearman": "Spearman's rho",
    "kendall_tau_b": "Kendall's tau-b",
    "brier": "Brier score",
    "log_loss": "log loss",
    "ece": "expected calibration error",
}


def render(found: CalibrationResult, listed: int | None) -> tuple[str, ...]:
    """Render the calibration of a judge: the two rates that decide, and what to write into the configuration.

    With ``listed`` also all other figures, and at most so many disagreements.
    """
    every = () if listed is None else (*_every_figure(found, listed), "")
    return (*_head(found), "", *_deciding(found, listed), "", *every, *_end(found))


def _every_figure(found: CalibrationResult, listed: int) -> Iterator[str]:
    measured = found.measured
    yield from _notes(found)
    yield from _table(measured)
    yield from _sentences(measured)
    if measured.correlations is not None:
        yield from ("", *correlation_lines(measured.correlations, found.labels.scales))
    yield ""
    yield from _disagreements(measured.disagreements, listed)
    yield from _split(measured.split, listed)


def _deciding(found: CalibrationResult, listed: int | None) -> Iterator[str]:
    """Yield the two rates with their lower bounds and what these have to reach.

    Sample::

                                             at least  required
          passes what people pass (TPR)  97.7%  92.7%     80.0% (min_tpr)
          fails what people fail (TNR)   95.8%  84.2%     no min_tnr
    """
    measured, settings = found.measured, found.settings
    rows = [
        ("", "", "at least", "required"),
        _decides("passes what people pass (TPR)", measured.tpr, settings.min_tpr, "min_tpr"),
        _decides("fails what people fail (TNR)", measured.tnr, settings.min_tnr, "min_tnr"),
    ]
    yield from (f"  {line}" for line in align(rows))
    differ = len(measured.disagreements)
    if differ and listed is None:
        yield f"  {count(differ, 'disagreement')}, and all other figures: -v"


def _decides(name: str, rate: JudgeRate | None, required: float | None, key: str) -> tuple[str, str, str, str]:
    wanted = f"no {key}" if required is None else f"{percent(required)} ({key})"
    if rate is None:
        return name, f"{_NONE:>6}", _NONE, "no such labels"
    return name, f"{percent(rate.value):>6}", percent(rate.interval[0]), wanted


def _head(found: CalibrationResult) -> Iterator[str]:
    record, labels, measured = found.record, found.labels, found.measured
    source = record.measures["verdicts_from"]
    verdicts = "graded by the judge" if source == "asked" else f"verdicts from {source}"
    head = f"{record.judge}: measured against {count(measured.rows, 'label')} of {labels.name} ({verdicts})"
    yield from wrapped(one_line(head), indent="")
    for passed, name in ((True, "human passes"), (False, "human fails")):
        counted = [f"{one_line(label)} ({n:,})" for label, n in labels.counted(passed=passed).items()]
        yield from wrapped(f"{name}: {', '.join(counted) or 'none'}")
    if labels.assumed is not None:
        yield f"  labels pass from {labels.assumed:g}, the middle of their scale: choose with --pass-from N"
    if labels.unlabelled:
        yield f"  {count(labels.unlabelled, 'row')} without a label"
    if labels.gold:
        yield f"  {count(labels.gold, 'gold row')} left out: they check the raters (label check)"
    if measured.unreadable:
        yield f"  {count(measured.unreadable, 'row')} without a readable verdict, left out of all figures below"


def _notes(found: CalibrationResult) -> Iterator[str]:
    measured = found.measured
    if measured.clusters is not None:
        yield f"  {count(measured.clusters, 'cluster')}: the intervals allow for them"
    if measured.weighted:
        yield "  rows are weighted: the rates allow for the weights, other figures do not"
    if found.labels.scales is not None:
        people, judge = found.labels.scales
        yield f"  labels are numbers from {people}, the judge's from {judge}: grades are correlated, not compared"


def _table(measured: Measurement) -> Iterator[str]:
    rows = [
        ("", "", "95% interval", ""),
        _rate("true positive rate (TPR)", measured.tpr),
        _rate("true negative rate (TNR)", measured.tnr),
        ("J = TPR + TNR - 1", *_cells(measured.youden), ""),
        _rate("accuracy", measured.accuracy),
    ]
    for figures in (measured.verdicts, measured.grades, measured.probability):
        rows += [(_NAMES[name], *_cells(figure), "") for name, figure in figures.items()]
    yield from (f"  {line}" for line in align(rows))


def _rate(name: str, rate: JudgeRate | None) -> tuple[str, str, str, str]:
    if rate is None:
        return name, f"{_NONE:>6}", "", "no such labels"
    low, high = rate.interval
    worth = "" if rate.worth == rate.n else f", effective {rate.worth:,.0f}"
    return (
        name,
        f"{percent(rate.value):>6}",
        f"{percent(low)} to {percent(high)}",
        f"{rate.hits:,} of {rate.n:,}{worth}",
    )


def _cells(figure: Figure) -> tuple[str, str]:
    value = _NONE if figure.value is None else f"{figure.value:.3f}"
    return f"{value:>6}", _interval(figure)


def _interval(figure: Figure) -> str:
    return "" if figure.interval is None else f"{figure.interval[0]:.3f} to {figure.interval[1]:.3f}"


def _sentences(measured: Measurement) -> Iterator[str]:
    sentences = [
        *_youden(measured.youden),
        *(_threshold(measured.threshold) if measured.threshold else ()),
        *(_repeats(measured.repeats) if measured.repeats else ()),
        *(_position(measured.position) if measured.position else ()),
        *(_panel(measured.panel) if measured.panel else ()),
    ]
    if sentences:
        yield ""
    for sentence in sentences:
        yield from wrapped(sentence)


def _youden(youden: Figure) -> Iterator[str]:
    if youden.value is not None and 0 < youden.value < 1:
        shrunk = f"a change of the true pass rate appears at {youden.value:.2f} of its size"
        advice = f": below {_LOW_YOUDEN:.2f} few regressions are detected" if youden.value < _LOW_YOUDEN else ""
        yield f"{shrunk}{advice}"


def _threshold(found: Threshold) -> Iterator[str]:
    if found.value is None:
        yield f"no score can be the threshold (chosen by {found.aim}): no output would pass, so the judge may not gate"
    else:
        ends = ["nothing passes" if end is None else f"{end:.3g}" for end in (found.least, found.most)]
        yield (
            f"outputs pass from a score of {found.value:.3g} (chosen by {found.aim} on all labels); the figures above "
            f"are cross-validated in {found.folds} folds, with thresholds of {' to '.join(dict.fromkeys(ends))}"
        )
    yield f"area under the ROC curve {_value(found.auc)}"


def _repeats(found: SelfConsistency) -> Iterator[str]:
    rate = 0.0 if found.flip_rate.value is None else found.flip_rate.value
    advice = ": set votes = 3" if rate > _MANY_FLIPS else ""
    yield f"graded again on {count(found.items, 'row')}, two of its verdicts differ in {percent(rate)}{advice}"


def _position(found: OrderBias) -> Iterator[str]:
    read = f" that it could read in both orders ({found.unread:,} it could not)" if found.unread else ""
    yield (
        f"of {count(found.pairs, 'pair')}{read} it gets {found.right_first:,} right in one order, "
        f"{found.right_swapped:,} in the other, {found.right_both:,} in both; the winner stays the same in "
        f"{found.agree:,} ({percent(found.agree / found.pairs)})"
    )
    biased = ": it has a position bias" if found.p < _BIAS_ALPHA else ""
    yield (
        f"when the winner changes with the order, it is the first output {found.first_wins:,} times and the second "
        f"{found.second_wins:,} times (p={p_value(found.p)}){biased}"
    )


def _panel(found: Panel) -> Iterator[str]:
    fleiss = "" if found.fleiss.value is None else f", Fleiss' kappa {_value(found.fleiss)}"
    yield (
        f"{count(len(found.raters), 'rater')} on {count(found.rows, 'row')}: Krippendorff's alpha "
        f"{_value(found.alpha)}{fleiss}"
    )
    yield (
        f"kappa with the majority of the other raters: a rater {_value(found.human)}, the judge in place of a rater "
        f"{_value(found.judge)}"
    )


def _value(figure: Figure) -> str:
    if figure.value is None:
        return "undefined"
    interval = _interval(figure)
    return f"{figure.value:.3f}" + (f" ({interval})" if interval else "")


def _disagreements(found: tuple[Disagreement, ...], listed: int) -> Iterator[str]:
    if not found:
        yield "  no disagreement"
        return
    yield f"  {count(len(found), 'disagreement')}; read them: is the judge wrong, the label, or the rubric?"
    rows = [
        (
            truncate_columns(one_line(one.id), _CELL_WIDTH),
            one_line(str(one.place)),
            f"human: {truncate_columns(one_line(one.label), _CELL_WIDTH)}",
            f"judge: {'fail' if one.passed else 'pass'}",
            one_line(one.reason),
        )
        for one in found[:listed]
    ]
    for one, line in zip(found, align(rows), strict=False):
        yield truncate_columns(f"    {line}", WIDTH)
        if one.rationale:
            yield truncate_columns(f"      why: {one_line(one.rationale)}", WIDTH)
    if len(found) > listed:
        yield f"    ... {len(found) - listed:,} more: --list {len(found)}, or --json"


def _split(found: tuple[str, ...], listed: int) -> Iterator[str]:
    if found:
        more = f", and {len(found) - listed:,} more" if len(found) > listed else ""
        ids = f"{', '.join(map(one_line, found[:listed]))}{more}"
        rows = count(len(found), "row")
        yield from wrapped(f"{rows} on which raters differ, without an agreed label; add one to each: {ids}")


def _configure(found: CalibrationResult) -> Iterator[str]:
    """Yield the line to write into the configuration, if it is not there."""
    settings = found.settings
    line = f'calibration = "{found.files[0]}"'
    add = settings.calibration is None
    if not add and not settings.report_only:
        yield "the judge may gate"
        return
    what = [f"add to [{found.table}]"] if add else []
    what += [f"remove report_only{'' if add else f' from [{found.table}]'}"] if settings.report_only else []
    yield from wrapped(one_line(f"the judge may gate: {', and '.join(what)}{':' if add else ''}"), "")
    if add:
        yield f"  {one_line(line)}"


def _end(found: CalibrationResult) -> Iterator[str]:
    if found.why_not:
        yield "the judge may not gate:"
        for reason in found.why_not:
            yield from wrapped(f"- {one_line(reason)}")
    elif found.record.parts:
        yield from _configure(found)
    else:
        yield from wrapped(
            "these verdicts are good enough to gate, but stored verdicts do not calibrate a judge: run calibrate "
            "again without --stored",
            "",
        )
    yield from (f"wrote {one_line(file)}" for file in found.files)
