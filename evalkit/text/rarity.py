"""How rare a word is in English at large: document frequencies that ship with the package; they are
counted in `datasets/train/retrieval.py`, and nothing is judged here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from math import log
from types import MappingProxyType

__all__ = ["FILE", "MOST", "rarity"]

#: The file beside this module: a line a level, the level (ln of documents over documents with the
#: word, times `STEP`) and its stems.
FILE = "rarity.txt"
STEP = 4
#: A word that is not in the file: as rare as the rarest that are, and a little more.
MOST = 9.0


def rarity(stem: str) -> float:
    """Inverse document frequency of a stem in English at large, ln(N / df), from 0 to `MOST`.

    Robertson (2004), Understanding inverse document frequency, J. Documentation 60:503. It does not
    depend on the texts at hand, so that neither does what is made of it.

    >>> rarity("the") < 1 < rarity("music") < rarity("photosynthesi") <= MOST
    True
    """
    return _levels().get(stem, MOST)


def level(documents: int, frequency: int) -> int:
    """The line of the file that a word belongs to, from how many documents hold it."""
    return round(STEP * log(documents / frequency))


@cache
def _levels() -> Mapping[str, float]:
    found: dict[str, float] = {}
    for line in files("evalkit.text").joinpath(FILE).read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            number, *stems = line.split()
            found.update(dict.fromkeys(stems, int(number) / STEP))
    return MappingProxyType(found)
