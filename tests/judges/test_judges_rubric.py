from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from pytest_evalgate.config import Judge
from pytest_evalgate.errors import SettingsError
from pytest_evalgate.judges import rubric as module
from pytest_evalgate.judges.rubric import Rubric, builtin_rubrics, load_rubric, parse_rubric

_FOLDER = Path(module.__file__).with_name("rubrics")


def _judge(**table: Any) -> Judge:
    return Judge(model="m", **table)


def _load(root: Path, **table: Any) -> Rubric:
    return load_rubric(_judge(**table), root=root)


def test_names_of_the_built_in_rubrics() -> None:
    assert builtin_rubrics() == (
        "answer-correctness",
        "answer-relevance",
        "bias",
        "claims",
        "closed-qa",
        "context-precision",
        "context-recall",
        "context-relevance",
        "conversation",
        "correctness",
        "faithfulness",
        "harmful-content",
        "helpfulness",
        "instruction-following",
        "pairwise-preference",
        "plan-quality",
        "refusal-correctness",
        "summary-quality",
        "system-prompt-leak",
        "task-success",
        "tone",
    )


_SHARES = {
    "answer-correctness": "statement-f1",
    "claims": "claims",
    "context-precision": "ranked-passages",
    "context-recall": "reference",
    "context-relevance": "passages",
}
_GRADED = [name for name in builtin_rubrics() if name not in {"pairwise-preference", *_SHARES}]


@pytest.mark.parametrize("name", builtin_rubrics())
def test_built_in_rubrics_name_their_sources_outside_the_prompt(name: str, tmp_path: Path) -> None:
    rubric = _load(tmp_path, rubric=name)
    head = (_FOLDER / f"{name}.md").read_text("utf-8").split("+++\n")[1]
    sources = tomllib.loads(head)["sources"]
    assert sources
    assert any("arXiv" in source for source in sources)
    assert rubric.text.startswith("# ")
    assert "arXiv" not in rubric.text
    assert "{" not in rubric.text, "an object in a rubric could be taken for a reply"


@pytest.mark.parametrize("name", _GRADED)
def test_built_in_rubrics_fit_both_scales(name: str, tmp_path: Path) -> None:
    binary, graded = _load(tmp_path, rubric=name), _load(tmp_path, rubric=name, scale="1-5")
    assert binary == graded
    assert "passes when" in binary.text
    assert "fails" in binary.text


@pytest.mark.parametrize(("name", "share"), _SHARES.items())
def test_rubrics_of_a_share_define_both_verdicts(name: str, share: str, tmp_path: Path) -> None:
    rubric = _load(tmp_path, rubric=name)
    assert (rubric.share, rubric.grades_notes) == (share, False)
    assert '"yes"' in rubric.text
    assert '"no"' in rubric.text


def test_needs_of_the_built_in_rubrics(tmp_path: Path) -> None:
    needs = {name: _load(tmp_path, rubric=name).needs for name in builtin_rubrics()}
    assert {name for name, need in needs.items() if "reference" in need} == {
        "answer-correctness",
        "closed-qa",
        "context-precision",
        "context-recall",
        "correctness",
        "pairwise-preference",
        "refusal-correctness",
    }
    assert {name for name, need in needs.items() if "context" in need} == {
        "claims",
        "context-precision",
        "context-recall",
        "context-relevance",
        "faithfulness",
        "summary-quality",
    }
    assert [name for name, need in needs.items() if "trajectory" in need] == ["plan-quality", "task-success"]
    assert [name for name, need in needs.items() if "messages" in need] == ["conversation"]
    assert [name for name in builtin_rubrics() if _load(tmp_path, rubric=name).pairs] == ["pairwise-preference"]


def test_a_rubric_file_with_and_without_a_head(tmp_path: Path) -> None:
    (tmp_path / "rubrics").mkdir()
    (tmp_path / "rubrics" / "faq.md").write_text(
        '\ufeff+++\nneeds = ["reference", "context"]\nscale = "1-5"\n+++\n\nIs it right?\n+++\nIs it kind?\n',
        "utf-8",
        newline="\r\n",
    )
    assert _load(tmp_path, rubric="rubrics/faq.md", scale="1-5") == Rubric(
        "rubrics/faq.md", "Is it right?\n+++\nIs it kind?", ("reference", "context"), "1-5"
    )
    (tmp_path / "plain.md").write_text("Is it polite?\n", "utf-8")
    assert _load(tmp_path, rubric="plain.md") == Rubric("plain.md", "Is it polite?")


def test_criteria_are_a_rubric(tmp_path: Path) -> None:
    assert _load(tmp_path, criteria="Is it polite? ") == Rubric("criteria", "Is it polite?")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", ": the text is empty"),
        ("+++\nneeds = []\n+++\n \n", ": the text is empty"),
        ("+++\nneeds = []\nIs it polite?\n", ": the head is not closed"),
        (
            "+++\nneeds = [\n+++\nIs it polite?\n",
            ":2: in the head: not TOML: the text ends inside of a value: a bracket or a quote is not closed",
        ),
        ('+++\nneed = ["context"]\n+++\nx\n', ': need: unknown key; did you mean "needs"?'),
        ("+++\nauthor = 1\n+++\nx\n", ": author: unknown key; the keys are needs, scale, pairs, share, sources"),
        (
            '+++\nneeds = ["golden"]\n+++\nx\n',
            ': needs[0]: must be "reference", "context", "trajectory" or "messages", not',
        ),
        ('+++\nscale = "1-10"\n+++\nx\n', ': scale: must be "binary" or "1-5", not "1-10"'),
    ],
)
def test_a_malformed_rubric_is_rejected(text: str, why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_rubric(text, name="faq.md")
    assert str(refused.value).startswith(f"rubric faq.md{why}")


def test_an_empty_head_is_allowed() -> None:
    assert parse_rubric("+++\n\n+++\nIs it polite?", name="r").text == "Is it polite?"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("faithfullness", 'no such file; did you mean "faithfulness"?'),
        (
            "rubrics/faq.md",
            "no such file; the built-in rubrics are answer-correctness, answer-relevance, bias, claims,",
        ),
        ("../secret.md", "outside of"),
        (".", "no such file"),
    ],
)
def test_a_missing_rubric(name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^rubric ") as refused:
        _load(tmp_path, rubric=name)
    assert why in str(refused.value)


def test_unreadable_rubric_files(tmp_path: Path) -> None:
    (tmp_path / "latin.md").write_bytes("Höflich?".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"latin.md: not UTF-8: byte at offset 1"):
        _load(tmp_path, rubric="latin.md")
    (tmp_path / "long.md").write_text("x" * 70_000, "utf-8")
    with pytest.raises(SettingsError, match=r"long.md: larger than 65,536 bytes"):
        _load(tmp_path, rubric="long.md")


def test_a_rubric_for_another_scale_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "faq.md").write_text('+++\nscale = "1-5"\n+++\nIs it polite?', "utf-8")
    with pytest.raises(
        SettingsError, match=r'rubric faq.md: written for scale = "1-5", but the judge has scale = "binary"'
    ):
        _load(tmp_path, rubric="faq.md")


def test_the_digest_depends_on_content_only() -> None:
    one = parse_rubric("+++\nsources = ['a']\n+++\nIs it polite?", name="a.md")
    assert one.sha256 == parse_rubric("Is it polite?\r\n", name="b.md").sha256
    assert one.sha256 != parse_rubric("Is it Polite?", name="a.md").sha256
    assert one.sha256 != parse_rubric("+++\nshare = 'claims'\n+++\nIs it polite?", name="a.md").sha256
    assert one.sha256 != parse_rubric("+++\nneeds = ['context']\n+++\nIs it polite?", name="a.md").sha256
