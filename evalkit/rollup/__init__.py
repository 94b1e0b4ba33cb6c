"""The rollup step: the scores of one day become figures per metric and segment (`daily`)."""

from __future__ import annotations

from evalkit.rollup.step import RolledUp, rollup

__all__ = ["RolledUp", "rollup"]
