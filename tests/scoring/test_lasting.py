"""What outlives a batch: nothing may show whether it was remembered, and it is never too much."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from evalkit.encoders import Embedder
from evalkit.scoring import Batch, calibration
from evalkit.scoring.lasting import Lasting, Remembered
from evalkit.scoring.ranking import judged
from evalkit.scoring.support import support_of
from tests.scoring.rows import PRICES, table

MODELS = calibration.load_all()


def test_what_keeps_coming_is_made_once() -> None:
    lengths = Remembered[int](most_chars=100)
    made = []
    for i in range(200):
        lengths.of("comes again and again", lambda: made.append(1) or 21)
        lengths.of(f"comes once: {i}", lambda: 0)
    assert len(made) == 1


@given(st.lists(st.text(max_size=30), max_size=200))
def test_no_more_is_remembered_than_said(texts: list[str]) -> None:
    lengths = Remembered[int](most_chars=200)
    for text in texts:
        assert lengths.of(text, lambda text=text: len(text)) == len(text)
        held = {*lengths._new, *lengths._old}
        assert sum(map(len, held)) <= 200 + 2 * 30


def test_scores_do_not_show_what_was_remembered(embedder: Embedder) -> None:
    texts = ["Refunds take 5 days. Shops open at 9.", "Plans of 2021 cost 30 euros. They rose."]
    chunks = [{"id": text[:3], "text": text} for text in texts]
    rows = table(
        {"query": "When?", "response": "Within 5 days, says Ann.", "contexts": chunks},
        {"query": "What price?", "response": "They cost 30 euros.", "contexts": chunks[::-1]},
    )

    def told(lasting: Lasting | None, i: int) -> tuple[bytes, ...]:
        batch = Batch(rows.slice(i, 1), embedder, PRICES, MODELS, lasting=lasting)
        (support,), (seen,) = support_of(batch), judged(batch)
        assert seen is not None
        return support.features.tobytes(), seen.relevance.tobytes(), seen.answers.tobytes()

    shared = Lasting()
    assert [told(shared, i) for i in (0, 1, 0)] == [told(None, i) for i in (0, 1, 0)]
