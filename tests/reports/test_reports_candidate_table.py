from __future__ import annotations

from pytest_evalgate.records.side_by_side import CandidatePair, CandidateResult, SideBySide
from pytest_evalgate.reports import candidate_table
from pytest_evalgate.reports.markdown_gates import candidate_blocks
from pytest_evalgate.reports.terminal import candidate_lines

_FOUND = SideBySide(
    "faq",
    (
        CandidateResult("faq[large]", 240, 0.95, (0.915, 0.971), 3.1, 0, 2.04, "a"),
        CandidateResult("faq[mini]", 240, 0.921, (0.88, 0.949), 0.31, 12, 0.0004, "a"),
        CandidateResult("faq[tiny]", 240, None, None, None, 0, None, ""),
    ),
    (CandidatePair("faq[large]", "faq[mini]", 240, 12, 5, 0.029, -0.008, 0.066, 0.143, 0.143, differ=False),),
    ("faq[large] and faq[tiny] are not compared: one of them did not run as a whole",),
)


def test_the_cells_of_a_candidate() -> None:
    assert list(candidate_table.rows(_FOUND)) == [
        ("faq[large]", "95.0% (91.5-97.1)", "US$3.10", "2.04 s", "a"),
        ("faq[mini]", "92.1% (88.0-94.9)", "US$0.31 (12 cached)", "under 1 ms", "a"),
        ("faq[tiny]", "-", "-", "-", "-"),
    ]


def test_the_screen_fits_80_columns() -> None:
    lines = [line.text for line in candidate_lines(_FOUND, 80)]
    assert max(map(len, lines)) <= 80
    assert lines[0] == "CANDIDATES of faq: 3, the highest rate first"
    assert "  faq[large]  95.0% (91.5-97.1)   US$3.10              2.04 s      a" in lines
    assert "  faq[large] against faq[mini]: +2.9 pp (-0.8..+6.6), 12 better, 5 worse," in lines


def test_the_blocks_of_markdown() -> None:
    heading, table, conclusion, tests = candidate_blocks(_FOUND)
    assert heading == "### Candidates of `faq`"
    assert table.splitlines()[0] == "| Candidate | Pass rate (95% CI) | Cost | P95 | Group |"
    assert conclusion == "No two candidates are distinguishable (1 pair tested, Holm's p at most 0.05)"
    assert len(tests.splitlines()) == 2
