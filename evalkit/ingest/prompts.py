"""Takes a chat apart: system prompt, history, question, and which text is only template."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from evalkit.text.personal import without

__all__ = ["Conversation", "conversation_of", "fingerprint", "text_of_content", "without_documents"]

_SYSTEM_ROLES = frozenset({"system", "developer"})
_SPACE = re.compile(r"\s+")
_ID_REACH = 200
#: Shorter chunks are found anywhere by chance.
_SHORTEST_CHUNK = 8


@dataclass(frozen=True)
class Conversation:
    """The messages of one call, taken apart. `lead` is what the last user message holds before the
    question; None where the question could not be told apart from it."""

    system: str | None
    history: list[dict[str, str | None]]
    query: str | None
    lead: str | None


def conversation_of(messages: Iterable[Any], question_pattern: str) -> Conversation:
    """Take a chat apart.

    The question is what follows the last match of `question_pattern` in the last user message;
    without a match it is the whole message.
    """
    turns = [
        (str(message.get("role", "user")), text_of_content(message.get("content")))
        for message in messages
        if isinstance(message, dict)
    ]
    system = "\n\n".join(text for role, text in turns if role in _SYSTEM_ROLES and text)
    last = max((i for i, (role, _) in enumerate(turns) if role == "user"), default=None)
    history: list[dict[str, str | None]] = [
        {"role": role, "content": text} for role, text in turns[:last] if role not in _SYSTEM_ROLES
    ]
    asked = turns[last][1] if last is not None else None
    query, lead = _question(asked, question_pattern)
    return Conversation(system or None, history, query, lead)


def text_of_content(content: object) -> str | None:
    """The text of a message: a string, or the text parts of a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    texts = [
        part if isinstance(part, str) else part.get("text")
        for part in content
        if isinstance(part, str | dict)
    ]
    found = [text for text in texts if isinstance(text, str)]
    return "\n".join(found) if found else None


def _question(asked: str | None, pattern: str) -> tuple[str | None, str | None]:
    if asked is None:
        return None, None
    end = None
    if pattern:
        for match in re.finditer(pattern, asked):
            end = match.end()
    if end is None:
        return asked, None
    return asked[end:].strip(), asked[:end]


def without_documents(text: str, documents: Sequence[tuple[str | None, str | None]]) -> str | None:
    """`text` without the stretch from the first to the last document in it, labels with their ids
    included.

    Args:
        text: a prompt.
        documents: (id, text) of each retrieved chunk.

    Returns:
        The rest; None when no document's text stands in it.
    """
    first: int | None = None
    last = 0
    for id_, chunk in documents:
        chunk = (chunk or "").strip()
        at = text.find(chunk) if len(chunk) >= _SHORTEST_CHUNK else -1
        if at < 0:
            continue
        end = text.rfind(chunk) + len(chunk)  # the same chunk may have been retrieved twice
        if id_ and len(id_) > 2:  # "[kb-7] text": the label varies with the document
            label = text.rfind(id_, max(0, at - _ID_REACH), at)
            at = label if label >= 0 else at
        line = max(text.rfind("\n", 0, at) + 1, at - _ID_REACH)
        if not any(letter.isalpha() for letter in text[line:at]):  # "[1] ", "- ", "2. "
            at = line
        first = at if first is None else min(first, at)
        last = max(last, end)
    return None if first is None else text[:first] + text[last:]


def fingerprint(
    conversation: Conversation, documents: Sequence[tuple[str | None, str | None]] | None
) -> str | None:
    """Hash of the template that was really sent: everything that is neither question nor retrieved
    text.

    The user message counts only as far as it is certain to be template: where the question was told
    apart, and the documents were found in it or none were retrieved (`[]`; None means that they are
    unknown). White space does not count, so that "no document" and "three documents" leave the same
    text; nor do e-mail addresses, phone numbers and the like.

    Returns:
        16 hex digits; None when there is no template text at all.
    """
    system = conversation.system
    known = documents or []
    parts = []
    if system:
        parts.append(_plain(without_documents(system, known) or system))
    if conversation.lead is not None and documents is not None:
        lead = without_documents(conversation.lead, known) if known else conversation.lead
        if lead is not None:
            parts.append(_plain(lead))
        elif system and without_documents(system, known) is not None:
            parts.append(_plain(conversation.lead))
    text = "\x00".join(parts)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16] if text else None


@lru_cache(maxsize=256)
def _plain(text: str) -> str:
    # Without personal data, whatever is taken out of texts: a hash of a known text with one unknown
    # phone number in it tells the number, and a prompt that names its user is still one prompt.
    return _SPACE.sub(" ", without(text)).strip()
