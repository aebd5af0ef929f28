"""What ``compare`` prints and how it exits; UPDATE_GOLDEN=1 rewrites the screen."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.text.layout import width_of

if TYPE_CHECKING:
    from tests.cli.conftest import CompareProject

_SCREEN = Path(__file__).parent / "screens" / "compare.100.txt"
_EXAMPLES = Path(__file__).parents[2] / "examples" / "golden_sets"
_NUMBERS = Path(__file__).parents[1] / "data" / "gsm8k.expected_numbers.json"
_A, _B = "20260101T000000Z-aaaa", "20260102T000000Z-bbbb"
_GATED = '[suites.faq]\ngolden = "g.jsonl"\nslices = ["lang"]\ngates = [{gates}]\n'
_NO_REGRESSION = '{ kind = "no-regression" }'


def _cases(sides: CompareProject, kind: str, *arguments: str) -> list[str]:
    return [row["case"] for row in sides.faq(*arguments)["changes"][kind]]


def test_the_screen(sides: CompareProject) -> None:
    sides.run(
        _A, {"faq": ["PPP"] * 14 + ["PPm", "mmP", "PPP", "mmm", "mPm"] + ["PPP"] * 30 + ["?PP"], "sql": ["P"] * 4}
    )
    sides.run(
        _B, {"faq": ["mmm"] * 12 + ["PPm", "mmP", "Pmm", "PmP", "S", "PPP", "mmm"] + ["PPP"] * 30, "tone": ["P"]}
    )
    code, out, err = sides.compare("previous")
    assert (code, err) == (0, "")
    if os.environ.get("UPDATE_GOLDEN"):
        _SCREEN.write_text(out, "utf-8")
    assert out == _SCREEN.read_text("utf-8")


@pytest.mark.parametrize(
    ("older", "newer", "changed", "p"),
    [
        ("gsm8k.json", "gsm8k.6b_verification.json", (64, 293), 1.0),
        ("gsm8k.6b_verification.json", "gsm8k.json", (293, 64), 1.2e-36),
    ],
)
def test_gsm8k_in_both_directions(
    sides: CompareProject, monkeypatch: pytest.MonkeyPatch, older: str, newer: str, changed: tuple[int, int], p: float
) -> None:
    monkeypatch.chdir(_EXAMPLES)
    monkeypatch.setenv("EVALGATE_DIR", str(sides.root / "state"))
    found = sides.faq(f"baselines/{older}", f"baselines/{newer}")
    delta, changes = found["delta"], found["changes"]
    expected = json.loads(_NUMBERS.read_text("utf-8"))["6b_verification vs 6b_finetuning"]
    assert (changes["passed_both"], changes["missed_both"], delta["pairs"]) == (222, 740, 1319)
    assert (delta["losses"], delta["gains"]) == changed == (len(changes["regressed"]), len(changes["fixed"]))
    assert delta["p"] == pytest.approx(p, rel=0.02)
    assert abs(delta["delta"]) == pytest.approx(expected["difference"], abs=1e-12)
    assert (found["alpha"], found["margin"]) == (0.05, 0.05)
    assert delta["finding"] == ("regressed" if changed[0] > changed[1] else "no_regression_beyond_margin")
    assert sides.compare(f"baselines/{older}", f"baselines/{newer}", "--gate")[0] == (changed[0] > changed[1])


def test_the_numbers_are_those_of_the_gates(sides: CompareProject) -> None:
    sides.run(_A, "P" * 20 + "m" * 5)
    sides.run(_B, "m" * 5 + "P" * 15 + "m" * 5)
    found = sides.faq("previous")
    delta = found["delta"]
    assert (delta["baseline_rate"], delta["delta"], delta["pairs"]) == (0.8, -0.2, 25)
    assert (delta["losses"], delta["gains"], delta["test"]) == (5, 0, "mcnemar-midp")
    assert delta["p"] == pytest.approx(2**-6)
    assert delta["finding"] == "regressed"
    assert delta["baseline"] == f"run {_A}"
    assert found["older"] == {
        "name": f"run {_A}",
        "run_id": _A,
        "created": "2026-01-01T00:00:00Z",
        "commit": "8c1f2d0aaaaaaaaa",
    }


def test_several_trials_and_clusters_count_as_in_a_session(sides: CompareProject) -> None:
    sides.run(_A, ["PP"] * 40, clusters=20)
    sides.run(_B, ["Pm"] * 18 + ["PP"] * 22, clusters=20)
    assert sides.faq("previous")["delta"]["test"].startswith("cluster")
    sides.run(_A, ["PP"] * 40)
    sides.run(_B, ["Pm"] * 18 + ["PP"] * 22)
    assert sides.faq("previous")["delta"]["test"] == "paired-t"


def test_regressed_cases_come_worst_first_with_their_place_and_reason(sides: CompareProject) -> None:
    sides.run(_A, ["PP", "PP", "PP", "mm"])
    sides.run(_B, ["PP", "Pm", "mm", "PP"])
    assert sides.json("previous", "--regressed") == [
        {"suite": "faq", "case": "c2", "place": "g.jsonl:3", "before": 1.0, "now": 0.0, "reason": "got 2"},
        {"suite": "faq", "case": "c1", "place": "g.jsonl:2", "before": 1.0, "now": 0.5, "reason": "got 1"},
    ]
    assert _cases(sides, "fixed", "previous") == ["c3"]


def test_regressed_alone_lists_every_case_and_nothing_else(sides: CompareProject) -> None:
    sides.run(_A, "P" * 30)
    sides.run(_B, "m" * 25 + "P" * 5)
    lines = sides.compare("previous", "--regressed")[1].splitlines()
    assert lines[0] == "faq: 25 regressed"
    assert lines[1].split() == ["REGRESSED", "place", "A", "->", "B", "reason"]
    assert [line.split()[0] for line in lines[2:]] == [f"c{index}" for index in range(25)]
    sides.run(_B, "P" * 30)
    assert sides.compare("previous", "--regressed")[1] == "faq: 0 regressed\n"


def test_the_command_for_the_rest_of_the_list_prints_the_rest(sides: CompareProject) -> None:
    sides.run(_A, "P" * 30)
    sides.baseline("a file.json", "P" * 30)
    sides.run(_B, "m" * 25 + "P" * 5)
    message = [line for line in sides.compare("a file.json", "newest")[1].splitlines() if "more:" in line]
    assert message == ["  ... 15 more: pytest-evalgate compare 'a file.json' --suite faq --regressed"]
    assert len(sides.compare("a file.json", "--suite", "faq", "--regressed")[1].splitlines()) == 27


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ((), "pytest-evalgate compare --suite faq --regressed"),
        (("newest",), None),
        (("baseline", _B), f"pytest-evalgate compare baseline {_B} --suite faq --regressed"),
    ],
)
def test_the_command_names_the_sides_that_are_not_the_usual_ones(
    sides: CompareProject, arguments: tuple[str, ...], command: str | None
) -> None:
    sides.baseline("baselines/faq.json", "P" * 30)
    sides.run(_B, "m" * 25 + "P" * 5)
    message = [line.partition("more: ")[2] for line in sides.compare(*arguments)[1].splitlines() if "more:" in line]
    assert message == ([] if command is None else [command])


def test_edited_added_and_removed_cases_are_listed_and_not_paired(sides: CompareProject) -> None:
    sides.run(_A, "P" * 20)
    sides.run(_B, "P" * 20, first=1, edited=(5,))
    found = sides.faq("previous")
    assert found["delta"]["pairs"] == 18
    assert [found["changes"][kind] for kind in ("edited", "added", "removed")] == [
        [{"case": "c5", "place": "g.jsonl:6"}],
        [{"case": "c20", "place": "g.jsonl:21"}],
        [{"case": "c0", "place": ""}],
    ]


def test_a_suite_without_a_pair_has_no_test_and_a_note(sides: CompareProject) -> None:
    sides.run(_A, "PPPP")
    sides.run(_B, "PPPP", edited=range(4))
    found = sides.faq("previous")
    assert found["delta"] is None
    assert "0.0% of the baseline's 4 cases are paired (4 edited" in found["notes"][0]
    code, out, _ = sides.compare("previous")
    assert code == 0
    assert "faq: no case can be compared\n" in out


def test_cases_without_an_output_in_a_are_left_out_and_counted(sides: CompareProject) -> None:
    sides.run(_A, "?" + "P" * 18 + "-")
    sides.run(_B, "m" * 2 + "P" * 18)
    found = sides.faq("previous")
    assert (found["delta"]["pairs"], found["delta"]["losses"]) == (18, 1)
    assert found["changes"]["added"] == []
    assert found["notes"] == ["2 cases without an output in A: left out"]


def test_cases_not_run_in_b_are_left_out_and_counted(sides: CompareProject) -> None:
    sides.run(_A, "P" * 20)
    sides.run(_B, "mP" + "P" * 17 + "-")
    found = sides.faq("previous")
    assert (found["delta"]["pairs"], found["delta"]["losses"], found["delta"]["removed"]) == (19, 1, 1)
    assert found["notes"] == ["1 case not run in B: left out"]


def test_cases_without_an_output_in_b_count_as_missed_and_are_no_regression(sides: CompareProject) -> None:
    sides.run(_A, "P" * 20)
    sides.run(_B, "m" + "P" * 18 + "?")
    found = sides.faq("previous")
    assert (found["delta"]["pairs"], found["delta"]["losses"]) == (20, 2)
    assert [row["case"] for row in found["changes"]["regressed"]] == ["c0"]
    assert found["notes"] == ["1 case without an output in B: counted as missed, and not listed"]


def test_a_suite_that_was_stopped_keeps_the_cases_that_it_did_not_run(sides: CompareProject) -> None:
    sides.run(_A, "P" * 20)
    sides.run(_B, "m" * 12 + "-" * 8, stopped="certainty")
    found = sides.faq("previous")
    assert (found["delta"]["pairs"], found["delta"]["finding"]) == (20, "regressed")
    assert found["notes"] == [
        "B stopped early, when its verdict was certain: 8 cases not run; the change is a lower limit"
    ]
    assert len(found["changes"]["regressed"]) == 12


def test_an_older_side_without_any_output_is_an_error(sides: CompareProject) -> None:
    sides.run(_A, "??")
    sides.run(_B, "PP")
    assert sides.compare("previous")[::2] == (
        4,
        f"pytest-evalgate: run {_A} has no case of suite faq with an output\n",
    )


def test_suites_on_one_side_are_named(sides: CompareProject) -> None:
    sides.run(_A, {"faq": "PP", "old": "P"})
    sides.run(_B, {"faq": "PP", "new": "P"})
    found = sides.json("previous")
    assert ([suite["suite"] for suite in found["suites"]], found["only_older"], found["only_newer"]) == (
        ["faq"],
        ["old"],
        ["new"],
    )
    out = sides.compare("previous")[1]
    assert "only in A: old\nonly in B: new\n" in out
    assert "only in" not in sides.compare("previous", "--suite", "faq")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("previous", "--suite", "fax"),
            "suite 'fax' is not on both sides: A (previous) has none, B (newest) has none",
        ),
        ((), "no suite is on both sides: A (baseline) has none, B (newest) has faq; to make a baseline of a run"),
    ],
)
def test_no_suite_on_both_sides_is_an_error(sides: CompareProject, arguments: tuple[str, ...], message: str) -> None:
    sides.run(_A, "PP")
    sides.run(_B, "PP")
    for more in ((), ("--gate",)):
        code, out, err = sides.compare(*arguments, *more)
        assert (code, out) == (4, "")
        assert message in err


def test_the_source_of_a_side_is_printed_once_if_all_suites_share_it(sides: CompareProject) -> None:
    sides.configure('[suites.faq]\ngolden = "g.jsonl"\n[suites.sql]\ngolden = "h.jsonl"\n')
    sides.run(_B, {"faq": "PP", "sql": "PP"})
    for suite in ("faq", "sql"):
        sides.baseline(f".evalgate/baselines/{suite}.json", "PP", suite=suite)
    base = "20260101T000000Z-base of 2026-01-01T00:00:00Z, commit\n  8c1f2d0aaaaa"
    assert sides.compare()[1].startswith(
        f"A  faq: file:.evalgate/baselines/faq.json, run {base}\n"
        f"A  sql: file:.evalgate/baselines/sql.json, run {base}\n"
        f"B  run {_B} of 2026-01-02T00:00:00Z, commit 8c1f2d0aaaaa\n\n"
    )


def test_the_suites_that_are_compared_share_one_alpha(sides: CompareProject) -> None:
    sides.run(_A, {"faq": "P" * 20, "sql": "P" * 20})
    sides.run(_B, {"faq": "m" * 4 + "P" * 16, "sql": "P" * 20})
    out = sides.compare("previous")[1]
    assert "faq: inconclusive (mcnemar-midp, p=0.031, 0.062 adjusted for the tests of these suites, alpha 0.05)" in out
    assert "faq: regressed (mcnemar-midp, p=0.031, alpha 0.05)" in sides.compare("previous", "--suite", "faq")[1]


def test_an_advisory_gate_is_marked(sides: CompareProject) -> None:
    sides.configure('[suites.faq]\ngolden = "g.jsonl"\nmode = "advisory"\n')
    sides.run(_A, "P" * 20)
    sides.run(_B, "m" * 6 + "P" * 14)
    code, out, _ = sides.compare("previous", "--gate")
    assert code == 0
    assert "FAIL (advisory) faq, no-regression: 6 cases got worse" in out


def test_levels_of_the_command_line_override_those_of_the_gate(sides: CompareProject) -> None:
    sides.configure(_GATED.format(gates='{ kind = "no-regression", alpha = 0.1 }, { kind = "pass-rate", min = 0.1 }'))
    sides.run(_A, "P" * 40)
    sides.run(_B, "m" * 5 + "P" * 35)
    assert sides.faq("previous")["delta"]["finding"] == "regressed"
    found = sides.faq("previous", "--alpha", "0.01")
    assert (found["alpha"], found["margin"], found["delta"]["finding"]) == (0.01, None, "inconclusive")
    found = sides.faq("previous", "--margin", "0.3")
    assert (found["alpha"], found["margin"], found["delta"]["finding"]) == (0.1, 0.3, "regressed_within_margin")
    assert found["delta"]["p_adjusted"] == found["delta"]["p"]  # the gate of the settings is not asked beside it


def test_levels_of_a_suite_that_has_no_such_gate(sides: CompareProject) -> None:
    sides.configure(_GATED.format(gates='{ kind = "pass-rate", min = 0.1 }'))
    sides.run(_A, "P" * 40)
    sides.run(_B, "P" * 40)
    found = sides.faq("previous", "--alpha", "0.02", "--margin", "0.4")
    assert (found["alpha"], found["margin"], found["delta"]["finding"]) == (0.02, 0.4, "no_regression_beyond_margin")


@pytest.mark.parametrize("levels", [("--alpha", "0.6"), ("--margin", "0"), ("--margin", "5"), ("--alpha", "x")])
def test_levels_outside_of_their_range_are_a_wrong_command_line(
    sides: CompareProject, levels: tuple[str, str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        sides.compare(*levels)
    assert caught.value.code == 2
    assert "is not a number from" in sides.capsys.readouterr().err


@pytest.mark.parametrize(
    ("now", "settings", "code", "verdict"),
    [
        ("P" * 40, "", 0, "pass"),
        ("m" * 5 + "P" * 35, "", 1, "fail"),
        ("?" + "P" * 39, "", 11, "incomplete"),
        ("-" + "P" * 39, "", 12, "not_evaluated"),
        ("P" * 40, 'gates = [{ kind = "pass-rate", min = 0.99 }]', 10, "inconclusive"),
        ("P" * 40, 'gates = [{ kind = "must-pass", tags = ["none"] }]', 4, "invalid"),
        ("m" * 40, 'gates = [{ kind = "pass-rate", min = 0.9 }]\nmode = "advisory"', 0, "pass"),
        ("S" * 40, "", 5, "invalid"),
    ],
)
def test_the_gate_exits_as_a_session_would(
    sides: CompareProject, now: str, settings: str, code: int, verdict: str
) -> None:
    sides.configure(f'on_inconclusive = "fail"\n[suites.faq]\ngolden = "g.jsonl"\n{settings}\n')
    sides.run(_A, "P" * 40)
    sides.run(_B, now)
    found, out, _ = sides.compare("previous", "--gate", "--json")
    gate_view = json.loads(out)["verdict"]
    assert (found, gate_view["exit_code"], gate_view["verdict"]) == (code, code, verdict)
    assert sides.compare("previous")[0] == 0
    last = sides.compare("previous", "--gate")[1].splitlines()[-1]
    assert last.startswith(f"evalgate: {verdict.replace('_', ' ').upper()}")
    assert f"(exit {code}" in last
    assert not (sides.root / ".evalgate" / "verdict.json").exists()


def test_the_gate_tests_slices_too(sides: CompareProject) -> None:
    sides.configure(_GATED.format(gates=f'{_NO_REGRESSION}, {{ kind = "slice", by = "lang" }}'))
    sides.run(_A, "P" * 60)
    sides.run(_B, "mP" * 9 + "P" * 42)
    code, out, _ = sides.compare("previous", "--gate")
    assert code == 1
    assert "FAIL faq, slice: 1 of 2 slices by lang dropped: en" in out


def test_a_suite_without_an_older_side_is_decided_as_one_without_a_baseline(
    sides: CompareProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides.configure(_GATED.format(gates=_NO_REGRESSION).replace("faq", "new"))
    sides.run(_A, {"faq": "PP"})
    sides.run(_B, {"faq": "PP", "new": "PP"})
    assert sides.compare("previous", "--gate")[0] == 0
    assert "INCONCLUSIVE new, no-regression: no baseline yet" in sides.compare("previous", "--gate")[1]
    monkeypatch.setenv("CI", "true")
    assert sides.compare("previous", "--gate")[0] == 4


def test_the_gate_and_the_regressed_list_go_together(sides: CompareProject) -> None:
    sides.run(_A, "P" * 9)
    sides.run(_B, "m" * 5 + "P" * 4)
    code, out, _ = sides.compare("previous", "--gate", "--regressed")
    assert (code, len(out.splitlines())) == (1, 9)


def test_a_partial_run_cannot_be_the_baseline_of_a_gate(sides: CompareProject) -> None:
    sides.run(_A, "P" * 9 + "?")
    sides.run(_B, "P" * 10)
    code, out, err = sides.compare("previous", "--gate")
    assert (code, out) == (4, "")
    assert err == (
        f"pytest-evalgate: A (run {_A}) cannot be the baseline: 1 case of faq without an output; "
        "compare another run, or leave out --gate\n"
    )


def test_an_invalid_run_is_compared_with_a_note_and_cannot_be_the_baseline_of_a_gate(sides: CompareProject) -> None:
    sides.run(_A, "P" * 9, problems=("workers differ",))
    sides.run(_B, "P" * 9)
    assert sides.json("previous")["notes"] == ["A is invalid: workers differ"]
    assert "cannot be the baseline: workers differ" in sides.compare("previous", "--gate")[2]
    found = sides.compare(_B, _A, "--gate", "--json")
    assert (found[0], json.loads(found[1])["notes"]) == (4, ["B is invalid: workers differ"])


def test_configured_gates_are_not_decided_at_other_levels(sides: CompareProject) -> None:
    sides.run(_A, "P" * 9)
    sides.run(_B, "P" * 9)
    assert sides.compare("previous", "--gate", "--margin", "0.5")[0] == 0
    sides.configure(_GATED.format(gates=_NO_REGRESSION))
    code, _, err = sides.compare("previous", "--gate", "--margin", "0.5")
    assert code == 4
    assert "suites.faq.gates: with --gate the configured gates decide" in err


def test_a_baseline_contains_no_clusters(sides: CompareProject) -> None:
    sides.configure('[suites.faq]\ngolden = "g.jsonl"\ncluster = "metadata.doc"\n')
    sides.baseline("a.json", "PP")
    sides.baseline("b.json", "PP")
    assert sides.faq("a.json", "b.json")["notes"] == [
        "B does not contain the clusters (suites.faq.cluster): cases are counted without them"
    ]
    code, _, err = sides.compare("a.json", "b.json", "--gate")
    assert code == 4
    assert "suites.faq.cluster: B (file:b.json) does not contain the clusters" in err
    sides.run(_B, "PP", clusters=2)
    assert sides.compare("a.json", _B, "--gate")[0] == 0


def test_a_broken_baseline_of_the_suite_does_not_matter_if_another_is_named(sides: CompareProject) -> None:
    sides.run(_A, "PP")
    sides.run(_B, "PP")
    (sides.root / "baselines").mkdir()
    (sides.root / "baselines" / "faq.json").write_text("{", "utf-8")
    assert sides.compare("previous", "--gate")[0] == 0
    assert sides.compare("--gate")[0] == 4


def test_names_and_reasons_cannot_act_on_the_terminal(sides: CompareProject) -> None:
    name = "\x1b[31mevil\u202e" + "x" * 90
    sides.run(_A, {name: ["PP"] * 20})
    sides.run(_B, {name: ["mm"] * 20})
    for arguments in (("--gate",), ("--regressed",)):
        out = sides.compare("previous", *arguments)[1]
        assert out.replace("\n", "").isprintable()
        assert "\\x1b[31mevil" in out
    sides.run(_A, {"other": "P"})
    assert sides.compare("previous")[2].rstrip("\n").isprintable()
    for words, problem in (("P?", "\x1b[31m"), ("??", "")):
        sides.run(_A, {name: [words, "PP" if problem else "??"]}, problems=(problem,))
        err = sides.compare("previous", "--gate")[2].rstrip("\n")
        assert err.isprintable()
        assert "\\x1b[31m" in err


def test_lines_are_at_most_100_columns_wide_but_for_commands_and_the_verdict(sides: CompareProject) -> None:
    suites: dict[str, Any] = {"a-suite-" + "with-a-long-name" * 4: ["PPP"] * 3000, "faq": ["PPP"] * 20}
    sides.run(_A, suites)
    sides.run(_B, {name: ["mPm"] * len(words) for name, words in suites.items()})
    lines = sides.compare("previous", "--gate")[1].splitlines()
    assert [line for line in lines[:-1] if width_of(line) > 100 and "--regressed" not in line] == []


def test_an_option_that_does_not_exist_is_a_wrong_command_line(sides: CompareProject) -> None:
    with pytest.raises(SystemExit) as caught:
        sides.compare("--x")
    assert caught.value.code == 2


def test_an_improvement_is_named_with_its_bounds_and_its_p(sides: CompareProject) -> None:
    sides.run(_A, "m" * 9 + "P" * 31)
    sides.run(_B, "P" * 8 + "m" + "P" * 30 + "m")
    out = sides.compare("previous", "--margin", "0.05")[1]
    line = next(line for line in out.splitlines() if line.startswith("faq: "))
    assert line.startswith("faq: improved, +17.5 pp (+")
    assert "p=0.011 for better" in " ".join(out.split())
    delta = sides.faq("previous")["delta"]
    assert delta["p_better"] == pytest.approx(0.010742, abs=1e-6)
    assert delta["p"] == pytest.approx(1 - delta["p_better"])


def test_without_a_proof_of_an_improvement_the_p_is_that_of_a_drop(sides: CompareProject) -> None:
    sides.run(_A, "m" * 2 + "P" * 38)
    sides.run(_B, "P" * 40)
    assert "p=0.88 for a drop" in " ".join(sides.compare("previous")[1].split())


def test_a_gate_on_scores_is_compared_by_its_scores(sides: CompareProject) -> None:
    sides.configure(_GATED.format(gates='{ kind = "no-regression", scorer = "tone" }'))
    sides.run(_A, "P" * 30)
    sides.run(_B, "P" * 30)
    for run, mark in ((_A, 0.95), (_B, 0.8)):
        path = sides.root / ".evalgate" / "runs" / run / "run.jsonl"
        head, *rows = map(json.loads, path.read_text("utf-8").splitlines())
        del head["sha256"]  # as in a run file of an earlier version: the digest would differ
        for number, row in enumerate(rows):
            scores = [{"name": "tone", "value": mark + number % 3 / 100, "passed": True}]
            row["trials"] = [{**trial, "scores": scores} for trial in row["trials"]]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in (head, *rows)), "utf-8")
    found = sides.faq("previous")
    assert found["delta"]["delta"] == 0
    [tone] = found["scores"]
    assert (tone["scorer"], tone["delta"]["losses"]) == ("tone", 30)
    assert tone["delta"]["delta"] == pytest.approx(-0.15)
    code, out, _ = sides.compare("previous", "--gate")
    assert code == 1
    assert "faq, tone: regressed" in out
    assert out.splitlines()[-1].startswith("evalgate: FAIL  faq, tone -15.0 pp: 30 worse, 0 better")
