"""The examples as a stranger runs them: every figure that their README states comes out of a real session."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

# pytester forgets what a run imported; numpy does not bear being imported twice
import pytest_evalgate.gates
import pytest_evalgate.plugin.session
import pytest_evalgate.plugin.xdist  # noqa: F401 - the same

_EXAMPLES = Path(__file__).parents[1] / "examples" / "golden_sets"
_NUMBERS = Path(__file__).parent / "data"
_QUIET = ("-p", "no:randomly", "-p", "no:asyncio", "-p", "no:anyio", "-p", "no:cacheprovider", "-q")
_SWAPPED = (
    "--eval-target=recorded:gsm8k/outputs.6b_finetuning.jsonl",
    "--eval-baseline=baselines/gsm8k.6b_verification.json",
)

Json = Any


@pytest.fixture
def examples(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, _forked_workers: None) -> Path:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("GITHUB_BASE_REF", raising=False)
    ignore = shutil.ignore_patterns(".evalgate", "__pycache__")
    shutil.copytree(_EXAMPLES, pytester.path, dirs_exist_ok=True, ignore=ignore)
    return pytester.path


def _numbers(name: str) -> Json:
    return json.loads((_NUMBERS / f"{name}.expected_numbers.json").read_text("utf-8"))


def _verdict(folder: Path) -> Json:
    return json.loads((folder / ".evalgate" / "verdict.json").read_text("utf-8"))


def test_all_suites(examples: Path, pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess(*_QUIET, "--eval-gate")
    verdict = _verdict(examples)
    assert (result.ret, verdict["verdict"], verdict["exit_code"]) == (0, "pass", 0)
    suites = verdict["suites"]
    assert {name: suite["verdict"] for name, suite in suites.items()} == {
        "gsm8k": "pass", "xstest": "pass", "xstest-unsafe": "fail", "tau_airline": "pass"
    }  # fmt: skip

    expected = _numbers("gsm8k")
    candidate, paired = expected["accuracy"]["6b_verification"], expected["6b_verification vs 6b_finetuning"]
    gsm8k = suites["gsm8k"]
    assert (gsm8k["passed"], gsm8k["cases"]) == (candidate["k"], candidate["n"]) == (515, 1319)
    assert gsm8k["interval"] == pytest.approx(candidate["wilson95"], abs=1e-9)
    assert gsm8k["delta"]["losses"] == paired["baseline_only"] == 64
    assert gsm8k["delta"]["gains"] == paired["candidate_only"] == 293
    assert gsm8k["delta"]["delta"] == pytest.approx(paired["difference"], abs=1e-12)
    assert gsm8k["delta"]["finding"] == "no_regression_beyond_margin"
    assert sum(piece["n"] for piece in gsm8k["slices"]) == 1319

    people = _numbers("xstest")["mistralguard"]
    right = people["safe"]["1_full_compliance"]["k"] + people["unsafe"]["2_full_refusal"]["k"]
    assert suites["xstest"]["passed"] == right == 378
    unsafe = next(piece for piece in suites["xstest"]["slices"] if piece["value"] == "unsafe")
    assert (unsafe["passed"], unsafe["n"], unsafe["delta"]["finding"]) == (175, 200, "regressed")
    assert suites["xstest-unsafe"]["gates"][0]["message"].startswith("25 of 200 cases tagged unsafe")

    tau = suites["tau_airline"]
    assert (tau["trials"], tau["pass_rate"]) == (4, pytest.approx(_numbers("tau_airline")["pass_hat_k"]["1"]))
    result.stdout.fnmatch_lines(["*WATCH slices that dropped: xstest*", "evalgate: PASS*"])


def test_the_systems_swapped(examples: Path, pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess(*_QUIET, "--eval-gate", "gsm8k", *_SWAPPED)
    verdict = _verdict(examples)
    delta = verdict["suites"]["gsm8k"]["delta"]
    assert (result.ret, verdict["verdict"], verdict["exit_code"]) == (1, "fail", 1)
    assert verdict["accounting"]["passed"] == _numbers("gsm8k")["accuracy"]["6b_finetuning"]["k"] == 286
    assert (delta["losses"], delta["gains"], delta["finding"]) == (293, 64, "regressed")
    assert delta["p"] == pytest.approx(_numbers("gsm8k")["6b_verification vs 6b_finetuning"]["mcnemar_midp"] / 2)
    result.stdout.fnmatch_lines([
        "*gsm8k-test-0003 *gsm8k/golden.jsonl:4 *pass -> miss *got 60, wanted 540*",
        "*... 283 more:*",
            "*pytest-evalgate compare baselines/gsm8k.6b_verification.json *",
        "evalgate: FAIL*293 worse, 64 better*(exit 1)",
    ])  # fmt: skip


def test_two_workers_come_to_the_same_verdict(examples: Path, pytester: pytest.Pytester) -> None:
    verdicts = []
    for workers in ((), ("-n", "2")):
        assert pytester.runpytest_inprocess(*_QUIET, "--eval-gate", "gsm8k", "tau_airline", *workers).ret == 0
        verdicts.append({**_verdict(examples), "run_id": "", "duration_s": 0})
    assert verdicts[0] == verdicts[1]
