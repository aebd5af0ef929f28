"""The screen of ``pytest-evalgate calibrate``: a measured judge as lines of at most 100 columns."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

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

_WIDTH = 100
_COLUMN = 24
_ADVISED_J = 0.5
_MANY_FLIPS = 0.05
_BIASED = 0.05
_NONE = "-"
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


def render(found: CalibrationResult, listed: int) -> tuple[str, ...]:
    """Render a judge that was held against labels, with at most ``listed`` disagreements."""
    measured = found.measured
    return (
        *_head(found),
        "",
        *_table(measured),
        *_sentences(found),
        "",
        *_disagreements(measured.disagreements, listed),
        *_split(measured.split, listed),
        "",
        *_end(found),
    )


def _head(found: CalibrationResult) -> Iterator[str]:
    record, labels, measured = found.record, found.labels, found.measured
    whence = record.measures["verdicts_from"]
    how = "as it answered" if whence == "asked" else f"verdicts stored at {whence}"
    head = f"{record.judge}: held against {count(measured.rows, 'label')} of {labels.name} ({how})"
    yield from _wrapped(one_line(head), indent="")
    for passed, words in ((True, "people pass"), (False, "people fail")):
        counted = [f"{one_line(label)} ({n:,})" for label, n in labels.counted(passed=passed).items()]
        yield from _wrapped(f"{words}: {', '.join(counted) or 'nothing'}")
    if labels.unlabelled:
        yield f"  {count(labels.unlabelled, 'row')} without a label yet"
    if measured.unreadable:
        yield f"  {count(measured.unreadable, 'row')} on which the judge could not tell: in no figure below"
    if measured.clusters is not None:
        yield f"  {count(measured.clusters, 'cluster')}: intervals allow for it"
    if measured.weighted:
        yield "  rows are weighted: rates allow for it, other figures describe the labels"


def _table(measured: Measurement) -> Iterator[str]:
    rows = [
        ("", "", "95% interval", ""),
        _rate("passes what people pass (TPR)", measured.tpr),
        _rate("fails what people fail (TNR)", measured.tnr),
        ("J = TPR + TNR - 1", *_cells(measured.youden), ""),
        _rate("accuracy", measured.accuracy),
        *((_NAMES[name], *_cells(figure), "") for name, figure in _figures(measured)),
    ]
    yield from (f"  {line}" for line in align(rows))


def _figures(measured: Measurement) -> Iterator[tuple[str, Figure]]:
    yield from measured.verdicts.items()
    yield from measured.grades.items()
    yield from measured.probability.items()


def _rate(name: str, rate: JudgeRate | None) -> tuple[str, str, str, str]:
    if rate is None:
        return name, f"{_NONE:>6}", "", "no such label"
    low, high = rate.interval
    worth = "" if rate.worth == rate.n else f", worth {rate.worth:,.0f}"
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


def _sentences(found: CalibrationResult) -> Iterator[str]:
    measured = found.measured
    said = [
        *_worth(measured.youden),
        *(_threshold(measured.threshold) if measured.threshold else ()),
        *(_repeats(measured.repeats) if measured.repeats else ()),
        *(_position(measured.position) if measured.position else ()),
        *(_panel(measured.panel) if measured.panel else ()),
    ]
    if said:
        yield ""
    for sentence in said:
        yield from _wrapped(sentence)


def _worth(youden: Figure) -> Iterator[str]:
    if youden.value is not None and 0 < youden.value < 1:
        shown = f"a change of the true pass rate shows at {youden.value:.2f} of its size"
        yield f"{shown}: few regressions are found below {_ADVISED_J:.2f}" if youden.value < _ADVISED_J else shown


def _threshold(found: Threshold) -> Iterator[str]:
    if found.value is None:
        yield f"no score can be the threshold (chosen by {found.aim}): nothing would pass, so it may not gate"
    else:
        yield (
            f"it passes from a score of {found.value:.3g} on (chosen by {found.aim} on all labels); the figures above "
            f"are those of {found.folds} parts, each judged by a threshold that did not see it ({_span(found)})"
        )
    yield f"area under the ROC curve {_words(found.auc)}"


def _span(found: Threshold) -> str:
    ends = ["nothing passes" if end is None else f"{end:.3g}" for end in (found.least, found.most)]
    return " to ".join(dict.fromkeys(ends))


def _repeats(found: SelfConsistency) -> Iterator[str]:
    rate = 0.0 if found.flip_rate.value is None else found.flip_rate.value
    advice = ": take votes = 3" if rate > _MANY_FLIPS else ""
    yield f"asked again about {count(found.items, 'row')}, two of its verdicts differ in {percent(rate)}{advice}"


def _position(found: OrderBias) -> Iterator[str]:
    yield (
        f"of {count(found.pairs, 'pair')} it is right on {found.right_first:,} in one order, {found.right_swapped:,} "
        f"in the other, {found.right_both:,} in both; the winner stays the same in {found.agree:,} "
        f"({percent(found.agree / found.pairs)})"
    )
    biased = ": it prefers a place" if found.p < _BIASED else ""
    yield (
        f"where the winner changes with the order it is the first one shown {found.first_wins:,} times, the second "
        f"{found.second_wins:,} times (p={p_value(found.p)}){biased}"
    )


def _panel(found: Panel) -> Iterator[str]:
    fleiss = "" if found.fleiss.value is None else f", Fleiss' kappa {_words(found.fleiss)}"
    yield (
        f"{count(len(found.raters), 'rater')} on {count(found.rows, 'row')}: Krippendorff's alpha "
        f"{_words(found.alpha)}{fleiss}"
    )
    yield (
        f"kappa against the majority of the other raters: a rater {_words(found.human)}, the judge in a rater's place "
        f"{_words(found.judge)}"
    )


def _words(figure: Figure) -> str:
    if figure.value is None:
        return "undefined"
    interval = _interval(figure)
    return f"{figure.value:.3f}" + (f" ({interval})" if interval else "")


def _disagreements(found: tuple[Disagreement, ...], listed: int) -> Iterator[str]:
    if not found:
        yield "  no disagreement"
        return
    yield f"  {count(len(found), 'disagreement')}, to be read: is the judge wrong, the label, or the rubric?"
    rows = [
        (
            truncate_columns(one_line(one.id), _COLUMN),
            one_line(str(one.place)),
            f"people: {truncate_columns(one_line(one.label), _COLUMN)}",
            f"judge: {'fail' if one.passed else 'pass'}",
            one_line(one.reason),
        )
        for one in found[:listed]
    ]
    yield from (truncate_columns(f"    {line}", _WIDTH) for line in align(rows))
    if len(found) > listed:
        yield f"    ... {len(found) - listed:,} more: --list {len(found)}, or --json"


def _split(found: tuple[str, ...], listed: int) -> Iterator[str]:
    if found:
        more = f", and {len(found) - listed:,} more" if len(found) > listed else ""
        shown = f"{', '.join(map(one_line, found[:listed]))}{more}"
        whole = f"{count(len(found), 'row')} on which raters differ and nobody decided; give each a label: {shown}"
        yield from _wrapped(whole)


def _end(found: CalibrationResult) -> Iterator[str]:
    if found.why_not:
        yield "it may not gate:"
        for reason in found.why_not:
            yield from _wrapped(f"- {one_line(reason)}")
    elif found.record.parts:
        yield "it may gate"
    else:
        yield from _wrapped(
            "these verdicts are good enough to gate; a judge that is to gate has to be asked, without --stored", ""
        )
    yield from (f"wrote {one_line(file)}" for file in found.files)


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False)
