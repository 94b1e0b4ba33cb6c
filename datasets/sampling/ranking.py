"""A small BM25 ranking over a fixed corpus; it decides which passages /kb retrieves."""

import math
import re
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"[a-z0-9]+")


def words(text: str) -> list[str]:
    """Lower-case ASCII words and numbers of `text`, in order."""
    return _WORD.findall(text.lower())


class Bm25:
    """Okapi BM25 (Robertson and Zaragoza 2009, eq. 3.15) with k1 = 1.2, b = 0.75.

    >>> Bm25(["a red cat", "a blue dog"]).order("blue dogs and a dog")
    [1, 0]
    """

    def __init__(self, texts: Sequence[str], k1: float = 1.2, b: float = 0.75) -> None:
        self._counts = [Counter(words(text)) for text in texts]
        lengths = [sum(counts.values()) for counts in self._counts]
        mean = sum(lengths) / len(lengths)
        self._norms = [k1 * (1 - b + b * length / mean) for length in lengths]
        found = Counter(word for counts in self._counts for word in counts)
        n = len(texts)
        self._idf = {w: math.log(1 + (n - df + 0.5) / (df + 0.5)) for w, df in found.items()}
        self._k1 = k1

    def score(self, query: str, index: int) -> float:
        """BM25 of the text at `index` for `query`, rounded to 3 places so that it is stable."""
        counts, norm = self._counts[index], self._norms[index]
        parts = [
            self._idf[word] * counts[word] * (self._k1 + 1) / (counts[word] + norm)
            for word in sorted(set(words(query)))
            if counts[word]
        ]
        return round(math.fsum(parts), 3)

    def order(self, query: str) -> list[int]:
        """Indexes of all texts, best first; equal scores keep the corpus order."""
        scores = [self.score(query, index) for index in range(len(self._counts))]
        return sorted(range(len(scores)), key=lambda index: (-scores[index], index))
