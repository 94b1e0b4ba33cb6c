"""Five hundred made-up secrets and personal data, by rule and seed: reserved domains, addresses and
number ranges where there are any, valid check digits elsewhere. Nobody's."""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from evalkit.text.numbers_of_people import luhn

__all__ = ["Planted", "planted"]

_WORDS = [
    *("anna", "ben", "carla", "dario", "elif", "farid", "greta", "hugo"),
    *("ines", "jonas", "kim", "lena", "milo", "nora", "omar", "pia"),
]
_DOMAINS = ["example.com", "example.org", "example.net", "mail.example.co.uk", "firma.example"]
_COUNT = 500


@dataclass(frozen=True)
class Planted:
    """One datum: its class, how it is written, and its bare form: what must not be found anywhere."""

    kind: str
    written: str
    bare: str


def planted(seed: int = 20261122, count: int = _COUNT) -> list[Planted]:
    """`count` data, all different, the six classes in turn, every third in some disguise."""
    rng = random.Random(seed)
    kinds = list(_MAKERS)
    found: dict[str, Planted] = {}
    while len(found) < count:
        kind = kinds[len(found) % len(kinds)]
        written, bare = _MAKERS[kind](rng)
        if len(found) % 3 == 2:
            written = rng.choice(_DISGUISES[kind])(written)
        found.setdefault(bare, Planted(kind, written, bare))
    return list(found.values())


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(count))


def _letters(rng: random.Random, count: int) -> str:
    alphabet = string.ascii_letters + string.digits
    return "aB3" + "".join(rng.choice(alphabet) for _ in range(count - 3))


def _email(rng: random.Random) -> tuple[str, str]:
    name = rng.choice(_WORDS) + rng.choice(".-_+") + rng.choice(_WORDS) + _digits(rng, 4)
    address = f"{name}@{rng.choice(_DOMAINS)}"
    return address, address


def _phone(rng: random.Random) -> tuple[str, str]:
    n = _digits(rng, 9)
    shape = rng.randrange(6)
    if shape == 0:
        written = f"+49 171 {n[:3]} {n[3:7]}"
    elif shape == 1:
        written = f"+1 (4{n[:2]}) 555-{n[2:6]}"
    elif shape == 2:
        written = f"020 7{n[:3]} {n[3:7]}"
    elif shape == 3:
        written = f"06 {n[0:2]} {n[2:4]} {n[4:6]} {n[6:8]}"
    elif shape == 4:
        written = f"(3{n[:2]}) 555-{n[2:6]}"
    else:
        written = f"+33{1 + int(n[0]) % 9}{n[:8]}"
    return written, "".join(c for c in written if c.isdigit())


def _card(rng: random.Random) -> tuple[str, str]:
    prefix, length = rng.choice(
        [("4", 16), ("52", 16), ("37", 15), ("6011", 16), ("3530", 16), ("36", 14)]
    )
    body = prefix + _digits(rng, length - len(prefix) - 1)
    number = next(body + check for check in string.digits if luhn(body + check))
    if length != 16:
        return number, number
    groups = [number[i : i + 4] for i in range(0, 16, 4)]
    return rng.choice(["", " ", "-"]).join(groups), number


def _iban(rng: random.Random) -> tuple[str, str]:
    country, bank = rng.choice([("DE", 18), ("AT", 16), ("NO", 11), ("PL", 24), ("FR", 23)])
    body = _digits(rng, bank)
    if country == "FR":
        body = body[:12] + "X" + body[13:]
    value = "".join(str(int(c, 36)) for c in f"{body}{country}00")
    number = f"{country}{98 - int(value) % 97:02}{body}"
    spaced = " ".join(number[i : i + 4] for i in range(0, len(number), 4))
    return rng.choice([number, spaced, number.lower()]), number


def _ip(rng: random.Random) -> tuple[str, str]:
    if rng.random() < 0.3:
        address = f"2001:db8:{rng.randrange(4096, 65536):x}:{rng.randrange(4096, 65536):x}::{rng.randrange(1, 9999):x}"
        return address, address
    first = rng.choice(
        ["203.0.113", "198.51.100", f"10.{rng.randrange(20, 255)}.{rng.randrange(20, 255)}"]
    )
    address = f"{first}.{rng.randrange(20, 255)}"
    return address, address


def _key(rng: random.Random) -> tuple[str, str]:
    def of(prefix: str, count: int) -> tuple[str, str]:
        secret = prefix + _letters(rng, count)
        return secret, secret

    shape = rng.randrange(14)
    if shape < 8:
        return of(
            ["sk-proj-", "sk-ant-api03-", "ghp_", "xoxb-", "sk_live_", "hf_", "AIza", "glpat-"][
                shape
            ],
            [40, 60, 36, 30, 24, 34, 35, 20][shape],
        )
    if shape == 8:
        secret = "AKIA" + "".join(rng.choice(string.ascii_uppercase + "234567") for _ in range(16))
        return secret, secret
    if shape == 9:
        head = base64.urlsafe_b64encode(b'{"alg":"HS256"}').decode().rstrip("=")
        secret = f"{head}.{_letters(rng, 40)}.{_letters(rng, 43)}"
        return secret, secret
    if shape == 10:
        secret = rng.choice(_WORDS).title() + _digits(rng, 5) + "!"
        return f"password={secret}", secret
    if shape == 11:
        secret = rng.choice(_WORDS) + _digits(rng, 6)
        return f"postgres://reader:{secret}@db.internal/prod", secret
    if shape == 12:
        secret = _letters(rng, 32)
        return f"Authorization: Bearer {secret}", secret
    body = "\n".join(_letters(rng, 64) for _ in range(3))
    return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----", body


def _wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in text)


def _joined(text: str) -> str:
    middle = len(text) // 2
    return f"{text[:2]}\u200b{text[2:middle]}\u2060{text[middle:]}"


def _no_break(text: str) -> str:
    return text.replace(" ", "\u00a0").replace("-", "\u2011")


def _single(text: str) -> str:
    return " ".join(c for c in text if c.isalnum())


def _escaped(text: str) -> str:
    return "".join(f"\\u{ord(c):04x}" if c in "@.+:1" else c for c in text)


def _encoded(text: str) -> str:
    return base64.b64encode(f"see {text} please".encode()).decode()


def _percent(text: str) -> str:
    return "https://app.example/?q=" + quote(text, safe="")


def _spelled(text: str) -> str:
    return text.replace("@", " [at] ").replace(".", " [dot] ")


_Disguise = Callable[[str], str]
_ANY: list[_Disguise] = [_joined, _escaped, _encoded, _percent]
_DISGUISES: dict[str, list[_Disguise]] = {
    "email": [*_ANY, _spelled, lambda text: text.upper()],
    "phone": [*_ANY, _wide, _no_break],
    "card": [*_ANY, _wide, _no_break, _single],
    "iban": [*_ANY, _wide, _no_break],
    "ip": [
        _joined,
        _escaped,
        _percent,
        lambda text: f"http://{text}/" if "." in text else f"http://[{text}]/",
    ],
    "key": [_encoded, _joined],
}
_MAKERS: dict[str, Callable[[random.Random], tuple[str, str]]] = {
    "email": _email,
    "phone": _phone,
    "card": _card,
    "iban": _iban,
    "ip": _ip,
    "key": _key,
}


def traces(datum: Planted) -> Iterator[str]:
    """What of a datum must not stand anywhere: as it was written, and bare."""
    yield datum.written
    yield datum.bare
