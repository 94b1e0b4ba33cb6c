"""What can be said of retrieved chunks without looking at the question: how often they repeat each
other, and how old they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics import Metric
from evalkit.scoring.batch import Batch
from evalkit.scoring.contract import Scores, Values, scorer
from evalkit.scoring.lasting import Remembered
from evalkit.text.tokens import ngrams, words

__all__ = ["context_quality", "median_age_days", "repeated_share"]

# So many words in a row that stand in an earlier chunk too are no coincidence.
_RUN = 5
_DAY_SECONDS = 86_400.0


def repeated_share(texts: Sequence[str]) -> float:
    """Share of the words of ranked chunks that stand in a better-ranked chunk already.

    A word is repeated when it lies in a run of five words (fewer where its chunk is shorter) that
    an earlier chunk holds. Runs of words are the shingles of Broder (1997), On the resemblance and
    containment of documents; containment, and not resemblance, since a short chunk cut out of a
    long one repeats all of itself.

    Args:
        texts: the chunks, best first; case and punctuation do not count.

    >>> repeated_share(["Refunds take five days.", "refunds take five days", "We are open today."])
    0.3333333333333333
    """
    seen: dict[int, set[tuple[str, ...]]] = {}
    before: list[list[str]] = []
    repeated = total = 0
    for text in texts:
        folded = words(text)
        total += len(folded)
        run = min(_RUN, len(folded))
        if run:
            held = seen.get(run)
            if held is None:
                held = seen[run] = {gram for past in before for gram in ngrams(past, run)}
            covered = [False] * len(folded)
            for at, gram in enumerate(ngrams(folded, run)):
                if gram in held:
                    covered[at : at + run] = [True] * run
            repeated += sum(covered)
        for length, known in seen.items():
            known.update(ngrams(folded, length))
        before.append(folded)
    return repeated / total if total else 0.0


@dataclass(frozen=True)
class _Shingles:
    """The runs of one chunk as numbers: chunks without a common number have no common run."""

    words: int
    runs: NDArray[np.int64]

    @classmethod
    def of(cls, text: str) -> _Shingles:
        folded = words(text)
        runs = np.array([hash(run) for run in ngrams(folded, _RUN)], dtype=np.int64)
        return cls(len(folded), np.unique(runs))


def _has_repeats(texts: Sequence[str], known: Remembered[_Shingles]) -> bool:
    """Whether `repeated_share` may be above 0."""
    found = [known.of(text, partial(_Shingles.of, text)) for text in texts]
    if any(one.words < _RUN for one in found):
        return True
    runs = np.concatenate([one.runs for one in found])
    return len(np.unique(runs)) < len(runs)


def median_age_days(updated: Sequence[datetime | None], asked: datetime) -> float | None:
    """Median age of chunks when they were retrieved, in days; None when no date is known.

    A chunk that was updated after the call (clocks differ, logs are joined late) is new: 0 days.
    """
    ages = [max((asked - at).total_seconds() / _DAY_SECONDS, 0.0) for at in updated if at]
    return median(ages) if ages else None


@scorer(
    "context_quality",
    version="1",
    needs=("started_at", "contexts", "truncated"),
    metrics=(
        Metric(
            "context_redundancy",
            "score",
            "higher",
            "share of the retrieved words that stand in a better-ranked chunk already",
        ),
        Metric(
            "context_age_days",
            "days",
            "higher",
            "how old the median retrieved chunk is, by its date of last update",
        ),
    ),
)
def context_quality(batch: Batch) -> Scores:
    """How much of what was retrieved is said twice (`repeated_share`), and how old it is
    (`median_age_days`).

    A single chunk has redundancy 0. The age is that of the chunks with `updated_at`, at the time
    of the call: the median, since one page that nobody has touched for years is no stale index.

    No chunks: both not_applicable. No `updated_at` or no `started_at`: no age, not_applicable. Cut
    in the log: truncated. More text than is read: redundancy over_budget.
    """
    redundancy, age = Values(len(batch)), Values(len(batch))
    known: Remembered[_Shingles] = batch.lasting.get("shingles", Remembered)
    contexts, started = batch.values("contexts"), batch.values("started_at")
    truncated, beyond = batch.values("truncated"), batch.over_budget("contexts")
    for i, chunks in enumerate(batch.chunks()):
        if truncated[i] and contexts[i]:
            redundancy.skip(i, "truncated")
            age.skip(i, "truncated")
            continue
        if beyond[i]:
            redundancy.skip(i, "over_budget")
        elif chunks:
            texts = [chunk.text for chunk in chunks]
            redundancy.set(i, repeated_share(texts) if _has_repeats(texts, known) else 0.0)
        else:
            redundancy.skip(i, "not_applicable")
        asked = started[i]
        days = (
            median_age_days([chunk.updated_at for chunk in chunks], asked)
            if asked is not None
            else None
        )
        if days is None:
            age.skip(i, "not_applicable")
        else:
            age.set(i, days)
    return Scores({"context_redundancy": redundancy, "context_age_days": age})
