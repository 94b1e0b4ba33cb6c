"""The fingerprint of a prompt: the same for all its calls, another one when its text changes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from evalkit.config import SourceSettings
from evalkit.ingest.prompts import conversation_of, fingerprint, without_documents

PATTERN = SourceSettings.model_fields["question_pattern"].default
WORDS = st.text("abcdefghij ", min_size=12, max_size=60).map(str.strip).filter(lambda t: len(t) > 8)


def of(system: str, user: str, documents: list[tuple[str | None, str | None]] | None) -> Any:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    return fingerprint(conversation_of(messages, PATTERN), documents)


def numbered(texts: list[str], question: str) -> str:
    passages = "\n".join(f"[{n}] {text}" for n, text in enumerate(texts, 1))
    return f"Use these.\nContext:\n{passages}\n\nQuestion: {question}"


@given(st.lists(WORDS, max_size=5), WORDS)
def test_neither_documents_nor_question_count(texts: list[str], question: str) -> None:
    documents: list[tuple[str | None, str | None]] = [(None, text) for text in texts]
    expected = of(
        "Be brief.", numbered(["The only passage."], "Why?"), [(None, "The only passage.")]
    )
    assert of("Be brief.", numbered(texts, question), documents) == expected


def test_ids_in_front_of_the_passages_do_not_count() -> None:
    def labelled(ids: list[str]) -> Any:
        documents: list[tuple[str | None, str | None]] = [
            (id_, f"Passage of {id_}.") for id_ in ids
        ]
        text = "\n".join(f"[{id_}] {passage}" for id_, passage in documents)
        return of("Be brief.", f"Context:\n{text}\nQuestion: why?", documents)

    assert labelled(["kb-1"]) == labelled(["kb-22", "kb-7"])


def test_every_other_word_counts() -> None:
    base = of("Be brief.", numbered([], "Why?"), [])
    assert of("Be very brief.", numbered([], "Why?"), []) != base
    assert of("Be brief.", numbered([], "Why?").replace("these", "those"), []) != base


def test_documents_in_the_system_prompt_do_not_count() -> None:
    def of_system(text: str) -> Any:
        return of(f"Answer from:\n{text}\nBe brief.", "Question: why?", [("1", text)])

    assert of_system("The first passage.") == of_system("Another passage.")


def test_a_user_message_that_may_hold_unknown_text_does_not_count() -> None:
    alone = fingerprint(conversation_of([{"role": "system", "content": "S"}], ""), None)
    assert of("S", "Context: unknown\nQuestion: why?", None) == alone
    assert of("S", "Context: unknown\nQuestion: why?", [("1", "A passage elsewhere.")]) == alone
    assert of("S", "no marker at all", []) == alone


def test_no_template_has_no_fingerprint() -> None:
    assert fingerprint(conversation_of([{"role": "user", "content": "hello"}], ""), []) is None
    assert fingerprint(conversation_of([], ""), None) is None


def test_without_documents_says_when_it_finds_none() -> None:
    assert without_documents("A prompt.", [("1", "A passage.")]) is None
    assert without_documents("Read: A passage. End.", [("1", "A passage.")]) == "Read:  End."
