"""The cheap tier: every scorer run without models, so that what needs none is there for every row, and
for what needs them there is a first guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evalkit.config import Settings
from evalkit.encoders import Embedder
from evalkit.prices import PriceList
from evalkit.schema import SCORES_OF_A_BUDGET
from evalkit.scoring.contract import Scorer
from evalkit.scoring.running import Around, Scoring

__all__ = ["CheapTier", "costly", "with_budget", "without_search"]

_CHEAP = next(column.type for column in SCORES_OF_A_BUDGET if column.name == "cheap")
#: With these statuses a metric does not apply to a row; with others it does, value or not.
_NOT_FOR_IT = ("not_applicable", "abstained")


class _Unread:
    """Vectors of nothing: what is asked without models has no meaning, only words."""

    def __init__(self, dim: int, fingerprint: str) -> None:
        self.dim = dim
        self.fingerprint = fingerprint

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.zeros((len(texts), self.dim), dtype=np.float32)


def costly(scorers: Mapping[str, Scorer]) -> dict[str, Scorer]:
    """Of some scorers those that need models, and so time."""
    return {name: one for name, one in scorers.items() if "embeddings" in one.needs}


class CheapTier:
    """Scores rows without models.

    Args:
        settings: which scorers.
        embedder: whose vectors the full tiers would ask for; none is.
        prices: what tokens cost.
        fingerprint: of what drawn rows are scored with.
    """

    def __init__(
        self, settings: Settings, embedder: Embedder, prices: PriceList, fingerprint: str
    ) -> None:
        self._scoring = Scoring(settings, _Unread(embedder.dim, embedder.fingerprint), prices)
        # Whether a row is drawn changes nothing of what it would be scored with.
        self._scoring.fingerprint = fingerprint
        self.schema = self._scoring.schema
        self.costly = costly(self._scoring.scorers)
        self._metrics = [m.name for one in self.costly.values() for m in one.metrics]
        #: Of these only a model can say whether they apply to a row.
        self._open = [
            m.name for one in self.costly.values() if "corpus" in one.needs for m in one.metrics
        ]

    @property
    def failed(self) -> dict[str, int]:
        """Per scorer that needs no models, on how many rows it raised."""
        return {n: k for n, k in self._scoring.failed.items() if n not in self.costly}

    def table(self, rows: pa.Table, around: Around, content: list[str]) -> pa.Table:
        """The rows' scores as they are if they are not drawn, with `cheap` beside them.

        A metric that needs models has status over_budget where it applies, as far as words say; where
        only a model could say that, over_budget too, unless the call failed.
        """
        found = self._scoring.table(rows, Around(around.turns), content)
        cheap = _maps(found, self._metrics)
        failed = pc.fill_null(pc.equal(rows["status"], "error"), False)
        for name in self._metrics:
            status = found[f"{name}__status"]
            unread = pc.invert(pc.is_in(status, pa.array(_NOT_FOR_IT)))
            if name in self._open:
                unread = pc.or_(unread, pc.invert(failed))
            long = pc.is_in(status, pa.array(["truncated", "over_budget"]))
            unread = pc.and_(unread, pc.invert(long))
            found = _replaced(found, f"{name}__status", pc.if_else(unread, "over_budget", status))
            found = _replaced(found, name, pa.nulls(found.num_rows, pa.float64()))
        mine = frozenset(self._metrics)
        spans = [
            [span for span in row or [] if span["metric"] not in mine] or None
            for row in found["evidence"].to_pylist()
        ]
        found = _replaced(found, "evidence", pa.array(spans, found.schema.field("evidence").type))
        return found.append_column("cheap", cheap)


def without_search(scores: pa.Table, rows: pa.Table, scoring: Scoring) -> pa.Table:
    """Scores of drawn rows where the corpus was too dear to search: what rests on it is over_budget,
    but for calls that failed."""
    failed = pc.fill_null(pc.equal(rows["status"], "error"), False)
    for one in scoring.scorers.values():
        for metric in one.metrics if "corpus" in one.needs else ():
            name = f"{metric.name}__status"
            scores = _replaced(scores, name, pc.if_else(failed, scores[name], "over_budget"))
            scores = _replaced(scores, metric.name, pa.nulls(scores.num_rows, pa.float64()))
    return scores


def with_budget(
    scores: pa.Table,
    budget: str,
    probability: Sequence[float | None] | NDArray[np.float64],
    is_drawn: NDArray[np.bool_],
    cheap: pa.Array | pa.ChunkedArray | None,
) -> pa.Table:
    """Scores with the columns of `schema.SCORES_OF_A_BUDGET`; a probability of 0 or NaN is NULL, and
    what is certain to be drawn has no first guess."""
    n = scores.num_rows
    chance = np.asarray(probability, dtype=np.float64)
    known = np.nan_to_num(chance) > 0
    columns: dict[str, Any] = {
        "budget": pa.array([budget] * n, pa.string()),
        "probability": pa.array(chance, pa.float64(), mask=~known),
        "is_drawn": pa.array(is_drawn, pa.bool_()),
        "cheap": pa.nulls(n, _CHEAP)
        if cheap is None
        else pc.if_else(pa.array(chance >= 1), pa.scalar(None, _CHEAP), cheap),
    }
    for column in SCORES_OF_A_BUDGET:
        if column.name in scores.column_names:
            scores = scores.drop_columns([column.name])
        scores = scores.append_column(column.name, columns[column.name])
    return scores


def _maps(scores: pa.Table, metrics: Sequence[str]) -> pa.Array:
    """Per row and metric that applies its value, or NULL where it has none."""
    values = {name: scores[name].to_pylist() for name in metrics}
    status = {name: scores[f"{name}__status"].to_pylist() for name in metrics}
    found = [
        [(name, values[name][i]) for name in metrics if status[name][i] not in _NOT_FOR_IT]
        for i in range(scores.num_rows)
    ]
    return pa.array(found, _CHEAP)


def _replaced(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)
