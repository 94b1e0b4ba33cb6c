"""The rows of one day, in the order of their ids: which value of a segment, and what a metric came to. Read a few thousand
at a time; what is held is a number a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from evalkit.errors import LakeError
from evalkit.lake import Lake
from evalkit.metrics import Metric
from evalkit.schema import INTERACTIONS, SCORES

__all__ = ["DayRows"]

_SLICE = 16_384
#: Values held at a time.
_CELLS = 4_000_000
_NOT_ELIGIBLE = pa.array(["not_applicable", "abstained"])


class DayRows:
    """A day's interactions with their scores.

    Args:
        lake: holds `interactions` and `scores`.
        day: the day.
    Raises:
        LakeError: an interaction has scores more than once.
    """

    def __init__(self, lake: Lake, day: date) -> None:
        self._lake = lake
        self._day = day
        ids = _column(lake, day, "interaction_id")
        self._order: NDArray[np.int64] = pc.sort_indices(ids).to_numpy()
        # Scores are stored in the order of their interactions, unless somebody else wrote them.
        self._scored = ids if _follows(lake, day, ids) else _column(lake, day, scores=True)
        self._places = self._order if self._scored is ids else self._joined(ids)
        self._scored_count = len(self._scored)
        del self._scored

    def __len__(self) -> int:
        return len(self._order)

    def codes(self, column: str) -> tuple[NDArray[np.integer], list[str | None]]:
        """Each row's place in the distinct values of a text column of `interactions`, and these."""
        parts = [
            rows[column].combine_chunks().dictionary_encode()
            for rows in self._lake.batches(INTERACTIONS, self._day, _SLICE, [column])
        ]
        whole = pa.chunked_array(
            [one for part in parts for one in (part.chunks if isinstance(part, pa.ChunkedArray) else [part])],
            type=pa.dictionary(pa.int32(), pa.string()),
        ).unify_dictionaries()  # fmt: skip
        if not len(whole):
            return np.zeros(0, np.int64), []
        names: list[str | None] = whole.chunk(0).dictionary.to_pylist()
        codes = np.concatenate(
            [pc.fill_null(one.indices, len(names)).to_numpy(zero_copy_only=False) for one in whole.chunks]
        )  # fmt: skip
        if (codes == len(names)).any():
            names.append(None)
        return codes[self._order], names

    def columns(
        self, metrics: Sequence[Metric]
    ) -> Iterator[tuple[Metric, NDArray[np.float64], NDArray[np.bool_]]]:
        """For each metric the value of each row, float64 [rows], NaN where it has none, and whether
        the metric applies to it, bool [rows]: also where there are no scores at all."""
        step = max(1, _CELLS // max(1, len(self)))
        for start in range(0, len(metrics), step):
            yield from self._some(metrics[start : start + step])

    def _some(
        self, metrics: Sequence[Metric]
    ) -> Iterator[tuple[Metric, NDArray[np.float64], NDArray[np.bool_]]]:
        # One more than there are rows of scores, for interactions without.
        n = self._scored_count
        values = [np.full(n + 1, np.nan) for _ in metrics]
        eligible = [np.ones(n + 1, np.bool_) for _ in metrics]
        names = [name for metric in metrics for name in (metric.name, f"{metric.name}__status")]
        at = 0
        for rows in self._lake.batches(SCORES, self._day, _SLICE, names):
            end = at + rows.num_rows
            for k, metric in enumerate(metrics):
                status = rows[f"{metric.name}__status"]
                value = pc.if_else(pc.equal(status, "ok"), rows[metric.name], None)
                values[k][at:end] = value.cast(pa.float64()).to_numpy(zero_copy_only=False)
                applies = pc.invert(pc.is_in(status, value_set=_NOT_ELIGIBLE))
                eligible[k][at:end] = applies.to_numpy(zero_copy_only=False)
            at = end
        for k, metric in enumerate(metrics):
            value = values[k]
            value[~np.isfinite(value)] = np.nan
            yield metric, value[self._places], eligible[k][self._places]

    def _joined(self, ids: pa.ChunkedArray) -> NDArray[np.int64]:
        """For each interaction, by id, the row of its scores; the number of all where it has none."""
        scored = self._scored
        if pc.count_distinct(scored).as_py() < len(scored):
            raise LakeError(
                f"scores: {self._day} has an interaction more than once. Score the day again."
            )
        found = pc.index_in(ids.take(pa.array(self._order)), value_set=scored.combine_chunks())
        places: NDArray[np.int64] = pc.fill_null(found, len(scored)).to_numpy().astype(np.int64)
        return places


def _column(
    lake: Lake, day: date, name: str = "interaction_id", *, scores: bool = False
) -> pa.ChunkedArray:
    table = SCORES if scores else INTERACTIONS
    parts = [
        chunk
        for rows in lake.batches(table, day, _SLICE, [name])
        for chunk in rows[name].chunks
    ]  # fmt: skip
    return pa.chunked_array(parts, type=pa.string())


def _follows(lake: Lake, day: date, ids: pa.ChunkedArray) -> bool:
    """Whether the scores of a day are those of these interactions, in their order."""
    at = 0
    for rows in lake.batches(SCORES, day, _SLICE, ["interaction_id"]):
        if not rows["interaction_id"].equals(ids.slice(at, rows.num_rows)):
            return False
        at += rows.num_rows
    return at == len(ids) and pc.count_distinct(ids).as_py() == at
