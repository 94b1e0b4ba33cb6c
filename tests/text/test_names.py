"""Names by capitals, and whether the context knows them."""

import pytest

from evalkit.text.names import names, supported
from evalkit.text.tokens import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yesterday Angela Merkel left the Bank of Rome.", ["Angela Merkel", "Bank of Rome"]),
        ("The U.S. Senate and NASA met J. Smith.", ["U.S. Senate", "NASA", "J. Smith"]),
        ("Paris is big. We like Paris.", ["Paris", "Paris"]),
        ("Nothing here is a name. It rains.", []),
        ("They flew Apollo 11 and sold the iPhone.", ["Apollo 11", "iPhone"]),
        ("HOW TO WIN EVERY GAME WITHOUT TALKING TODAY", []),
        ("I think I am right.", []),
        ("", []),
    ],
)  # fmt: skip
def test_names(text: str, expected: list[str]) -> None:
    found = names(text)
    assert [name.text for name in found] == expected
    assert [text[name.start : name.end] for name in found] == expected


def test_support_needs_every_part() -> None:
    context = set(words("Angela Merkel's speech"))
    claims = names("He met Angela Merkel and Angela Davis.")
    assert [supported(name, context) for name in claims] == [True, False]
