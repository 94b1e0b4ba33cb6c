"""Reads word lists that are written as running text, so that they stay readable in the source."""

from __future__ import annotations


def word_list(running: str) -> list[str]:
    """Words of a list, in order, parted by white space."""
    return running.split()


def word_set(running: str) -> frozenset[str]:
    """Words of a list without order."""
    return frozenset(running.split())
