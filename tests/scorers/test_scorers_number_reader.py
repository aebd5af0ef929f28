"""The number reader: every spelling of a number is read as a whole, or reported as uncertain."""

from __future__ import annotations

import sys
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_evalgate.scorers.number_reader import format_number, read_numbers

# A text and its numbers: the value of each, its values in any order if it has several, or "?" if it has none
READ: dict[str, list[tuple[str, list[str]]]] = {
    "plain": [
        ("", []),
        ("no number here", []),
        ("NaN, Infinity", []),
        ("18", ["18"]),
        ("The answer is 18.", ["18"]),
        ("18,", ["18"]),
        ("+7", ["7"]),
        (".5, 0.5", ["0.5"]),
        ("-0", ["0"]),
        ("00042", ["42"]),
        ("3 eggs, 5 hens", ["3", "5"]),
        ("x = -5", ["-5"]),
        ("3 + 15 = 18", ["?", "18"]),
        ("<<3+15=18>>18", ["?", "18", "18"]),
        ("#### 18", ["18"]),
        ("[5] and `6` ", ["5 6"]),
        ("A:18", ["18"]),
    ],
    "thousands and decimals": [
        ("1,234,567.5", ["1234567.5"]),
        ("1.234.567,5", ["1234567.5"]),
        ("1.234,50", ["1234.5"]),
        ("1.234.567", ["1234567"]),
        ("3,14", ["3.14"]),
        ("1,2345", ["1.2345"]),
        ("0,123", ["0.123"]),
        ("0.123", ["0.123"]),
        ("1,234", ["1234"]),
        ("1.234", ["1.234 1234"]),
        ("10.000 €", ["10 10000"]),
        ("3,5 kg then 1,234 kg", ["3.5", "1234 1.234"]),
        ("1,00,000 rupees", ["100000"]),
        ("12,34,567", ["1234567"]),
        ("1 234 567", ["1234567"]),
        ("10 000", ["10000"]),
        ("12 345", ["12345 12 345"]),
        ("12 345 €", ["12345"]),
        ("1 234,56", ["1234.56"]),
        ("1\u00a0234", ["1234"]),
        ("1\u202f234\u202f567", ["1234567"]),
        ("1\u2009234.5", ["1234.5"]),
        ("1'234'567", ["1234567"]),
        ("1’234.50", ["1234.5"]),
        ("1_000_000", ["1000000"]),
        ("٤٢", ["42"]),
        ("١٬٢٣٤٫٥", ["1234.5"]),
        ("५", ["5"]),
        ("５００", ["500"]),
        ("１，２３４", ["1234"]),
        ("\U0001d7d3", ["5"]),
        ("1\u200b000", ["1000"]),
        ("1&nbsp;000", ["1000"]),
        ("&minus;5", ["-5"]),
    ],
    "tokens that are not one number": [
        ("1,2,3", ["?"]),
        ("1,234,5", ["?"]),
        ("1.2.3", ["?"]),
        ("192.168.0.1", ["?"]),
        ("12:30", ["?"]),
        ("2024-01-05", ["?"]),
        ("1/2/2024", ["?"]),
        ("555-1234", ["?"]),
        ("+1 555 123 4567", ["1555123 4567"]),
        ("16:9", ["?"]),
        ("5-10", ["?"]),
        ("10–20", ["?"]),
        ("£5-£10", ["?"]),
        ("10 - 5", ["?"]),
        ("10 minus 5", ["?"]),
        ("(3)-2", ["?"]),
        ("3 * 4", ["?"]),
        ("3*4", ["?"]),
        ("2 x 3", ["?"]),
        ("x / 5", ["?"]),
        ("y = x + 5", ["?"]),
        ("5 * x", ["?"]),
        ("y = 2x", ["?"]),
        ("2\\pi", ["?"]),
        ("\\sqrt{2}", ["?"]),
        ("√2", ["?"]),
        ("5'10", ["?"]),
        ("10am", ["?"]),
        ("3D", ["?"]),
        ("1080p", ["?"]),
        ("0x1G", ["?"]),
        ("1e5x", ["?"]),
        ("1e999999999999 then 1", ["?", "1"]),
        ("5 6", ["5 6"]),
        ("5 or 6", ["5 6"]),
        ("between 3 and 4", ["3 4"]),
        ("(3, 4)", ["3 4"]),
        ("(3,-2)", ["3 -2"]),
        ("\\boxed{3, 4}", ["3 4"]),
        ("in 2023, 100", ["2023", "100"]),
        ("9 out of 10", ["9 10"]),
        ("3 of 4", ["3 4"]),
        ("x = 5 or x = 6", ["5 6"]),
        ("y = x+1", ["?"]),
        ("5, 6", ["5 6"]),
        ("Answer: 5, 6 and 7.", ["5", "6 7"]),
        ("x = 5, 6.", ["5 6"]),
        ("5 eggs, 6", ["5", "6"]),
        ("July 4, 1776", ["4", "1776"]),
        ("10 to the power of 5", ["?"]),
        ("5 plus 6", ["?"]),
        ("5 squared", ["?"]),
        ("2^n", ["?"]),
        ("2^{n}", ["?"]),
        ("5(x", ["?"]),
        ("1.5× faster", ["1.5"]),
        ("12h30", ["?"]),
        ("(555) 123-4567", ["?"]),
        ("\\sqrt{2}/2", ["?", "?"]),
    ],
    "bounds, arguments and parts": [
        (">5", ["?"]),
        ("x > 5", ["?"]),
        ("<= 3", ["?"]),
        ("x \\geq 5", ["?"]),
        ("≠5", ["?"]),
        ("5 < x", ["?"]),
        ("5+", ["?"]),
        ("(5, ∞)", ["?"]),
        ("less than 5", ["?"]),
        ("over 18", ["?"]),
        ("at least 5", ["5"]),
        ("no more than 5", ["5"]),
        ("> 5", ["5"]),
        ("-> 5", ["5"]),
        ("<answer>5</answer>", ["5"]),
        ("5!", ["?"]),
        ("n = 5!", ["?"]),
        ("5! ways", ["?"]),
        ("You get 5!", ["5"]),
        ("log 5", ["?"]),
        ("log_2 5", ["?"]),
        ("5 \\ln 2", ["5", "?"]),
        ("half of 5", ["?"]),
        ("square root of 5", ["?"]),
        ("half past 5", ["?"]),
        ("5\\infty", ["?"]),
        ("2^{1/2}", ["?"]),
        ("2^(1/2)", ["?"]),
        ("\\frac{\\sqrt{5}}{2}", ["?", "?"]),
        ("\\frac{1}{-2}", ["-0.5"]),
        ("5/(-2)", ["?", "?"]),
        ("2 - (-3)", ["2", "?"]),
        ("-(-5)", ["?"]),
        ("|-5|", ["5 -5"]),
        ("3 : 1", ["?"]),
        ("Réponse : 42", ["42"]),
        ("5 by 6", ["?"]),
        ("5 (mod 7)", ["?"]),
        ("5 base 10", ["?"]),
        ("1 in 5", ["1 5"]),
        ("5 (±0.1)", ["?"]),
        ("1 ,000", ["?"]),
        ("0. 5", ["?"]),
        ("1  000", ["1 0"]),
        ("1`000", ["1000"]),
        ("5' 10\"", ["?"]),
        ("5′ 10″", ["?"]),
        ("5 ft 10 in", ["?"]),
        ("5 dollars and 50 cents", ["?"]),
        ("1 hour and 30 minutes", ["?"]),
        ("5 below zero", ["?"]),
        ("one thousand 200", ["?"]),
        ("two point 5", ["?"]),
        ("three and 3/4", ["?"]),
        ("5 and a half", ["5.5"]),
        ("minus  5", ["-5"]),
        ("-\\boxed{5}", ["-5"]),
        ("-\\text{5}", ["-5"]),
        ("\\boxed{5} or \\boxed{6}", ["5 6"]),
        ('"5" or "6"', ["5 6"]),
    ],
    "what is said not to be": [
        ("The answer is 5, not 6", ["5"]),
        ("5 (not 6)", ["5"]),
        ("5 rather than 6", ["5"]),
        ("It isn't 5", []),
        ("not 5 but 6", ["6"]),
        ("not 5 or 6", []),
    ],
    "citations and references": [
        ("The answer is 5 [1]", ["5"]),
        ("5[1][2]", ["5"]),
        ("30 days [1, 2].", ["30"]),
        ("5^[1]", ["5"]),
        ("5【1:0†source】", ["5"]),
        ("5 (see page 3)", ["5"]),
        ("5 [source 2]", ["5"]),
        ("[1]: none", []),
        ("The answer is [5]", ["5"]),
        ("Answer: [5].", ["5"]),
        ("25 m<sup>2</sup>", ["25"]),
        ("CO<sub>2</sub>", []),
    ],
    "digits in names": [
        ("CO2", []),
        ("H2O", []),
        ("5 molecules of CO2", ["5"]),
        ("A4", []),
        ("COVID-19", []),
        ("gpt-4", []),
        ("v1.2.3", []),
        ("x_1", []),
        ("x_{1}", []),
        ("y = x^2", []),
        ("été5", []),
        ("https://example.com/5", []),
        ('{"7": "none"}', []),
        ("{'7': 'none', '8': 9}", ["9"]),
        ("{7: 'none', 8: 9}", ["9"]),
    ],
    "signs": [
        ("-$5, $-5, \u22125", ["-5"]),
        ("-$5 or so, $-5", ["-5", "-5"]),
        ("–3", ["-3"]),
        ("\u20103", ["-3"]),
        ("\u20113", ["-3"]),
        ("－3", ["-3"]),
        ("\ufe633", ["-3"]),
        ("答案是-42。", ["-42"]),
        ("答えは−42です", ["-42"]),
        ("_-42_", ["-42"]),
        ("**-42**", ["-42"]),
        ("minus 42", ["-42"]),
        ("negative $5", ["-5"]),
        ("负42", ["-42"]),
        ("マイナス42", ["-42"]),
        ("Saldo: - 42 €", ["-42"]),
        ("- 42", ["42 -42"]),
        ("They are:\n- 42", ["42 -42"]),
        ("5\n-3", ["5", "-3"]),
        ("Answer - 42", ["42 -42"]),
        ("—5", ["5 -5"]),
        ("is–5", ["5 -5"]),
        ("±5", ["5 -5"]),
        ("--5", ["?"]),
        ("5-", ["5 -5"]),
        ("(-5)", ["-5"]),
        ("Net result: (1,200)", ["-1200"]),
        ("($500)", ["-500"]),
        ("Total: (€1.50)", ["-1.5"]),
        ("$(500)", ["-500"]),
        ("(500)", ["500 -500"]),
        ("18 eggs (3 are broken)", ["18", "3"]),
        ("18 dollars ($18)", ["18", "18 -18"]),
        ("eighteen (18)", ["18 -18"]),
        ("△500", ["-500"]),
        ("ー42", ["42 -42"]),
        ("スーパー5", ["5"]),
        ("- -5", ["5 -5"]),
        ("7-day", ["7"]),
    ],
    "currencies and emphasis": [
        ("$70,000", ["70000"]),
        ("-US$42", ["-42"]),
        ("-USD 42", ["-42"]),
        ("-₩42", ["-42"]),
        ("$ -5", ["-5"]),
        ("€ 1,200.50 per month", ["1200.50"]),
        ("42 €", ["42"]),
        ("5EUR", ["5"]),
        ("Rs.500", ["500"]),
        ("CHF 1'000", ["1000"]),
        ("**5**", ["5"]),
        ("_5_", ["5"]),
        ("*5*", ["5"]),
        ("* 5", ["5"]),
        ("**Answer:** 5", ["5"]),
        ("是**5**。", ["5"]),
        ("42입니다", ["42"]),
        ("第5章", ["5"]),
    ],
    "fractions": [
        ("1/2", ["0.5"]),
        ("3 / 4", ["0.75"]),
        ("½", ["0.5"]),
        ("-½", ["-0.5"]),
        ("1 1/2", ["1.5"]),
        ("1½", ["1.5"]),
        ("-1 1/2", ["-1.5"]),
        ("2 and 1/2", ["2.5"]),
        ("5 1⁄2", ["5.5"]),
        ("\\frac{1}{2}", ["0.5"]),
        ("$\\dfrac12$", ["0.5"]),
        ("1\\frac{1}{2}", ["1.5"]),
        ("-\\frac{1}{2}", ["-0.5"]),
        ("\\frac{-1}{2}", ["-0.5"]),
        ("\\frac{x}{2}", ["?"]),
        ("1/0", ["?"]),
    ],
    "factors": [
        ("2 million", ["2000000"]),
        ("2 hundred thousand", ["200000"]),
        ("$1.5 billion", ["1500000000"]),
        ("3k", ["3000"]),
        ("US$100k", ["100000"]),
        ("1.5M", ["1500000"]),
        ("2 dozen", ["24"]),
        ("3 lakh", ["300000"]),
        ("5 hundredths", ["0.05"]),
        ("3 quarters", ["3 0.75"]),
        ("2,5 Mio. Euro", ["2500000"]),
        ("5 млн", ["5000000"]),
        ("3万円", ["30000"]),
        ("1万2千", ["?"]),
        ("3千克", ["3"]),
        ("$5m", ["5000000"]),
        ("5m", ["5 5000000"]),
        ("300 K", ["300 300000"]),
    ],
    "powers": [
        ("6.02e23 1E-3", ["6.02E+23 0.001"]),
        ("6.022 × 10²³", ["6.022E+23"]),
        ("1.234e5", ["123400"]),
        ("1.5e−3", ["0.0015"]),
        ("3×10^5", ["300000"]),
        ("3 x 10^5", ["300000"]),
        ("3 * 10**5", ["300000"]),
        ("3·10⁵", ["300000"]),
        ("3.5×10⁻³", ["0.0035"]),
        ("3 \\times 10^{-5}", ["0.00003"]),
        ("10^5", ["100000"]),
        ("2^10", ["1024"]),
        ("-10^2", ["-100"]),
        ("25²", ["25 625"]),
        ("0x1F", ["31"]),
        ("0b101", ["5"]),
    ],
    "units": [
        ("50%", ["50"]),
        ("50 %", ["50"]),
        ("5 m2", ["5"]),
        ("5m^2", ["5"]),
        ("5m²", ["5"]),
        ("5km", ["5"]),
        ("-5°C", ["-5"]),
        ("60 km/h", ["60"]),
        ("3rd", ["3"]),
    ],
    "LaTeX": [
        ("The answer is $9{,}500$.", ["9500"]),
        ("\\boxed{\\$9{,}500}", ["9500"]),
        ("\\boxed{10\\,000}", ["10000"]),
        ("\\(5\\)", ["5"]),
        ("$-5$", ["-5"]),
        ("5\\%", ["5"]),
        ("\\text{5 cm}", ["5"]),
    ],
}


@pytest.mark.parametrize(("text", "numbers"), [row for rows in READ.values() for row in rows])
def test_read_numbers(text: str, numbers: list[str]) -> None:
    expected = [set() if one == "?" else {Fraction(Decimal(value)) for value in one.split()} for one in numbers]
    found = list(read_numbers(text))
    assert list(read_numbers(text, backwards=True)) == found[::-1]
    assert [set(one.values) for one in found] == expected
    assert all(one.problem for one in found if len(one.values) != 1)


@pytest.mark.parametrize(
    ("locale", "text", "value"),
    [
        ("en", "1.234", "1.234"),
        ("en", "1,234", "1234"),
        ("en", "3,14", "?"),
        ("de", "1.234", "1234"),
        ("de", "1,234", "1.234"),
        ("de-AT", "3,14", "3.14"),
        ("de-CH", "1'234.567", "1234.567"),
        ("de_ch", "1.234", "1.234"),
        ("fr", "12 345", "12345"),
        ("fr", "1\u202f234,567", "1234.567"),
        ("en-IN", "1,00,000.125", "100000.125"),
        ("de", "2 Billionen", "2000000000000"),
        ("de", "2 billion", "2000000000 2000000000000"),
    ],
)
def test_a_locale_decides_what_is_ambiguous(locale: str, text: str, value: str) -> None:
    [found] = read_numbers(text, locale)
    assert set(found.values) == (set() if value == "?" else {Fraction(Decimal(one)) for one in value.split()})


DRESSES = st.sampled_from(
    ["{}", "It is {}.", "= {} apples", "${}", "**{}**", "{}%", "A: {}\nDone", "答案是{}。", "_{}_"]
)


@given(st.decimals(min_value=-(10**15), max_value=10**15, places=3), DRESSES)
def test_numbers_with_thousands_commas_are_read_back(number: Decimal, dress: str) -> None:
    [found] = read_numbers(dress.format(f"{number:,}"), "en")
    assert found.values == (Fraction(number),)


@given(st.integers(), DRESSES, st.sampled_from([",", ".", "\u00a0", "\u202f", "\u2009", "'", "’", "_", "{,}", "\\,"]))
def test_every_integer_is_read_exactly_with_every_separator(number: int, dress: str, separator: str) -> None:
    written = f"{number:,}".replace(",", separator)
    [found] = read_numbers(dress.replace("{}", "§").replace("§", written), "de" if separator == "." else None)
    assert found.values == (Fraction(number),)


@given(st.text("0123456789.,-–+*/^$€%()_ ex\\{}½²千k", max_size=30), st.sampled_from([None, "en", "de", "fr"]))
def test_any_text_can_be_read(text: str, locale: str | None) -> None:
    for number in read_numbers(text, locale):
        assert number.written
        assert all(format_number(value) for value in number.values)


@pytest.mark.parametrize(
    "text",
    [
        *("1,", "1,111", "-", "$ ", "1e", ".1", ",111", "1", "--$", "1 ", "1/", "1/2 ", "_", "a_", "*", "*a", "½"),
        *("1^", "(", '"', "{", "\\frac{", "千", "1千", "٤", "minus ", "1 and ", "1 111 ", "1, ", "[1, "),
    ],
)
def test_reading_takes_calls_in_proportion_to_the_length(text: str) -> None:
    short, long = (_calls_of_reading(text * (size // len(text))) for size in (1_000, 4_000))
    assert long < 6 * short  # 16 times if they grew with the square


def _calls_of_reading(text: str) -> int:
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        list(read_numbers(text))
    finally:
        sys.setprofile(None)
    return calls
