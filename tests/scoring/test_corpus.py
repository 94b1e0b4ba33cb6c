"""The corpus of chunks that were retrieved lately: what is in it, and what is found in it."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.encoders import Embedder
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS
from evalkit.scoring.corpus import DAYS, LONGEST, Corpus, read_chunks
from evalkit.scoring.ranking import Question
from tests.scoring.retrieval_story import questions
from tests.scoring.rows import table

DAY = date(2026, 11, 2)


def store(lake: Lake, day: date, *texts: str | None) -> None:
    chunks = [{"id": str(k), "text": text} for k, text in enumerate(texts)]
    rows = table({"day": day, "contexts": chunks}, {"day": day, "contexts": None})
    lake.replace(INTERACTIONS, day, rows)


def test_distinct_chunks_of_the_last_days_newest_first(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    store(lake, DAY, "today", "both", None, " ", "x" * (LONGEST + 1))
    store(lake, DAY - timedelta(days=1), "yesterday", "both")
    store(lake, DAY - timedelta(days=DAYS - 1), "at the edge")
    store(lake, DAY - timedelta(days=DAYS), "too old")
    store(lake, DAY + timedelta(days=1), "tomorrow")
    assert read_chunks(lake, DAY) == ["both", "today", "yesterday", "at the edge"]


def test_blank_overlong_and_repeated_texts_are_left_out(embedder: Embedder) -> None:
    assert len(Corpus(["a b", "a b", " ", "y" * (LONGEST + 1), "c d"], embedder)) == 2
    nothing = Corpus([], embedder)
    asked = embedder.embed(["where"])[0]
    assert len(nothing) == 0
    assert nothing.search(Question.of("where"), asked) == []


def test_the_passage_that_answers_is_among_those_found(embedder: Embedder) -> None:
    rows = questions()
    corpus = Corpus([row["text"] for row in rows], embedder)
    for row in rows[::6]:
        asked = embedder.embed([row["query"]])[0]
        question = Question.of(row["query"])
        found = [passage.text for passage in corpus.search(question, asked)]
        assert row["text"] in found
        assert len(found) == len(set(found)) <= 40
        without = corpus.search(question, asked, [row["text"]])
        assert row["text"] not in [passage.text for passage in without]


def test_a_word_that_only_one_chunk_holds_finds_it(embedder: Embedder) -> None:
    texts = [f"Shelf {n} holds garden tools." for n in range(60)] + ["Error E-7731: see manual."]
    corpus = Corpus(texts, embedder)
    asked = embedder.embed(["error 7731"])[0]
    found = corpus.search(Question.of("error 7731"), asked)
    assert texts[-1] in [passage.text for passage in found]


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=8), st.text(max_size=30))
def test_any_text_can_be_kept_and_asked(texts: list[str], query: str) -> None:
    corpus = Corpus(texts, _Flat())
    found = corpus.search(Question.of(query), _Flat().embed([query])[0])
    assert {passage.text for passage in found} <= set(texts)
    for passage in found:
        assert len(passage.pieces) == len(passage.spans)


class _Flat:
    """An embedder of its own length, so that any text is cheap."""

    dim = 3

    def embed(self, texts: object) -> object:
        import numpy as np

        rows = [[1.0, len(text) % 7, len(set(text)) % 5] for text in texts]  # type: ignore[attr-defined]
        made = np.array(rows, dtype=np.float32).reshape(-1, 3)
        return made / np.linalg.norm(made, axis=1, keepdims=True)
