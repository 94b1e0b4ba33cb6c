"""Counts how rare English words are, for `evalkit/text/rarity.txt`.

    python datasets/train/rarity.py --shared DIR [--out FILE]

Documents are the distinct paragraphs, messages and questions of public sets (BEGIN, WiCE,
SummEdits, BUMP, FoolMeTwice, FactCG, ConjNLI, MED, FeverSymmetric, Topical-Chat, CLINC150). Only
word counts are kept. CLAPnq, XQuAD and RAGTruth are not read: retrieval is measured on them.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pyarrow.parquet as pq

from evalkit.text import rarity, tokens

# A word of fewer documents is as good as unknown: its count is chance, and the file would be long.
LEAST = 20
# Shorter lines are headings and list marks.
SHORTEST = 40
# Its tables are all about scores, teams and attendance: they are no English at large.
LEFT_OUT = "tabfact"
_LINE = re.compile(r"\n+")


def main() -> None:
    """Count and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder of the public sets")
    parser.add_argument("--out", type=Path, default=Path("evalkit/text") / rarity.FILE)
    chosen = parser.parse_args()
    texts = dict.fromkeys(documents(chosen.shared))
    stem = lru_cache(maxsize=None)(tokens.stem)
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update({stem(word) for word in tokens.words(text)})
    lines = as_lines(counts, len(texts))
    chosen.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(
        f"{chosen.out}: {len(texts):,} documents, {sum(n >= LEAST for n in counts.values()):,} words"
    )


def documents(shared: Path) -> Iterator[str]:
    """The texts that words are counted in, in a fixed order."""
    for name in ("groundedness", "claims"):
        table = pq.read_table(shared / f"{name}.parquet", columns=["dataset", "context"])
        for row in table.to_pylist():
            if row["dataset"] != LEFT_OUT:
                yield from (p for p in _LINE.split(row["context"] or "") if len(p) > SHORTEST)
    for name in ("topical_chat_ratings", "clinc150"):
        column = pq.read_table(shared / f"{name}.parquet", columns=["text"]).column("text")
        yield from (text for text in column.to_pylist() if text)


def as_lines(counts: Counter[str], documents: int) -> list[str]:
    """The file's lines, common words first."""
    levels: dict[int, list[str]] = {}
    for word, count in counts.items():
        if count >= LEAST and word.isascii():
            levels.setdefault(rarity.level(documents, count), []).append(word)
    head = "# Stems by how rare they are (see rarity.py; made by datasets/train/rarity.py)."
    return [head, *(f"{k} {' '.join(sorted(levels[k]))}" for k in sorted(levels))]


if __name__ == "__main__":
    main()
