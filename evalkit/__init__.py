"""evalkit: the nightly batch job that sees when an LLM application gets worse.

`evalkit.open("lake")` gives the tables of past nights; `evalkit.score(frame)` scores a DataFrame at hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.version import __version__

__all__ = ["Lake", "__version__", "open", "score"]

if TYPE_CHECKING:
    from evalkit.api import Lake, open, score  # noqa: A004  (the notebook's verb)


def __getattr__(name: str) -> Any:
    # Imported on first use: `import evalkit` stays instant and pulls in no model runtime.
    if name in {"Lake", "open", "score"}:
        from evalkit import api

        return getattr(api, name)
    raise AttributeError(f"module 'evalkit' has no attribute {name!r}")
