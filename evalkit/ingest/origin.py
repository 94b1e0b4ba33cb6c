"""Finds a stored interaction in its source again, and says what it was made of. What was picked and
why is decided where it was read the first time; nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from evalkit.config import Settings
from evalkit.errors import EvalkitError, SourceError
from evalkit.ingest.contract import Window
from evalkit.ingest.explaining import Pick
from evalkit.ingest.reading import picks_again

__all__ = ["explain"]

_INSTANT = timedelta(microseconds=1)


def explain(settings: Settings, interaction: Mapping[str, Any]) -> tuple[Pick, ...]:
    """What a stored interaction was made of: which span or field is its question, its contexts, its
    answer, its stages, its tokens and its cost, what was left out, and by which rule.

    Args:
        settings: the configuration; the interaction's source must still stand in it.
        interaction: its row, with `source`, `source_id`, `started_at` and `day`.

    Raises:
        EvalkitError: the source is no longer configured, or no longer holds the record.
        SourceError: the source cannot be read.
    """
    name, id_, began = (interaction[one] for one in ("source", "source_id", "started_at"))
    if name not in settings.sources:
        known = ", ".join(settings.sources) or "none"
        raise EvalkitError(
            f"{settings.file}: [sources.{name}] is not there any more, and what was read from it is "
            f"read again to explain it. Put it back. Sources: {known}."
        )
    source = settings.sources[name]
    place = source.path or source.url
    if source.path is not None:
        remedy = (
            f"Put the file that held it back under {place!r}, or name another configuration with "
            "--config whose source holds it."
        )
    else:
        remedy = f"Fetch its day again with `evalkit ingest --day {interaction['day']}`."
    try:
        picks = picks_again(settings, name, Window(began, began + _INSTANT), id_)
    except SourceError as error:
        raise SourceError(
            f"{error} An interaction is explained from its source. {remedy}"
        ) from error
    if not picks:
        raise EvalkitError(
            f"{settings.file}: [sources.{name}]: {place!r} does not hold {id_!r} of "
            f"{began:%Y-%m-%d %H:%M:%S} UTC any more. {remedy}"
        )
    return picks
