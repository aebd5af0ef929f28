"""Draws from logs: strata, weights, near-duplicates, masking, and estimates over many seeds."""

from __future__ import annotations

import math
import random
from statistics import fmean, pvariance
from typing import TYPE_CHECKING, Any

import pytest

from pytest_evalgate.curation.drawing import EDGE_TAG, DrawnSet, DrawOptions, draw, reserve_of, results_of
from pytest_evalgate.curation.sample_plan import (
    SampleDesign,
    check_pilot,
    effective_cases,
    plan_record,
    plan_sample,
)
from pytest_evalgate.curation.strata import MOST_STRATA, LogQuestion, scan
from pytest_evalgate.errors import GoldenSetError, SettingsError
from pytest_evalgate.golden.near_texts import NearTexts
from pytest_evalgate.golden.record import parse_row
from pytest_evalgate.importing import ImportingError
from pytest_evalgate.records.cases import Place
from pytest_evalgate.text import jsonl
from pytest_evalgate.text.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.curation.conftest import WriteLog

    from pytest_evalgate.curation.log_files import LogFile
    from pytest_evalgate.stats.allocation import Allocation

_WORDS = [f"word{number}" for number in range(500)]


def _dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - rows of a test


def _rows(sizes: dict[str, int], dice: random.Random, rates: dict[str, float] | None = None) -> list[dict[str, Any]]:
    rows = [
        {
            "id": f"{lang}-{number}",
            "lang": lang,
            "input": " ".join(dice.choices(_WORDS, k=8)),
            "passed": number < (rates or {}).get(lang, 0.5) * size,
        }
        for lang, size in sizes.items()
        for number in range(size)
    ]
    dice.shuffle(rows)
    return rows


def _drawn(
    logs: Sequence[LogFile],
    n: int,
    *,
    question: LogQuestion | None = None,
    minimum: int = 1,
    rule: Allocation = "proportional",
    seed: int = 0,
    **options: Any,
) -> DrawnSet:
    question = question or LogQuestion(("lang",))
    found = scan(logs, question, reserve_of(n, drop=options.get("drop", True)), seed)
    plan = plan_sample(found, SampleDesign(n, question.by, minimum, rule, seed, question.pilot))
    return draw(logs, found, plan.cases, DrawOptions(question.by, **options))


def test_each_stratum_has_its_cases_and_weights(write_log: WriteLog) -> None:
    log = write_log(_rows({"en": 800, "de": 190, "pl": 10}, _dice(1)))
    drawn = _drawn([log], 50, minimum=5)
    assert {one.key: (one.rows, one.cases) for one in drawn.strata} == {
        ("de",): (190, 9),
        ("en",): (800, 36),
        ("pl",): (10, 5),
    }
    for case in drawn.cases:
        rows, cases = {"en": (800, 36), "de": (190, 9), "pl": (10, 5)}[case.stratum[0]]
        assert case.weight == pytest.approx(rows / cases)
        assert case.probability == pytest.approx(cases / rows)
        assert case.row["weight"] == case.weight
        assert case.row["slice"] == {"lang": case.stratum[0]}
        assert case.row["metadata"]["lang"] == case.stratum[0]
    assert sum(case.weight for case in drawn.cases) == pytest.approx(1000)
    places = [int(case.place.rpartition(":")[2]) for case in drawn.cases]
    assert places == sorted(places)
    assert len({case.row["id"] for case in drawn.cases}) == 50
    assert effective_cases(drawn) == pytest.approx(1000**2 / sum(case.weight**2 for case in drawn.cases), rel=1e-6)


def test_a_log_that_is_smaller_than_the_sample_is_drawn_whole(write_log: WriteLog) -> None:
    drawn = _drawn([write_log(_rows({"en": 7, "de": 3}, _dice(1)))], 50)
    assert [(case.weight, case.probability) for case in drawn.cases] == [(1.0, 1.0)] * 10


def test_the_same_seed_gives_the_same_record_and_another_seed_another_one(write_log: WriteLog) -> None:
    logs = [write_log(_rows({"en": 300, "de": 100}, _dice(seed))) for seed in (1,)]
    texts = []
    for seed in (3, 3, 4):
        question = LogQuestion(("lang",), "passed")
        found = scan(logs, question, reserve_of(40, drop=True), seed)
        design = SampleDesign(40, ("lang",), 1, "neyman", seed, "passed")
        plan = plan_sample(found, design)
        drawn = draw(logs, found, plan.cases, DrawOptions(("lang",)))
        texts.append(jsonl.canonical([plan_record(logs, found, design, plan, drawn), [c.row for c in drawn.cases]]))
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_more_rows_than_a_batch_give_every_row_the_same_chance(write_log: WriteLog) -> None:
    log = write_log({"id": f"r{number}", "input": f"question {number}"} for number in range(20_000))
    found = scan([log], LogQuestion(), 500, seed=5)
    [stratum] = found.strata
    assert (stratum.rows, len(stratum.candidates)) == (20_000, 500)
    numbers = [one.place.number for one in stratum.candidates]
    assert len(set(numbers)) == 500
    by_quarter = [sum(quarter * 5000 < number <= (quarter + 1) * 5000 for number in numbers) for quarter in range(4)]
    # each is binomial with mean 125 and standard deviation 9.7
    assert all(abs(one - 125) < 4 * 9.7 for one in by_quarter)
    assert numbers != sorted(numbers)


def test_several_files_are_one_log(write_log: WriteLog) -> None:
    dice = _dice(2)
    first, second = _rows({"en": 90}, dice), _rows({"de": 30}, dice)
    drawn = _drawn([write_log(first), write_log(second)], 12)
    assert {one.key: one.cases for one in drawn.strata} == {("en",): 9, ("de",): 3}
    assert {case.place.partition(":")[0] for case in drawn.cases} == {"log0.jsonl", "log1.jsonl"}


def test_own_weights_of_rows_multiply_those_of_the_design(write_log: WriteLog) -> None:
    rows = [{"id": f"r{n}", "lang": "en", "input": f"question number {n}", "count": 1 + n % 3} for n in range(300)]
    drawn = _drawn([write_log(rows)], 30, question=LogQuestion(("lang",), weight="count"))
    assert {round(case.weight / case.row["metadata"]["count"], 6) for case in drawn.cases} == {10.0}


def test_rows_are_skipped_by_only_and_lowest_scores_are_drawn_for_certain(write_log: WriteLog) -> None:
    dice = _dice(4)
    rows = [{**row, "kind": "chat" if n % 2 else "tool", "score": n} for n, row in enumerate(_rows({"en": 200}, dice))]
    log = write_log(rows)
    question = LogQuestion(("lang",), lowest=("score", 5), only=(("kind", "chat"),))
    found = scan([log], question, reserve_of(25, drop=True), 0)
    assert (found.rows, found.skipped) == (100, 100)
    drawn = _drawn([log], 25, question=question)
    edges = [case for case in drawn.cases if case.is_edge]
    assert sorted(case.values["score"] for case in edges) == [1, 3, 5, 7, 9]
    assert all((case.weight, case.probability) == (1.0, 1.0) and case.row["tags"] == [EDGE_TAG] for case in edges)
    others = [case for case in drawn.cases if not case.is_edge]
    assert len(others) == 20
    assert {case.weight for case in others} == {95 / 20}
    assert min(case.values["score"] for case in others) > 9


def _copies(text: str, dice: random.Random) -> str:
    words = text.split()
    changes = [
        text.upper(),
        text.replace(" ", "  ") + "!",
        f"Hello, {text}",
        f"{text} thank you",
        " ".join([*words[:10], "other", *words[11:]]),
    ]
    return dice.choice(changes)


def test_planted_near_duplicates_are_found() -> None:
    dice = _dice(6)
    texts = [" ".join(dice.choices(_WORDS, k=40)) for _ in range(1000)]
    planted = [_copies(text, dice) for text in texts[:400]]
    near = NearTexts([(text, "") for text in [*texts, *planted]])
    found = 0
    for index in range(1400):
        match = near.find(index)
        assert (match is None) or index >= 1000, "two random texts are no near-duplicates"
        found += match is not None and match[0] == index - 1000
        near.add(index)
    assert found / 400 >= 0.95


def test_a_near_duplicate_is_represented_with_its_weight(write_log: WriteLog) -> None:
    dice = _dice(3)
    copied = " ".join(dice.choices(_WORDS, k=40))
    rows = [
        {"id": f"r{n}", "lang": "en", "input": f"{copied} {n}" if n % 2 else " ".join(dice.choices(_WORDS, k=40))}
        for n in range(400)
    ]
    log = write_log(rows)
    drawn = _drawn([log], 40)
    [stratum] = drawn.strata
    assert stratum.cases == 40
    copies = [case for case in drawn.cases if case.row["input"].startswith(copied)]
    assert len(copies) == 1
    assert copies[0].rows == 1 + len(drawn.merged)
    assert stratum.candidates == 40 + len(drawn.merged)
    assert copies[0].weight == pytest.approx(400 / stratum.candidates * copies[0].rows)
    assert sum(case.weight for case in drawn.cases) == pytest.approx(400, abs=1e-3)
    assert {one.case_id for one in drawn.merged} == {copies[0].row["id"]}
    assert all(0.8 <= one.similarity < 1 for one in drawn.merged)
    kept = _drawn([log], 40, drop=False)
    assert len([case for case in kept.cases if case.row["input"].startswith(copied)]) > 10
    assert {case.rows for case in kept.cases} == {1}


def test_a_stratum_of_copies_gives_one_case(write_log: WriteLog) -> None:
    rows = [{"lang": "en", "input": "the same question about the same thing"} for _ in range(100)]
    drawn = _drawn([write_log(rows)], 10)
    [case] = drawn.cases
    assert (case.weight, case.rows) == (100.0, 31)
    assert [one.similarity for one in drawn.merged] == [1.0] * 30
    assert drawn.strata[0].cases < drawn.strata[0].allocated


def test_rows_without_an_id_get_one_from_their_content(write_log: WriteLog) -> None:
    rows = [{"question": f"question {n}", "answer": f"answer {n}", "lang": "en"} for n in range(50)]
    first, second = (_drawn([write_log(rows)], 10, seed=seed) for seed in (1, 2))
    assert all(str(case.row["id"]).startswith("log-") for case in first.cases)
    by_input = {case.row["input"]: case.row["id"] for case in first.cases}
    again = {case.row["input"]: case.row["id"] for case in second.cases}
    common = by_input.keys() & again.keys()
    assert common
    assert all(by_input[one] == again[one] for one in common)
    assert {case.row["output"] for case in first.cases} == {
        case.row["input"].replace("question", "answer") for case in first.cases
    }


def test_names_that_look_like_those_of_a_golden_set_are_metadata(write_log: WriteLog) -> None:
    rows = [{"id": f"r{n}", "input": f"question {n}", "tag": "x", "input_tokens": 3, "lang": "en"} for n in range(5)]
    drawn = _drawn([write_log(rows)], 5)
    assert {case.row["metadata"]["input_tokens"] for case in drawn.cases} == {3}


def test_secrets_and_personal_data_are_masked(write_log: WriteLog) -> None:
    rows = [
        {
            "id": f"ann{n}@acme-mail.com",
            "lang": "en",
            "input": f"I am ann{n}@acme-mail.com, my key is KEY-{n}",
            "metadata": {"note": "sk-abcdefghijklmnopqrstuvwxyz123456"},
        }
        for n in range(5)
    ]
    drawn = _drawn([write_log(rows)], 5, redactor=Redactor())
    texts = jsonl.canonical([case.row for case in drawn.cases])
    assert "acme-mail" not in texts
    assert "sk-abc" not in texts
    assert drawn.masked == {"API key": 5, "e-mail address": 10}
    assert all(str(case.row["id"]).startswith("log-") for case in drawn.cases)
    assert all(not parse_row(case.row, Place("x", 1)).problems for case in drawn.cases)


def test_rows_without_a_question_are_refused_with_their_place(write_log: WriteLog) -> None:
    rows = [{"id": f"r{n}", "lang": "en", "question": f"question {n}" if n else 7, "trials": n} for n in range(5)]
    with pytest.raises(ImportingError, match=r"log0\.jsonl:1: trials"):
        _drawn([write_log(rows)], 5)


@pytest.mark.parametrize("others", [{}, {"answer": "a"}])
def test_rows_without_a_question_are_one_problem_and_can_be_skipped(
    others: dict[str, str], write_log: WriteLog
) -> None:
    empty: list[dict[str, Any]] = [{"question": ""}, {"question": None}, {"question": "  "}]
    rows = [
        {
            "id": f"r{n}",
            "lang": "en",
            "question": f"question {n} of the log",
            **others,
            **(empty[n % 3] if n < 7 else {}),
        }
        for n in range(20)
    ]
    rows[0] = {"id": "r0", "lang": "en", **others}
    log = write_log(rows)
    with pytest.raises(ImportingError) as caught:
        _drawn([log], 20)
    assert str(caught.value) == (
        'log0.jsonl:1: no question in "question" (and log0.jsonl:2, log0.jsonl:3, log0.jsonl:4, log0.jsonl:5, '
        "log0.jsonl:6 and 1 more): skip such rows with --only 'question=*'"
    )
    blank = sum(row.get("question") == "  " for row in rows)
    with pytest.raises(ImportingError, match="no question"):
        _drawn([log], 20, question=LogQuestion(only=(("question", "*"),)))
    assert blank == 2, "a text of spaces is a value, and no question"
    log = write_log(row for row in rows if row.get("question") != "  ")
    found = scan([log], LogQuestion(only=(("question", "*"),)), 100, 0)
    assert (found.rows, found.skipped) == (13, 5)
    assert len(_drawn([log], 20, question=LogQuestion(only=(("question", "*"),))).cases) == 13


def test_messages_without_any_and_numbers_are_told_apart(write_log: WriteLog) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "messages": []},
        {"id": "b", "messages": [{"role": "user", "content": "q"}]},
    ]
    with pytest.raises(ImportingError, match=r'^log0\.jsonl:1: no question in "messages": skip'):
        _drawn([write_log(rows)], 2, question=LogQuestion())
    drawn = _drawn([write_log([{"id": "a", "input": 0}, {"id": "b", "input": {"x": 0}}])], 2, question=LogQuestion())
    assert len(drawn.cases) == 2


def test_rows_that_differ_by_a_null_are_the_same(write_log: WriteLog) -> None:
    rows = [{"id": "same", "lang": "en", "input": "one question of the log"}] * 2
    [case] = _drawn([write_log([rows[0], {**rows[1], "note": None}])], 2).cases
    assert (case.rows, case.weight) == (2, 2.0)


def test_ids_that_repeat_are_refused(write_log: WriteLog) -> None:
    rows = [{"id": "same", "lang": "en", "input": f"question {n} of the log"} for n in range(3)]
    with pytest.raises(
        ImportingError,
        match=r'duplicate id "same" \(first at log0\.jsonl:\d\): name another field with --map id=FIELD',
    ):
        _drawn([write_log(rows)], 3)
    logs = [write_log([row]) for row in rows]
    with pytest.raises(
        ImportingError, match=r'duplicate id "same" \(first at log1\.jsonl:1\): name another field with --map'
    ):
        _drawn(logs, 3)


def test_a_file_that_changes_meanwhile_is_refused(write_log: WriteLog) -> None:
    log = write_log(_rows({"en": 10}, _dice(1)))
    found = scan([log], LogQuestion(("lang",)), 11, 0)
    log.path.write_text("{}\n" * 10, "utf-8")
    with pytest.raises(ImportingError, match="has changed since the log was read"):
        draw([log], found, [10], DrawOptions(("lang",)))


def test_malformed_lines_are_listed_or_skipped(write_log: WriteLog) -> None:
    log = write_log(_rows({"en": 10}, _dice(1)))
    with log.path.open("a", encoding="utf-8") as file:
        file.write('{"input": \n')
    with pytest.raises(GoldenSetError) as caught:
        scan([log], LogQuestion(), 11, 0)
    assert "log0.jsonl:11: " in str(caught.value)
    assert str(caught.value).endswith("log0.jsonl: repair these lines, or add --skip-malformed")
    found = scan([log], LogQuestion(), 11, 0, skip_malformed=True)
    assert (found.rows, len(found.problems)) == (10, 1)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (
            LogQuestion(("lan",)),
            '--by lan: no row has this field; did you mean "lang"?; the fields are "id", "lang", "input", "passed", ',
        ),
        (LogQuestion(pilot="pased"), '--pilot pased: no row has this field; did you mean "passed"?'),
        (LogQuestion(lowest=("inne", 3)), '--lowest inne: no row has this field; did you mean "inner"?'),
        (LogQuestion(only=(("lag", "en"),)), '--only lag: no row has this field; did you mean "lang"?'),
        (LogQuestion(only=(("lag", "*"),)), '--only lag: no row has this field; did you mean "lang"?'),
        (LogQuestion(("lang",), pilot="input"), "log0.jsonl:1: input: must be a number, true or false, not "),
        (LogQuestion(weight="nothing"), "log0.jsonl:1: nothing: the row has no value"),
        (LogQuestion(weight="zero"), "log0.jsonl:1: zero: a weight must be positive, got 0"),
        (LogQuestion(only=(("lang", "xx"),)), '--only lang=xx: no row has this value; there are "en"'),
    ],
)
def test_fields_that_cannot_be_used_are_refused(question: LogQuestion, message: str, write_log: WriteLog) -> None:
    log = write_log({**row, "zero": 0, "metadata": {"inner": None}} for row in _rows({"en": 4}, _dice(1)))
    with pytest.raises(SettingsError) as caught:
        scan([log], question, 11, 0)
    assert str(caught.value).startswith(message)


def test_every_row_can_be_drawn_for_its_score(write_log: WriteLog) -> None:
    log = write_log(_rows({"en": 6, "de": 4}, _dice(1)))
    found = scan([log], LogQuestion(("lang",), "passed", lowest=("passed", 10)), 50, 0)
    plan = plan_sample(found, SampleDesign(10, ("lang",), 1, "neyman", 0, "passed"))
    drawn = draw([log], found, plan.cases, DrawOptions(("lang",)))
    check = check_pilot(found, drawn, "passed")
    assert check is not None
    assert (len(drawn.cases), drawn.strata, check.log, check.sample) == (10, (), 0.5, 0.5)


def test_the_mean_of_the_log_counts_strata_that_are_drawn_for_their_score(write_log: WriteLog) -> None:
    log = write_log(_rows({"en": 6, "de": 2}, _dice(1), {"en": 1.0, "de": 0.0}))
    found = scan([log], LogQuestion(("lang",), "passed", lowest=("passed", 2)), 50, 0)
    drawn = draw(
        [log], found, plan_sample(found, SampleDesign(8, ("lang",), 1, "proportional", 0)).cases, DrawOptions()
    )
    check = check_pilot(found, drawn, "passed")
    assert [one.key for one in found.strata] == [("en",)]
    assert check is not None
    assert (check.log, check.sample) == (0.75, 0.75)


def test_too_many_strata_are_refused(write_log: WriteLog) -> None:
    log = write_log({"id": f"r{n}", "input": "q"} for n in range(MOST_STRATA + 1))
    with pytest.raises(SettingsError, match=r"--by id: more than 2,000 combinations of values, such as"):
        scan([log], LogQuestion(("id",)), 11, 0)


def test_plans_that_cannot_be_made_are_refused(write_log: WriteLog) -> None:
    log = write_log(_rows({"en": 40, "de": 40}, _dice(1)))
    found = scan([log], LogQuestion(("lang",)), 50, 0)
    with pytest.raises(SettingsError, match=r"--n 10: 2 strata with a minimum of 8 need 16 rows, got 10: raise --n"):
        plan_sample(found, SampleDesign(10, ("lang",), 8, "proportional", 0))
    lowest = scan([log], LogQuestion(("lang",), lowest=("passed", 20)), 50, 0)
    with pytest.raises(
        SettingsError, match=r"--n 20: 20 rows with the lowest score leave none to draw at random: raise"
    ):
        plan_sample(lowest, SampleDesign(20, ("lang",), 1, "proportional", 0))
    with pytest.raises(SettingsError, match="--allocation neyman needs results"):
        plan_sample(found, SampleDesign(10, ("lang",), 1, "neyman", 0))
    with pytest.raises(SettingsError, match="--pilot nothing: no row has this field"):
        plan_sample(found, SampleDesign(10, ("lang",), 1, "neyman", 0, "nothing"))
    with pytest.raises(SettingsError, match="it has no result in a stratum by lang"):
        plan_sample(found, SampleDesign(10, ("lang",), 1, "neyman", 0, "run:x"), {("fr",): (9.0, 9.0, 9.0)})
    plan = plan_sample(
        found, SampleDesign(20, ("lang",), 1, "neyman", 0, "run:x"), {("en",): (90, 45, 45), ("de",): (90, 90, 90)}
    )
    assert plan.cases[1] > 3 * plan.cases[0]


_RATES = {"en": (500, 0.98), "de": (150, 0.9), "fr": (100, 0.5), "pl": (30, 0.2)}
_SEEDS = 30


def test_weighted_rates_are_unbiased_and_strata_reduce_their_variance(write_log: WriteLog) -> None:
    """The full simulation over 2,000 seeds is benchmarks/sample_rates.py."""
    sizes = {lang: size for lang, (size, _) in _RATES.items()}
    log = write_log(_rows(sizes, _dice(9), {lang: rate for lang, (_, rate) in _RATES.items()}))
    truth = sum(size * rate for size, rate in _RATES.values()) / sum(sizes.values())
    variances = {}
    for name, by, rule in (
        ("simple", (), "proportional"),
        ("proportional", ("lang",), "proportional"),
        ("neyman", ("lang",), "neyman"),
    ):
        rates = []
        for seed in range(_SEEDS):
            question = LogQuestion(by, "passed")
            found = scan([log], question, reserve_of(50, drop=False), seed)
            plan = plan_sample(found, SampleDesign(50, by, 4, rule, seed, "passed"))  # type: ignore[arg-type]
            drawn = draw([log], found, plan.cases, DrawOptions(by, drop=False))
            check = check_pilot(found, drawn, "passed")
            assert check is not None
            assert check.log == pytest.approx(truth)
            rates.append(check.sample)
            assert min(one.cases for one in drawn.strata) >= 4
            assert len(drawn.cases) == 50
        variances[name] = pvariance(rates)
        assert abs(fmean(rates) - truth) < 3 * math.sqrt(variances[name] / _SEEDS)
    assert variances["neyman"] < variances["proportional"] < variances["simple"]


def test_the_rate_of_copies_is_estimated_by_their_weight(write_log: WriteLog) -> None:
    """A third of the rows are copies that fail: without their weight, the rate would be that of the others."""
    dice = _dice(5)
    copied = " ".join(dice.choices(_WORDS, k=30))
    rows = [
        {"id": f"r{n}", "lang": "en", "passed": n % 3 > 0, "input": copied if n % 3 == 0 else f"{n} {n + 1} word"}
        for n in range(600)
    ]
    log = write_log(rows)
    rates = []
    for seed in range(30):
        drawn = _drawn([log], 40, question=LogQuestion(("lang",), "passed"), seed=seed)
        pairs = list(results_of(drawn.cases, "passed"))
        rates.append(sum(w * y for w, y in pairs) / sum(w for w, _ in pairs))
    assert abs(fmean(rates) - 2 / 3) < 3 * math.sqrt(pvariance(rates) / 30)
    assert pvariance(rates) > 0
