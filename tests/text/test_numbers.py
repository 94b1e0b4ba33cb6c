"""Numbers in any writing have one value; a claim is supported by what it is a rounding of."""

import pytest

from evalkit.text.numbers import facts, supported


@pytest.mark.parametrize(
    ("text", "value", "kind", "unit"),
    [
        ("3,512,000", 3_512_000, "cardinal", None),
        ("12,34,567", 1_234_567, "cardinal", None),
        ("1.234.567", 1_234_567, "cardinal", None),
        ("-5", -5, "cardinal", None),
        ("3.5 million", 3_500_000, "cardinal", None),
        ("10k users", 10_000, "cardinal", None),
        ("5 m", 5, "cardinal", "m"),
        ("5%", 5, "percent", "%"),
        ("sixty per cent", 60, "percent", "%"),
        ("1st", 1, "ordinal", None),
        ("twenty-first", 21, "ordinal", None),
        ("twenty-one", 21, "cardinal", None),
        ("one hundred and five", 105, "cardinal", None),
        ("half a million", 500_000, "cardinal", None),
        ("two and a half million", 2_500_000, "cardinal", None),
        ("three hundred thousand two hundred and one", 300_201, "cardinal", None),
        ("a dozen eggs", 12, "cardinal", None),
        ("nineteen ninety-nine", 1999, "cardinal", None),
        ("1999", 1999, "year", None),
        ("$20", 20, "money", "USD"),
        ("€3bn", 3e9, "money", "EUR"),
        ("3 billion dollars", 3e9, "money", "USD"),
        ("5-year plan", 5, "cardinal", "year"),
        ("2026-11-22", 20261122, "date", None),
        ("Nov 22, 2026", 20261122, "date", None),
        ("22 November", 1122, "date", None),
        ("March 1990", 19900300, "date", None),
        ("25/12/2020", 20201225, "date", None),
        ("10:30 pm", 1350, "time", None),
    ],
)
def test_values(text: str, value: float, kind: str, unit: str | None) -> None:
    (number,) = facts(f"It was {text}.")
    assert (number.value, number.kind, number.unit) == (value, kind, unit)


@pytest.mark.parametrize("text", ["GPT-4o", "v3.11.2", "B2", "one of them", "9" * 50, "he may go"])
def test_no_numbers(text: str) -> None:
    assert facts(text) == []


@pytest.mark.parametrize(
    ("claim", "evidence", "holds"),
    [
        ("about 3.5 million", "3,512,000", True),
        ("3.5 million", "3,512,000", True),
        ("3.5 million", "3,612,000", False),
        ("3,512,000", "3.5 million", False),
        ("42", "43", False),
        ("42", "42.0", True),
        ("about 100", "103", True),
        ("about 100", "150", False),
        ("3.5", "3.49", True),
        ("50%", "half of users", True),
        ("50%", "50", True),
        ("50%", "40%", False),
        ("twelve", "12", True),
        ("5 km", "5 miles", False),
        ("5 kilometres", "5 km", True),
        ("2026", "2026-11-22", True),
        ("2019", "2020", False),
        ("Nov 22", "2026-11-22", True),
        ("Nov 23", "2026-11-22", False),
        ("2026-11-22", "2026", False),
        ("$20", "20 dollars", True),
        ("$20", "20 euros", False),
        ("10:30 pm", "22:30", True),
    ],
)
def test_support(claim: str, evidence: str, holds: bool) -> None:
    (number,) = facts(claim)
    assert supported(number, facts(evidence)) is holds


def test_nothing_supports_without_evidence() -> None:
    assert not supported(facts("7 days")[0], [])
