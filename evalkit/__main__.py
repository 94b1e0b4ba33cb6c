"""`python -m evalkit` is the command line."""

from __future__ import annotations

from evalkit.cli import main

main()
