"""What model libraries say is kept down only for as long as one of them is loaded or converted."""

from __future__ import annotations

import pytest

from evalkit.encoders.quiet import hushed


def test_transformers_says_nothing_below_an_error_inside_and_its_level_is_put_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from transformers.utils import logging

    log, before = logging.get_logger("transformers.some"), logging.get_verbosity()
    with hushed():
        log.warning("of no use")
    assert logging.get_verbosity() == before
    assert "of no use" not in capsys.readouterr().err
