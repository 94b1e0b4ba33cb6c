"""Personal data are found in every shape and disguise that is promised, and nothing else is."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.text.disguises import plain
from evalkit.text.personal import CLASSES, find, without
from evalkit.text.redaction import Redactor
from tests.ingest.planted import planted

INNOCENT = (Path(__file__).parent / "data" / "innocent.txt").read_text("utf-8").splitlines()
FOUND = {
    "email": [
        ("Write to jane.doe@example.com.", "jane.doe@example.com"),
        ("mailto:jane+news@mail.example.co.uk?subject=Hi", "jane+news@mail.example.co.uk"),
        ("<jane@example.org>, cc", "jane@example.org"),
        ("?to=jane%40example.org&x=1", "jane%40example.org"),
        ('{"m":"jane\\u0040example.org"}', "jane\\u0040example.org"),
        ("jane (at) example (dot) org", "jane (at) example (dot) org"),
        ("jane at example dot org", "jane at example dot org"),
        ("jane@exam\u200bple.org", "jane@exam\u200bple.org"),
        ("ｊａｎｅ＠ｅｘａｍｐｌｅ．ｏｒｇ", "ｊａｎｅ＠ｅｘａｍｐｌｅ．ｏｒｇ"),
        ("jürgen@müller.example", "jürgen@müller.example"),
        ("jane&#64;example.org", "jane&#64;example.org"),
        ('"jane doe"@example.org', '"jane doe"@example.org'),
    ],
    "phone": [
        ("Call +49 171 5550142 now", "+49 171 5550142"),
        ("+49 (0) 171 5550142", "+49 (0) 171 5550142"),
        ("+14155550142", "+14155550142"),
        ("0049 171 5550142", "0049 171 5550142"),
        ("(415) 555-0142", "(415) 555-0142"),
        ("1-415-555-0142 x12", "1-415-555-0142 x12"),
        ("020 7946 0958", "020 7946 0958"),
        ("0171/5550142", "0171/5550142"),
        ("06 12 34 56 78", "06 12 34 56 78"),
        ("(11) 95550-0142", "(11) 95550-0142"),
        ("my phone number is 98765 43210", "98765 43210"),
        ("Tel.: 5550142", "5550142"),
        ("＋４９ １７１ ５５５０１４２", "＋４９ １７１ ５５５０１４２"),
        ("+49\u00a0171\u00a05550142", "+49\u00a0171\u00a05550142"),
        ("%2B49%20171%205550142", "%2B49%20171%205550142"),
    ],
    "card": [
        ("4111 1111 1111 1111 exp 12/29", "4111 1111 1111 1111"),
        ("4111-1111-1111-1111", "4111-1111-1111-1111"),
        ("5555555555554444", "5555555555554444"),
        ("4111 1111 1111 1111 12/29 737", "4111 1111 1111 1111"),
        ("utf-8 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
        ("3782 822463 10005", "3782 822463 10005"),
        ("6011 1111 1111 1117", "6011 1111 1111 1117"),
        ("30569309025904", "30569309025904"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
        ("card 4222222222222", "4222222222222"),
        ("4111\u20111111\u20111111\u20111111", "4111\u20111111\u20111111\u20111111"),
        ("٤١١١ ١١١١ ١١١١ ١١١١", "٤١١١ ١١١١ ١١١١ ١١١١"),
    ],
    "iban": [
        ("to DE89 3704 0044 0532 0130 00, please", "DE89 3704 0044 0532 0130 00"),
        ("GB82WEST12345698765432", "GB82WEST12345698765432"),
        ("IBAN:fr1420041010050500013m02606", "fr1420041010050500013m02606"),
        ("NO93-8601-1117-947", "NO93-8601-1117-947"),
        ("MT84 MALT 0110 0001 2345 MTLC AST0 01S", "MT84 MALT 0110 0001 2345 MTLC AST0 01S"),
    ],
    "ip": [
        ("from 203.0.113.7:443", "203.0.113.7"),
        ("http://198.51.100.20/x", "198.51.100.20"),
        ("2001:db8::8a2e:370:7334 is down", "2001:db8::8a2e:370:7334"),
        ("[2001:db8:1:2:3:4:5:6]:443", "2001:db8:1:2:3:4:5:6"),
        ("::ffff:203.0.113.7", "::ffff:203.0.113.7"),
        ("2001%3Adb8%3A%3A1", "2001%3Adb8%3A%3A1"),
    ],
    "key": [
        ("use sk-ant-api03-aB3dE5fG7hI9jK1lM3nO5pQ7 ok", "sk-ant-api03-aB3dE5fG7hI9jK1lM3nO5pQ7"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("password: hunter2x", "hunter2x"),
        ("my password is hunter2x ok", "hunter2x"),
        ('{"db_password": "sword fish"}', "sword fish"),
        ('{\\"clientSecret\\": \\"aB3dE5fG7hI9\\"}', "aB3dE5fG7hI9"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("postgres://bob:s3cret@db.internal/x", "bob:s3cret"),
        ("Authorization: Bearer aB3dE5fG7hI9jK", "aB3dE5fG7hI9jK"),
        ("authorization: Basic Ym9iOnMzY3JldA==", "Ym9iOnMzY3JldA=="),
        ("x-api-key: 0123456789abcdef", "0123456789abcdef"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEAxyz\n-----END RSA PRIVATE KEY-----",
         "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEAxyz\n-----END RSA PRIVATE KEY-----"),
        ("-----BEGIN PRIVATE KEY-----\\nMIIEpAIBAAKCAQEAxyz\\nMIIEpAIBAAKC",
         "-----BEGIN PRIVATE KEY-----\\nMIIEpAIBAAKCAQEAxyz\\nMIIEpAIBAAKC"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "text", "datum"), [(kind, *case) for kind, cases in FOUND.items() for case in cases]
)
def test_is_found_where_it_stands(kind: str, text: str, datum: str) -> None:
    assert [(d.kind, text[d.start : d.end]) for d in find(text, [kind])] == [(kind, datum)]


@pytest.mark.parametrize("text", INNOCENT)
def test_innocent_text_stays(text: str) -> None:
    assert find(text) == []


def test_there_are_two_hundred_innocent_texts() -> None:
    assert len(set(INNOCENT)) >= 200


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "Hello, it is {} thank you",
        '{"a": "{}"}',
        "({})",
        "see {}, or ask.",
        "a\n{}\nb",
        "/ask/{}/now",
        "a={}&b=1",
        "tel:{}",
        "“{}”",
        "电话{}。",
        "<b>{}</b>",
        "x;{};y",
        "{}? {}!",
    ],
)
def test_no_planted_datum_is_left(around: str) -> None:
    """Seeds that the other tests do not use: nothing was fitted to them."""
    for datum in planted(seed=7):
        text = around.replace("{}", datum.written)
        masks = Redactor(CLASSES).masks()
        left = _bare(plain(masks.text(text)).text)
        assert _bare(datum.bare) not in left, (datum, left)
        assert masks.counts[datum.kind] >= 1 or datum.kind == "key", (datum, masks.counts)


def _bare(text: str) -> str:
    return "".join(c for c in text if c.isalnum()).lower()


def test_base64_is_looked_into() -> None:
    assert without("data eyJtYWlsIjogImphbmVAZXhhbXBsZS5vcmcifQ== end") == "data [EMAIL] end"
    assert without("eyJuYW1lIjogInNvbWVib2R5IGVsc2UifQ==") == "eyJuYW1lIjogInNvbWVib2R5IGVsc2UifQ=="


def test_the_same_datum_has_one_value_however_it_is_written() -> None:
    written = "+49 171 5550142, +49-171-555-0142, ＋４９１７１５５５０１４２, (+49) 171/5550142"
    assert {d.value for d in find(written)} == {"+491715550142"}
    assert {d.value for d in find("Jane@Example.org jane%40example.org")} == {"jane@example.org"}


# ── any text
# ───────────────────────────────────────────────────────────────────────────────────────

_PIECES = (
    "@;jane@;example.org;.;-; ;+49 ;171;0;(;);/;4111 ;1111;DE89;::;:;2001;db8;203.0.113.7;password;=;"
    "is ;token;\";';sk-aB3dE5fG7hI9jK1lM3;-----BEGIN PRIVATE KEY-----;\\;\\u0040;%40;%;&#64;&;\u200b;"
    "\u00a0;１;eyJ;Bearer ;://;[at];phone "
)
_TEXTS = st.lists(
    st.one_of(st.sampled_from(_PIECES.split(";")), st.text(max_size=5)), max_size=30
).map("".join)


@given(_TEXTS)
def test_any_text_gives_ordered_disjoint_spans_and_nothing_is_found_twice(text: str) -> None:
    last = 0
    for datum in find(text):
        assert last <= datum.start < datum.end <= len(text)
        last = datum.end
    masks = Redactor(CLASSES).masks()
    once = masks.text(text)
    assert Redactor(CLASSES).masks().text(text) == once


@given(_TEXTS)
def test_plain_text_knows_where_it_came_from(text: str) -> None:
    form = plain(text)
    for place in range(len(form.text)):
        start, end = form.span(place, place + 1)
        assert 0 <= start < end <= len(text)
    if form.text:
        assert form.span(0, len(form.text))[1] <= len(text)


HOSTILE = [
    "@", "a@", "a.", "a@a.", "a-", "@a.a.", "0", "00 ", "+1", "(0", "0-", "1.", "1.1.1.1.", "::", "a:", "1:",
    "DE89", "DE89 ", "4111 ", "password=", "password is ", "token:'", "token:\"", "://a:", "://", "eyJ", "eyJa.",
    "sk-", "sk-a1B", "Bearer ", "authorization:", "-----BEGIN PRIVATE KEY-----", "-----BEGIN A PRIVATE KEY-----a\n",
    "\\", "\\\\u0040", "%40", "%2540", "&#64;", "&", "\u200b", "１", "phone ", "phone:", "tel tel ", "call me ",
    "[at]", " at a dot ", " dot ", "A", "aB3/", " ", "\t", "\n", "=",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_is_linear_on_hostile_text(piece: str) -> None:
    """Twice the text may take about twice the time; a quadratic search takes minutes here."""
    long = piece * (50_000 // len(piece))
    for end in ("", "x@", "\x00"):
        began = time.process_time()
        find(long + end)
        assert time.process_time() - began < 10
