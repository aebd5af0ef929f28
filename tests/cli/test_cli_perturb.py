"""``pytest-evalgate perturb``: the file it writes, what it prints, and what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_evalgate import golden
from pytest_evalgate.golden.case_variants import KINDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Command

_ROWS = [
    {
        "id": "faq-1",
        "input": "when does the delivery of order 77 arrive?",
        "expected": "tomorrow",
        "output": "tomorrow",
    },
    {"id": "faq-2", "input": "what is the refund policy", "expected": "14 days", "context": ["a b", "c d"]},
    {"id": "faq-3", "input": {"q": "no text"}, "expected": "x"},
]


@pytest.fixture
def faq(folder: Path) -> Path:
    path = folder / "golden" / "faq.jsonl"
    path.parent.mkdir()
    path.write_text("".join(json.dumps(row) + "\n" for row in _ROWS), "utf-8")
    (folder / "pytest.ini").touch()
    return path


def _rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_the_cases_and_their_variants_are_a_golden_set(faq: Path, evalgate: Command) -> None:
    code, out, err = evalgate("perturb", "golden/faq.jsonl")
    assert (code, err) == (0, "")
    made = faq.with_name("faq-variants.jsonl")
    read = golden.read_file(made, "golden/faq-variants.jsonl")
    assert read.problems == ()
    assert [case.id for case in read.golden if "variant_of" not in case.metadata] == ["faq-1", "faq-2", "faq-3"]
    rows = {str(row["id"]): row for row in _rows(made)}
    assert rows["faq-1"]["output"] == "tomorrow"
    assert "output" not in rows["faq-1~typo"]
    assert rows["faq-2~order"]["context"] == ["c d", "a b"]
    assert out.startswith(
        "wrote golden/faq-variants.jsonl: 3 cases and 12 variants (seed 0)\n  typo         2; 1 case "
    )
    assert 'gates = [{ kind = "invariance", max_flip = 0.05 }]' in out
    assert max(map(len, out.splitlines())) <= 100


def test_a_seed_and_the_kinds_decide_the_file(faq: Path, evalgate: Command) -> None:
    files = []
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        out = f"golden/{name}.jsonl"
        assert evalgate("perturb", "golden/faq.jsonl", "--kinds", "typo,case", "--seed", seed, "--out", out)[0] == 0
        files.append((faq.parent / f"{name}.jsonl").read_bytes())
    assert files[0] == files[1] != files[2]


def test_the_counts_are_printed_as_json(faq: Path, evalgate: Command) -> None:
    found = json.loads(evalgate("perturb", str(faq), "--kinds", "case,order", "--json")[1])
    assert found == {
        "file": "golden/faq-variants.jsonl",
        "seed": 0,
        "cases": 3,
        "variants": {"case": 2, "order": 1},
        "unchanged": {"case": 1, "order": 2},
    }


def test_nothing_is_replaced_without_force(faq: Path, evalgate: Command) -> None:
    assert evalgate("perturb", "golden/faq.jsonl")[0] == 0
    code, _, err = evalgate("perturb", "golden/faq.jsonl")
    assert code == 4
    assert err.startswith(
        "pytest-evalgate: golden/faq-variants.jsonl exists: choose another file with --out, or replace"
    )
    assert evalgate("perturb", "golden/faq.jsonl", "--force")[0] == 0
    assert faq.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("golden/fag.jsonl",), 'did you mean "golden/faq.jsonl"?'),
        (("golden/faq.jsonl", "--out", "golden/faq.jsonl"), "is the golden set itself"),
        (("golden/faq.jsonl", "--out", "variants.csv"), "a golden set ends in .jsonl"),
        (("golden/faq.jsonl", "--out", "../variants.jsonl"), "outside of"),
    ],
)
def test_bad_paths_are_refused(faq: Path, evalgate: Command, arguments: tuple[str, ...], message: str) -> None:
    code, _, err = evalgate("perturb", *arguments)
    assert code == 4
    assert message in err
    assert [path.name for path in faq.parent.iterdir()] == ["faq.jsonl"]


@pytest.mark.parametrize(
    ("kinds", "message"),
    [("tipo", 'did you mean "typo"?'), ("x", f"the kinds are: {', '.join(KINDS)}"), (",", "at least one")],
)
def test_unknown_kinds_are_refused(
    faq: Path, evalgate: Command, kinds: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        evalgate("perturb", str(faq), "--kinds", kinds)
    assert message in capsys.readouterr().err


def test_a_set_without_a_text_is_refused(faq: Path, evalgate: Command) -> None:
    faq.write_text(json.dumps(_ROWS[2]) + "\n", "utf-8")
    code, _, err = evalgate("perturb", "golden/faq.jsonl")
    assert code == 4
    assert "no case has a text to change" in err


def test_a_set_with_variants_is_not_perturbed_again(faq: Path, evalgate: Command) -> None:
    assert evalgate("perturb", "golden/faq.jsonl")[0] == 0
    variants = faq.with_name("faq-variants.jsonl")
    code, _, err = evalgate("perturb", str(variants), "--out", "golden/more.jsonl")
    assert code == 4
    assert "the id of a variant of faq-1 exists already" in err
