"""Credentials in a text: keys and tokens by the shapes that their makers gave them, and whatever a
text itself calls a password, a secret or a key. Other personal data: `personal.py`."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from evalkit.text.necessary import Hint, necessary
from evalkit.text.packed import LONG_RUN, has_long_run

__all__ = ["HINTS", "credentials"]

#: Makers' shapes: (what each begins with or holds, the whole). None is looked for in a text without
#: its beginning.
_SHAPES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("sk-", "pk-lf-"),
        r"(?:sk|pk-lf)-[A-Za-z0-9_-]{16,512}",
    ),  # OpenAI, Anthropic, OpenRouter, Langfuse
    (("AKIA", "ASIA", "ABIA", "ACCA"), r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),  # AWS
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{20,255}"),  # GitHub
    (("github_pat_",), r"github_pat_[A-Za-z0-9_]{20,255}"),
    (("glpat-", "gldt-", "glrt-"), r"gl(?:pat|dt|rt)-[A-Za-z0-9_-]{16,128}"),  # GitLab
    (("xox", "xapp-"), r"(?:xox[a-z]|xapp)-[A-Za-z0-9-]{10,255}"),  # Slack
    (("hooks.slack.com/",), r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9_/-]{10,255}"),
    (("_live_", "_test_"), r"[srp]k_(?:live|test)_[A-Za-z0-9]{10,255}"),  # Stripe
    (("whsec_",), r"whsec_[A-Za-z0-9+/=]{16,128}"),
    (("AIza",), r"AIza[A-Za-z0-9_-]{30,60}"),  # Google
    (("ya29.",), r"ya29\.[A-Za-z0-9_.-]{20,512}"),
    (("GOCSPX-",), r"GOCSPX-[A-Za-z0-9_-]{20,60}"),
    (("hf_",), r"hf_[A-Za-z0-9]{20,128}"),  # Hugging Face
    (
        ("eyJ",),
        r"eyJ[A-Za-z0-9_-]{6,8192}\.[A-Za-z0-9_-]{4,8192}+(?:\.[A-Za-z0-9_-]{0,2048}+)*",
    ),  # JWT
    (("SG.",), r"SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,128}"),  # SendGrid
    (("npm_",), r"npm_[A-Za-z0-9]{30,64}"),
    (("pypi-",), r"pypi-[A-Za-z0-9_-]{40,512}"),
    (("gsk_", "xai-", "pplx-", "tvly-"), r"(?:gsk_|xai-|pplx-|tvly-)[A-Za-z0-9_-]{20,128}"),
    (("r8_",), r"r8_[A-Za-z0-9]{30,64}"),  # Replicate
    (("lsv2_",), r"lsv2_(?:pt|sk)_[A-Za-z0-9_]{20,128}"),  # LangSmith
    (("dapi",), r"dapi[0-9a-f]{32}(?:-[0-9])?"),  # Databricks
    (("dop_v1_",), r"dop_v1_[0-9a-f]{40,80}"),  # DigitalOcean
    (("shpat_", "shpss_", "shpca_"), r"shp(?:at|ss|ca)_[0-9a-fA-F]{24,64}"),  # Shopify
    (("hvs.",), r"hvs\.[A-Za-z0-9_-]{20,256}"),  # Vault
    (("key-",), r"key-[0-9a-f]{32}"),  # Mailgun
    (("SK",), r"SK[0-9a-f]{32}"),  # Twilio
    (("lin_api_", "ntn_", "sbp_"), r"(?:lin_api|ntn|sbp)_[A-Za-z0-9]{30,80}"),
    (("AGE-SECRET-KEY-",), r"AGE-SECRET-KEY-1[A-Z0-9]{40,80}"),
    ((":AA",), r"[0-9]{8,10}:AA[A-Za-z0-9_-]{32,36}"),  # Telegram
)
_COMPILED = tuple(
    (marks, re.compile(rf"(?<![A-Za-z0-9]){shape}", re.ASCII)) for marks, shape in _SHAPES
)
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
#: The lines of a key whose end a log has cut off.
_PEM_LINES = re.compile(r"(?:\s{0,8}+[A-Za-z0-9+/=:,-]{12,}+)*+")
_HEADER = re.compile(
    r"(?<![A-Za-z])(?:bearer|basic|apikey)[ \t]{1,4}([A-Za-z0-9._~+/=-]{8,8192}+)", re.IGNORECASE
)
_AUTHORIZATION = re.compile(
    r"authorization[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?:[A-Za-z-]{2,20}[ \t]{1,4})?"
    r"([A-Za-z0-9._~+/=:-]{6,8192}+)",
    re.IGNORECASE,
)
_LOGIN = re.compile(r"://([^\s/@:\"'<>]{0,200}+):([^\s/@\"'<>]{1,200}+)@")
_LOGIN_TOKEN = re.compile(r"://([^\s/@:\"'<>]{16,200}+)@")
#: What a text calls a secret, looked for right before the sign that gives its value. The first group
#: are passwords, of which any value is one.
_CALLED_PASSWORD = (
    r"passw(?:or)?d|passwd|passwort|passphrase|passcode|(?<![A-Za-z])pass|pwd|kennwort|contraseña|"
    r"mot de passe"
)
_CALLED_SECRET = (
    r"secret|api[ _-]?key|apikey|access[ _-]?key|account[_-]?key|private[_-]?key|"
    r"(?:signing|encryption|master|license|session|auth|service|bot)[_-]?key|credentials?|"
    r"(?<![A-Za-z])sig(?:nature)?|(?<![A-Za-z])key|token"
)
_CALLED_MORE = r"(?:[_ -]?(?:access[_-]?key|key|token|value|string))?"
_CALLED_TO_SIGN = r"[\"'`]{0,2}[ \t]{0,4}"
_NAME = re.compile(
    rf"(?:(?P<password>{_CALLED_PASSWORD})|{_CALLED_SECRET}){_CALLED_MORE}{_CALLED_TO_SIGN}\Z",
    re.IGNORECASE,
)
_NAME_REACH = 48
_SIGN = r"[=:]=?>?|(?<=[ \t])(?:is|ist|es|est|lautet)(?=[ \t])"
_GIVES = re.compile(rf"(?P<sign>{_SIGN})[ \t]{{0,4}}(?P<open>[\"'`]?)")
_BARE = re.compile(r"[^\s\"'`,;&<>{}()\[\]\\]{3,1024}")
_QUOTED = {mark: re.compile(rf"[^{mark}\n]{{1,1024}}(?={mark})") for mark in "\"'`"}
_NO_VALUE = re.compile(
    r"(?:none|null|nil|true|false|undefined|required|optional|empty|string|str|bytes|"
    r"[*x•.…#-]+|\$.*|<.*|%.*|\[.*|(?:your|my|the)[-_ ].*|[a-z_]+(?:\.[a-z_]+)+)",
    re.IGNORECASE,
)
_LONGEST_BLOCK = 20_000
_LEAST_PASSWORD = 4
_LEAST_SECRET = 8
_LEAST_BARE_WORD = 20
_LEAST_ENTROPY = 2.5
_WORDS = (
    "pass",
    "pwd",
    "kennwort",
    "contraseña",
    "secret",
    "key",
    "token",
    "credential",
    "sig",
    "authorization",
)
_SAID = ("passw", "passphrase", "passcode", "kennwort", "contraseña", "mot de passe")
_SCHEMES = ("bearer", "basic", "apikey")
# ── a first look
# ───────────────────────────────────────────────────────────────────────────────────────

#: What every name of `_CALLED_PASSWORD` and of `_CALLED_SECRET` ends with.
_NAMES_END = (
    r"(?i:pass(?:w?or[dt]|wd|wort|phrase|code|e)?|pwd|kennwort|contraseña|"
    r"secret|key|credentials?|sig|signature|token)"
)
#: In every text that holds a credential there is one of these.
HINTS = (
    Hint(LONG_RUN, "|".join(f"(?:^|[^A-Za-z0-9]){necessary(shape)}" for _, shape in _SHAPES)),
    *(Hint(necessary(one)) for one in (_PEM, _LOGIN, _LOGIN_TOKEN, _HEADER, _AUTHORIZATION)),
    Hint(rf"{_NAMES_END}(?i:[ _-]?(?:value|string))?{_CALLED_TO_SIGN}(?:{necessary(_SIGN)})"),
)


def credentials(text: str) -> Iterator[tuple[int, int]]:
    """Where credentials stand in a text; spans may overlap.

    Args:
        text: any text, without disguises (`disguises.plain`). The time is linear in its length.
    Yields:
        (start, end) of what is secret: the value of `password=...`, not the name before it.

    >>> text = "DB_PASSWORD=hunter2x, see the docs"
    >>> [text[start:end] for start, end in credentials(text)]
    ['hunter2x']
    """
    if has_long_run(text):  # no maker's key is shorter
        for marks, shape in _COMPILED:
            if any(mark in text for mark in marks):
                for match in shape.finditer(text):
                    if _is_varied(match[0]):
                        yield match.span()
    if "PRIVATE KEY" in text:
        yield from _blocks(text)
    if "://" in text and "@" in text:
        for match in _LOGIN.finditer(text):
            yield match.start(1 if match[1] else 2), match.end(2)
        for match in _LOGIN_TOKEN.finditer(text):
            if _is_secret(match[1]):
                yield match.span(1)
    lowered = text.lower()
    if any(scheme in lowered for scheme in _SCHEMES):
        for match in _HEADER.finditer(text):
            value = match[1]
            if any(c.isdigit() for c in value) and any(c.isalpha() for c in value):
                yield match.span(1)
    if any(word in lowered for word in (_WORDS if "=" in text or ":" in text else _SAID)):
        if "authorization" in lowered:
            for match in _AUTHORIZATION.finditer(text):
                if any(c.isdigit() for c in match[1]):
                    yield match.span(1)
        yield from _named(text)


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    ended = _PEM_END.search(text)
    while (begun := _PEM.search(text, at)) is not None:
        while ended is not None and ended.start() < begun.end():
            ended = _PEM_END.search(text, ended.end())
        lines = _PEM_LINES.match(text, begun.end())
        at = lines.end() if lines is not None else begun.end()
        if ended is not None and ended.start() - begun.end() <= _LONGEST_BLOCK:
            at = max(at, ended.end())
        yield begun.start(), at


def _named(text: str) -> Iterator[tuple[int, int]]:
    last = 0
    for gives in _GIVES.finditer(text):
        if gives.start() < last:
            continue
        name = _NAME.search(text, max(0, gives.start() - _NAME_REACH), gives.start())
        if name is None:
            continue
        quote = gives["open"]
        value = (_QUOTED[quote] if quote else _BARE).match(text, gives.end())
        if value is None:
            continue
        found = value[0] if quote else value[0].rstrip(".:")
        if not found or _NO_VALUE.fullmatch(found) or text[value.end() : value.end() + 1] == "(":
            continue
        password = name["password"] is not None
        if _is_given(found, gives["sign"], password=password, quoted=bool(quote)):
            last = value.start() + len(found)
            yield value.start(), last


def _is_given(value: str, sign: str, *, password: bool, quoted: bool) -> bool:
    if password and (quoted or "=" in sign):
        return len(value) >= _LEAST_PASSWORD or (quoted and len(value) > 1)
    if password:  # "Password: must be changed" is a sentence, "password: hunter2x" is none
        return len(value) >= _LEAST_PASSWORD and any(not c.isalpha() for c in value[:-1])
    return _is_secret(value)


def _is_secret(value: str) -> bool:
    """Whether something that a text calls a key or a token looks like one, and not like a word."""
    if len(value) < _LEAST_SECRET or any(c.isspace() for c in value):
        return False
    mixed = any(c.isdigit() for c in value) and any(c.isalpha() for c in value)
    return (mixed or len(value) >= _LEAST_BARE_WORD) and _entropy(value) >= _LEAST_ENTROPY


def _is_varied(value: str) -> bool:
    """`sk-xxxxxxxxxxxxxxxxxxxx` is a placeholder, and `sk-to-be-replaced-by-yours` is prose."""
    return len(set(value)) >= 8 and (
        any(c.isdigit() for c in value[3:]) or any(c.isupper() for c in value[3:])
    )


def _entropy(value: str) -> float:
    """Bits per character, by the value's own frequencies."""
    n = len(value)
    return -sum(k / n * math.log2(k / n) for k in Counter(value).values())
