"""What notebooks use: `open()` a lake and ask it, `score()` a DataFrame at hand. Results are pandas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from evalkit import labelling, prices
from evalkit.config import EncoderSettings, Settings, parse_day
from evalkit.encoders import open_embedder
from evalkit.errors import DayError, EvalkitError
from evalkit.frames import interactions_from
from evalkit.lake import Lake as Tables
from evalkit.metrics import Metric
from evalkit.queries import query
from evalkit.schema import DAILY, SCORES
from evalkit.scoring import metrics as all_metrics
from evalkit.scoring import score_table

__all__ = ["Lake", "open", "score"]


def open(path: str | Path = "lake", storage: Mapping[str, str] | None = None) -> Lake:  # noqa: A001
    """The tables of past nights at a folder or an `s3://` URL.

    Raises:
        DayError: there is no lake there, or nothing was stored in it yet.
    """
    url = str(path) if "://" in str(path) else str(Path(path).expanduser().resolve())
    return Lake(Tables(url, storage))


def score(
    frame: pd.DataFrame | pa.Table, *, settings: Settings | None = None, model: str | None = None
) -> pd.DataFrame:
    """Every metric of every row of a DataFrame, without a lake.

    Args:
        frame: columns as in `interactions`, as many as there are: `query`, `response`, `contexts` (a list of
            texts, or of {id, text}) or `context` (one text), tokens, latency, ...
        settings: a configuration (scorers, encoder, prices); without it the defaults.
        model: folder of a sentence-transformers model; without it the default one.

    Returns:
        One row per row of `frame` with its index; per metric a value (NaN where there is none) and
        `<metric>__status`, which says why.
    """
    settings = settings or Settings(encoder=EncoderSettings(model=model))
    table = interactions_from(frame)
    with open_embedder(settings, cache=False) as embedder:
        scored = score_table(table, settings, embedder, prices.load(None))
    inner = ["day", "interaction_id", "content_fingerprint", "corpus_fingerprint"]
    result: pd.DataFrame = scored.drop_columns(inner).to_pandas()
    if isinstance(frame, pd.DataFrame):
        result.index = frame.index
    return result


class Lake:
    """The nights, from a notebook. Values are bound, never written into SQL."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        if not self.days():
            raise DayError(
                f"{tables.url}: no nights here. Give the folder that `[lake] path` names, "
                "or run `evalkit run` first."
            )

    def __repr__(self) -> str:
        days = self.days()
        return f"<evalkit lake {self.tables.url}: {len(days)} nights, {days[0]} to {days[-1]}>"

    def days(self) -> list[date]:
        """The days that have figures, ascending."""
        return self.tables.days(DAILY)

    def metrics(self) -> dict[str, Metric]:
        """What each metric means."""
        return all_metrics(Settings())

    def sql(self, text: str, **params: Any) -> pd.DataFrame:
        """The answer to a query over the tables as views; `$name` in it is bound to the argument `name`."""
        return _frame(self.tables.sql(text, params))

    def trend(
        self, metric: str, by: str = "all", days: int = 30, until: str | date | None = None
    ) -> pd.DataFrame:
        """One metric day by day: n, coverage, mean with its 95 % interval, quantiles.

        Args:
            metric: its name, as `metrics()` has it.
            by: "all", or a column that the rollup divides by (route, model, ...).
            days: how many days back.
            until: the last day; without it the newest.

        Raises:
            EvalkitError: no such metric or segment was ever stored.
        """
        last = self._day(until)
        found = self.tables.sql(
            query("trend"),
            {
                "metric": metric,
                "segment": by,
                "start": last - timedelta(days=days - 1),
                "end": last,
            },
        )
        if found.num_rows == 0:
            known = (
                self.tables.sql("SELECT DISTINCT metric FROM daily ORDER BY 1")
                .column(0)
                .to_pylist()
            )
            segments = (
                self.tables.sql("SELECT DISTINCT segment FROM daily ORDER BY 1")
                .column(0)
                .to_pylist()
            )
            raise EvalkitError(
                f"No figures of {metric!r} by {by!r} in these days. "
                f"Metrics: {', '.join(known)}. Segments: {', '.join(segments)}."
            )
        return _frame(found)

    def findings(self, day: str | date | None = None) -> pd.DataFrame:
        """What a night found, the most severe first; without a day the newest night."""
        return _frame(self.tables.sql(query("findings"), {"day": self._day(day)}))

    def worst(self, metric: str, day: str | date | None = None, n: int = 10) -> pd.DataFrame:
        """The n interactions of a day whose value of a metric is worst, with their texts.

        Raises:
            EvalkitError: no such metric.
        """
        stored = self.tables.sql("SELECT * FROM scores LIMIT 0").column_names
        known = {name.removesuffix("__status") for name in stored if name.endswith("__status")}
        if metric not in known:
            raise EvalkitError(f"No scores of {metric!r}. Known: {', '.join(sorted(known))}.")
        meaning = self.metrics().get(metric)
        order = "ASC" if meaning is not None and meaning.worse == "lower" else "DESC"
        # The name is one of the table's own columns and the order one of two words: nothing of the caller's.
        ranked = query("worst").replace("{metric}", f'"{metric}"').replace("{order}", order)
        return _frame(self.tables.sql(ranked, {"day": self._day(day), "n": n}))

    def show(self, interaction_id: str) -> dict[str, Any]:
        """One interaction with its scores, evidence and labels; a beginning of the id is enough.

        Raises:
            EvalkitError: no interaction, or several, have an id that begins so.
        """
        rows = self.tables.sql(
            "SELECT * FROM interactions WHERE starts_with(interaction_id, $id) OR source_id = $id LIMIT 2",
            {"id": interaction_id},
        ).to_pylist()
        if len(rows) != 1:
            many = "several interactions begin" if rows else "no interaction begins"
            raise EvalkitError(
                f"{interaction_id!r}: {many} with it. Copy the id from the page or the mail."
            )
        key = {"id": rows[0]["interaction_id"], "day": rows[0]["day"]}
        scores = self.tables.sql(query("scores_of"), key).to_pylist()
        labels = self.tables.sql(query("labels_of"), key).to_pylist()
        return {"interaction": rows[0], "scores": scores[0] if scores else {}, "labels": labels}

    def labels(
        self, metric: str = "hallucination", until: str | date | None = None
    ) -> pd.DataFrame:
        """People's verdicts on one metric, one row an interaction (the majority's), up to a day.

        `probability` is how likely the row was to be asked, as a Horvitz-Thompson estimate needs it; missing where
        nobody knows (see `labelling.consolidate`).
        """
        return _frame(labelling.read(self.tables, metric, self._last_day(until)))

    def labels_export(
        self,
        file: str | Path,
        metric: str = "hallucination",
        n: int = 50,
        *,
        start: str | date | None = None,
        until: str | date | None = None,
        days: int = 28,
        form: Literal["html", "csv"] | None = None,
        by: str | None = None,
        second: bool = False,
        show_score: bool = False,
        seed: int = 0,
    ) -> labelling.Sheet:
        """Write a sheet with the n rows most worth a person's minute, to be filled in without a network.

        Args:
            file: where to write it.
            metric: what is asked about, a metric between 0 and 1.
            n: how many rows.
            start: the first day of traffic; without it `days` before the last.
            until: the last day; without it the newest with scores.
            days: how many days back, where no `start` is given.
            form: "html" or "csv"; without it as the file's ending says.
            by: who will judge.
            second: ask again about rows that one person has judged, to see how well two agree.
            show_score: put the score on the sheet (it sways people).
            seed: of the draw; the same lake, arguments and seed give the same file.

        Raises:
            EvalkitError: no such metric, no row is left to ask, or another file is there already.
        """
        meaning = self.metrics().get(metric)
        if meaning is None:
            raise EvalkitError(f"No metric {metric!r}. Known: {', '.join(sorted(self.metrics()))}.")
        last = self._last_day(until)
        first = last - timedelta(days=days - 1) if start is None else self._day(start)
        if first > last:
            raise DayError(f"{first} is after {last}. Swap them.")
        sheet = labelling.choose(
            self.tables,
            meaning,
            first,
            last,
            n,
            by=by,
            second=second,
            show_score=show_score,
            seed=seed,
        )
        labelling.write(sheet, file, form)
        return sheet

    def labels_import(
        self,
        files: Iterable[str | Path],
        by: str | None = None,
        settings: Settings | None = None,
    ) -> labelling.Imported:
        """Check files of verdicts and store them; importing the same again changes nothing.

        Args:
            files: what the sheets' pages have saved, or filled CSV sheets.
            by: who judged, where a file does not say.
            settings: a configuration, whose `[redaction]` says what is taken out of comments; without it
                the default.

        Raises:
            LabelError: something in a file is wrong; every wrong line is named, and nothing was stored.
        """
        redaction = settings.redaction if settings is not None else None
        return labelling.store(self.tables, files, by, redaction)

    def _last_day(self, day: str | date | None) -> date:
        return self.tables.days(SCORES)[-1] if day is None else self._day(day)

    def _day(self, day: str | date | None) -> date:
        if day is None:
            return self.days()[-1]
        return parse_day(day) if isinstance(day, str) else day


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    return frame
