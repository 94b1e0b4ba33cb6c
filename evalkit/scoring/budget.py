"""How much the models may read on a day: a time made a number of tokens by a rate, and the account of
what came of it. Which rows are read is `choosing`'s."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files

from evalkit.config import Settings
from evalkit.encoders import Embedder
from evalkit.lake import Lake, ledger
from evalkit.scoring.choosing import Chosen
from evalkit.scoring.corpus import SharedCorpus
from evalkit.scoring.shards import Done
from evalkit.scoring.surveying import Surveyed
from evalkit.scoring.work import tokens_of

__all__ = ["Allowance", "Spent", "allowed", "budget_of", "corpus_work", "encoder_of", "spent"]

#: A night that read fewer tokens says little about the rate.
_ENOUGH_TOKENS = 20_000
#: The corpus is searched when what is missing of it takes no more of the allowance than this.
_CORPUS_SHARE = 0.25
#: Texts of the measurement, after some to warm up.
_MEASURED, _WARM = 32, 4


@dataclass(frozen=True)
class Allowance:
    """What may be read.

    Attributes:
        seconds: of workers, all together.
        tokens: that is so many tokens.
        tokens_per_second: the rate of a worker.
        basis: where the rate is from: config, the day of a night, or measured.
    """

    seconds: float
    tokens: float
    tokens_per_second: float
    basis: str


@dataclass(frozen=True)
class Spent:
    """What a budget was spent on.

    Attributes:
        allowance: what was allowed.
        rows: that could be drawn; `drawn` of them were.
        work: tokens that all of them would take; `read` those that the drawn ones took.
        tokens_per_second: the rate reached; None where too little was read to tell.
        searches: whether the corpus could be searched.
        metrics: those that models are needed for.
    """

    allowance: Allowance
    rows: int
    drawn: int
    work: int
    read: int
    tokens_per_second: float | None
    searches: bool
    metrics: tuple[str, ...]

    def __str__(self) -> str:
        if self.drawn == self.rows:
            return "the budget sufficed for every row"
        share = self.read / self.work if self.work else 1.0
        return (
            f"{self.drawn:,} of {self.rows:,} rows drawn for the models, "
            f"{share:.0%} of the work, {_minutes(self.allowance.seconds)} allowed"
        )

    def stated(self, budget: str, encoder: str) -> dict[str, str]:
        """As the ledger keeps it."""
        allowance = self.allowance
        rate = self.tokens_per_second or allowance.tokens_per_second
        return {
            "budget": budget,
            "encoder": encoder,
            "seconds": f"{allowance.seconds:.6g}",
            "tokens": f"{allowance.tokens:.0f}",
            "rate": f"{allowance.tokens_per_second:.6g}",
            "rate_from": allowance.basis,
            "rate_reached": f"{rate:.6g}",
            "rows": str(self.rows),
            "drawn": str(self.drawn),
            "work": str(self.work),
            "read": str(self.read),
            "searches": "yes" if self.searches else "no",
            "metrics": " ".join(self.metrics),
        }


def budget_of(settings: Settings) -> str | None:
    """The budget as scores state it: equal ones draw the same rows of the same work."""
    seconds = settings.budget_seconds
    return None if seconds is None else f"{seconds:.6g} s"


def allowed(
    settings: Settings,
    lake: Lake,
    day: date,
    embedder: Embedder,
    surveys: Sequence[Surveyed],
    clock: Callable[[], float] = time.monotonic,
) -> Allowance:
    """The tokens that may be read of a day.

    Args:
        settings: the budget, and the rate where it is given.
        lake: its ledger knows the rates of this day and of former nights.
        day: the day.
        embedder: whose rate; a night of another encoder or verifier says nothing about it.
        surveys: the cheap tier's, whose time is part of the budget where the rate is not given.
        clock: seconds, for a first measurement.
    """
    seconds = settings.budget_seconds or 0.0
    given = settings.scoring.tokens_per_second
    if seconds == 0:
        return Allowance(0.0, 0.0, given or 0.0, "config")
    if given is not None:
        return Allowance(seconds, seconds * given, given, "config")
    encoder = encoder_of(embedder)
    known = [item for item in ledger.spent_before(lake, day) if item[1].get("encoder") == encoder]
    same = [one for when, one in known if when == day and one["budget"] == budget_of(settings)]
    if same and float(same[0]["rate"]) > 0:  # a day is allowed what it was allowed before
        rate = float(same[0]["rate"])
        tokens = float(same[0]["tokens"])
        return Allowance(seconds, tokens, rate, same[0]["rate_from"])
    former = [
        (when, float(one["rate_reached"]))
        for when, one in known
        if when < day and float(one["rate_reached"]) > 0
    ]
    if former:
        basis, rate = former[0][0].isoformat(), former[0][1]
    else:
        basis, rate = "measured", _measured(embedder, clock) / settings.engine.workers
    cheap = sum(one.seconds for one in surveys)
    return Allowance(seconds, max(0.0, seconds - cheap) * rate, rate, basis)


def encoder_of(embedder: Embedder) -> str:
    """Whose rate it is: encoder and verifier."""
    verifier = getattr(embedder.verifier, "fingerprint", None)
    return embedder.fingerprint + ("" if verifier is None else f" {verifier}")


def spent(
    allowance: Allowance,
    chosen: Chosen,
    surveys: Sequence[Surveyed],
    done: Iterable[Done],
    searches: bool,
    metrics: Sequence[str],
) -> Spent:
    """The account of a day: the rate is what the models took besides what the cheap tier takes of a row."""
    rows = sum(one.rows for one in surveys)
    drawn = int(chosen.is_drawn.sum())
    a_row = sum(one.seconds for one in surveys) / rows if rows else 0.0
    seconds = sum(one.seconds for one in done)
    rest = max(seconds - drawn * a_row, seconds / 5)
    rate = chosen.drawn / rest if chosen.drawn >= _ENOUGH_TOKENS and rest > 0 else None
    return Spent(
        allowance,
        len(chosen.is_drawn),
        drawn,
        chosen.work,
        chosen.drawn,
        rate,
        searches,
        tuple(metrics),
    )


def corpus_work(corpus: SharedCorpus, embedder: Embedder, allowance: float) -> int | None:
    """Tokens that are missing of the corpus; None where it is too dear to be searched."""
    texts = corpus.texts()
    lacking = embedder.lacks(texts)
    found = sum(tokens_of(text) for text, lacks in zip(texts, lacking, strict=True) if lacks)
    return found if found <= allowance * _CORPUS_SHARE else None


def _measured(embedder: Embedder, clock: Callable[[], float]) -> float:
    """Tokens that the encoder reads in a second, by texts that ship with it."""
    lines = (files("evalkit.encoders") / "calibration.txt").read_text("utf-8").split("\n")
    texts = [line for line in lines if line.strip()][: _MEASURED + _WARM]
    encoder = embedder.encoder
    encoder.encode(texts[_MEASURED:])
    began = clock()
    encoder.encode(texts[:_MEASURED])
    taken = max(clock() - began, 1e-6)
    return sum(map(tokens_of, texts[:_MEASURED])) / taken


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
