"""The lake: where tables are stored, replaced day by day, and asked. Only this package knows Delta Lake."""

from __future__ import annotations

from evalkit.lake.tables import Lake

__all__ = ["Lake"]
