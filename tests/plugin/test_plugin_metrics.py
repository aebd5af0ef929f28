"""Metrics of a suite in sessions: values of labels and predictions reach the verdict from every process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import Project

_CLASSES = 'metrics = [{ kind = "classification" }]'
_GATE = '{ kind = "metric", name = "macro-f1", min = 0.4, bound = "point" }'


def _suite(project: Project, outputs: dict[str, str], extra: str = _CLASSES, gates: str = f"[{_GATE}]") -> None:
    """Write a suite of cases that expect "yes" or, if their id ends in n, "no"."""
    rows = [{"id": name, "input": "q", "expected": "no" if name.endswith("n") else "yes"} for name in outputs]
    project.write("golden/faq.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    recorded = [{"id": name, "output": output} for name, output in outputs.items()]
    project.write("outputs.jsonl", "".join(f"{json.dumps(row)}\n" for row in recorded))
    project.write(
        "evalgate.toml",
        '[suites.faq]\ngolden = "golden/faq.jsonl"\ntarget = { recorded = "outputs.jsonl" }\n'
        f"{extra}\ngates = {gates}\n",
    )


def _metric(project: Project) -> Any:
    [metric] = project.verdict["suites"]["faq"]["metrics"]
    return metric


@pytest.mark.parametrize("args", [(), ("-n2",)], ids=["serial", "n2"])
def test_a_session_measures_its_suite(project: Project, args: tuple[str, ...]) -> None:
    _suite(project, {"a": "yes", "b": "yes", "cn": "no", "dn": "yes", "e": "perhaps"})
    result = project.run(*args)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*metric macro-f1*PASS*", "*classification: faq, 5 cases*", "*accuracy *0.600 (*"])
    metric = _metric(project)
    assert metric["matrix"]["labels"] == ["no", "perhaps", "yes"]
    assert metric["matrix"]["counts"] == [[1, 0, 1], [0, 0, 0], [0, 1, 2]]
    values = {figure["name"]: figure["value"] for figure in metric["figures"] if not figure["of"]}
    assert values["accuracy"] == 0.6
    assert values["balanced-accuracy"] == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_an_output_that_fails_is_a_wrong_prediction(project: Project) -> None:
    _suite(project, dict.fromkeys("abcd", "yes"))
    project.write("app.py", "def answer(text):\n    raise ValueError('broken')\n")
    text = (project.path / "evalgate.toml").read_text("utf-8")
    project.write("evalgate.toml", text.replace('{ recorded = "outputs.jsonl" }', '{ python = "app:answer" }'))
    assert project.run().ret == 1
    metric = _metric(project)
    assert metric["matrix"]["labels"] == ["yes", "(unreadable)"]
    assert metric["matrix"]["counts"] == [[0, 4], [0, 0]]


def test_a_marked_test_is_measured_also_if_its_body_raises(project: Project) -> None:
    _suite(project, {"a": "yes", "bn": "no"})
    text = (project.path / "evalgate.toml").read_text("utf-8")
    project.write("evalgate.toml", text.replace('target = { recorded = "outputs.jsonl" }\n', ""))
    project.test("assert case.id != 'bn'; return 'yes'", marker='"golden/faq.jsonl"')
    project.run()
    assert _metric(project)["matrix"]["counts"] == [[0, 0, 1], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("extra", "gates", "message"),
    [
        (
            'metrics = [{ kind = "classification", label = "metadata.intent" }]',
            f"[{_GATE}]",
            '*golden/faq.jsonl:1: metric classification: the case has no "metadata.intent", not a class*',
        ),
        (
            'metrics = [{ kind = "classification", labels = ["yes", "no", "maybe"] }]',
            f"[{_GATE}]",
            '*evalgate.toml:4: suites.faq.metrics: classification: no case has the label "maybe"*',
        ),
        (
            _CLASSES,
            '[{ kind = "metric", name = "recall", of = "yess", min = 0.9 }]',
            '*evalgate.toml:5: suites.faq.gates: metric: no case has the label "yess"; did you mean "yes"?*',
        ),
        (_CLASSES, '[{ kind = "metric", name = "recal", of = "yes", min = 0.9 }]', '*no metric has a figure "recal"*'),
        ("", f"[{_GATE}]", "*the suite has no metrics: add metrics = *"),
    ],
)
def test_a_metric_that_cannot_be_computed_is_refused_before_the_run(
    project: Project, extra: str, gates: str, message: str
) -> None:
    _suite(project, {"a": "yes", "bn": "no"}, extra, gates)
    result = project.run()
    assert result.ret == 4
    result.stderr.fnmatch_lines([message])
