"""Placeholders: equal data get equal ones within a row, ids stay apart, nothing is replaced twice."""

import re

from evalkit.text.redaction import Redactor


def test_numbers_follow_first_sight_over_all_texts_of_a_row() -> None:
    masks = Redactor(["email", "phone"]).masks()
    assert masks.text("bob@example.org wrote to jane@example.org") == "[EMAIL 1] wrote to [EMAIL 2]"
    assert masks.text("Ask jane@example.org or +49 171 5550142") == "Ask [EMAIL 2] or [PHONE 1]"
    assert masks.counts == {"email": 3, "phone": 1}


def test_names_have_no_numbers_and_ids_have_hashes() -> None:
    masks = Redactor(["email"]).masks()
    assert masks.name("/users/jane@example.org/orders") == "/users/[EMAIL]/orders"
    one, other = masks.id("req:jane@example.org"), masks.id("req:bob@example.org")
    assert re.fullmatch(r"req:email-[0-9a-f]{16}", one)
    assert one != other
    assert masks.id("u-1842") == "u-1842"


def test_hashes_in_ids_depend_on_the_key() -> None:
    ids = {Redactor(["email"], key=key).masks().id("jane@example.org") for key in (b"", b"a", b"b")}
    assert len(ids) == 3


def test_own_patterns_match_the_text_as_it_is_and_come_first() -> None:
    masks = Redactor(
        ["phone"], {"staff-no": re.compile(r"P-\d+"), "digits": re.compile(r"\d+")}
    ).masks()
    assert masks.text("P-1234, 77 and P-1234") == "[STAFF_NO 1], [DIGITS 1] and [STAFF_NO 1]"
    assert masks.counts == {"staff-no": 2, "digits": 1}


def test_what_was_replaced_is_not_replaced_again() -> None:
    redactor = Redactor(
        ["email", "phone", "card", "iban", "key", "ip"], {"digits": re.compile(r"\d")}
    )
    first = Redactor(["email"]).masks().text("Ask jane@example.org or bob@example.org")
    assert redactor.masks().text(first) == first
