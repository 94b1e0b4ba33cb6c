"""Synthetic nights of any size, made from the sample traffic: new questions and answers over chunks that repeat as in
real retrieval. How long they take is measured elsewhere."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import orjson

from evalkit.starter import sample_folder
from evalkit.text import sentences

__all__ = ["CHUNKS", "Story", "corpus", "rows", "stories", "write"]

#: Chunks that a question gets.
CHUNKS = 5
#: Of rank r in the corpus, 1 / r of the popularity of the first (Zipf's law).
_ZIPF = 1.0
_SYLLABLES = [a + b for a in "bdfgklmnprst" for b in "aeo"]
_ROUTES = ("/kb", "/ask", "/orders", "/billing")
_MODELS = ("gpt-4o-mini", "gpt-4o", "claude-3-5-haiku")


@dataclass(frozen=True)
class Story:
    """A question of the sample with its answer, sentence by sentence, and the chunks it was answered from."""

    question: str
    sentences: tuple[str, ...]
    chunks: tuple[str, ...]


def stories() -> list[Story]:
    """All distinct answers of the sample, in order."""
    found: dict[str, Story] = {}
    for log in sorted((sample_folder() / "logs").glob("*.gz")):
        for line in gzip.decompress(log.read_bytes()).splitlines():
            try:
                record = orjson.loads(line)
                answer = record["response"]["choices"][0]["message"]["content"]
                asked = record["request"]["messages"][-1]["content"].rsplit("Question: ", 1)[-1]
                chunks = tuple(chunk["text"] for chunk in record["metadata"]["documents"])
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            if answer and chunks and answer not in found:
                spans = sentences.split(answer)
                found[answer] = Story(asked, tuple(answer[s.start : s.end] for s in spans), chunks)
    return list(found.values())


def corpus(told: list[Story], size: int) -> list[str]:
    """Distinct chunks: those of the sample, then new ones of the same sentences, put together anew.

    Args:
        told: `stories`.
        size: how many.
    """
    known = list(dict.fromkeys(chunk for story in told for chunk in story.chunks))
    pieces = [chunk[s.start : s.end] for chunk in known for s in sentences.split(chunk)]
    chance = random.Random(1)
    made = dict.fromkeys(known[:size])
    while len(made) < size:
        made[" ".join(chance.sample(pieces, 5))] = None
    return list(made)


def rows(n: int, day: date, chunks: list[str], new: float = 1.0) -> Iterator[dict[str, Any]]:
    """Interactions of a day, the same for the same arguments.

    A row is a story of the sample whose question and every sentence of whose answer name somebody that no other row
    names; its chunks are the story's own, filled up with others of the corpus by Zipf's law. Three rows of ten are turns
    of a session.

    Args:
        n: how many.
        day: when.
        chunks: `corpus`.
        new: share of the rows whose texts are new; the others' are those of an earlier row.
    """
    told = stories()
    place = {text: k for k, text in enumerate(chunks)}
    own = [[place[text] for text in story.chunks if text in place] for story in told]
    weights = list(accumulate(1 / (k + 1) ** _ZIPF for k in range(len(chunks))))
    places = range(len(chunks))
    said: list[int] = []
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    chance = random.Random(day.toordinal())
    for i in range(n):
        if not said or chance.random() < new:
            said.append(i)
        text = said[-1] if said[-1] == i else chance.choice(said)
        story = told[k := random.Random(text).randrange(len(told))]
        given = dict.fromkeys(own[k][:CHUNKS])
        while len(given) < CHUNKS:
            given[chance.choices(places, cum_weights=weights)[0]] = None
        name = _name(day, text)
        at = start + timedelta(seconds=86_000 * i / n)
        yield {
            "source_id": f"{day:%m%d}-{i}",
            "session_id": f"s-{day:%m%d}-{i // 3}" if i // 3 % 10 < 3 else None,
            "user_id": f"u-{i % 997}",
            "started_at": at.isoformat(),
            "app": "helpdesk",
            "route": _ROUTES[i % len(_ROUTES)],
            "provider": "openai",
            "model": _MODELS[i % len(_MODELS)],
            "prompt_version": str(3 + i % 2),
            "query": f"{story.question} This is for {name}.",
            "response": " ".join(_told(sentence, name) for sentence in story.sentences),
            "contexts": [{"id": f"kb-{c}", "text": chunks[c], "rank": r + 1} for r, c in enumerate(given)],
            "tokens_input": 1_200 + i % 400,
            "tokens_output": 40 + i % 90,
            "latency_ms": 700.0 + i % 1_300,
            "stages": [
                {"name": "retrieval", "kind": "retrieval", "start_ms": 0.0, "duration_ms": 60.0 + i % 90},
                {"name": "inference", "kind": "inference", "start_ms": 60.0, "duration_ms": 600.0 + i % 900},
            ],
            "status": "ok",
            "feedback": [{"name": "thumb", "value": float(i % 3 > 0)}] if i % 33 == 0 else None,
        }  # fmt: skip


def write(path: Path, n: int, day: date, chunks: list[str], new: float = 1.0) -> None:
    """A file of canonical JSON lines of `rows`."""
    with path.open("wb") as file:
        for row in rows(n, day, chunks, new):
            file.write(orjson.dumps(row) + b"\n")


def _told(sentence: str, name: str) -> str:
    """A sentence that says the same and that nobody has said before."""
    body = sentence.rstrip()
    stop = body[-1] if body[-1] in ".!?" else "."
    return f"{body.rstrip('.!?')}, {name}{stop}"


def _name(day: date, i: int) -> str:
    """A name that is no word, another for each number."""
    number = i * 400 + day.toordinal() % 400
    parts: list[str] = []
    while number or len(parts) < 3:
        number, k = divmod(number, len(_SYLLABLES))
        parts.append(_SYLLABLES[k])
    return "".join(parts).capitalize()
