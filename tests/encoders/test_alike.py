"""What is known of small passes outlives the process, and is never more than a hint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from evalkit.config import Settings
from evalkit.encoders import find_model, open_embedder
from evalkit.encoders.alike import Alike
from evalkit.encoders.batched import BatchedEncoder, Ids
from evalkit.encoders.contract import Matrix, Plan


class Counting(BatchedEncoder):
    """Vectors of a text's length, and how many rows and tokens each pass had."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.passes: list[tuple[int, ...]] = []

    def forward(self, ids: Ids, mask: Ids, types: Ids) -> tuple[Matrix, Matrix]:
        self.passes.append(ids.shape)
        sentence = np.ones((len(ids), self.dim), np.float32) * mask.sum(1)[:, None]
        return sentence.astype(np.float32), np.ones((*ids.shape, self.dim), np.float32)


def encoded(path: Path, *calls: Sequence[str]) -> list[tuple[int, ...]]:
    """The passes of some calls, each with texts of its own."""
    encoder = Counting(Plan(find_model(), "fp32", None, path.parent, path))
    for texts in calls:
        found = encoder.encode(texts)
        assert np.allclose(np.linalg.norm(found, axis=1), 1)
    return encoder.passes


ONE = ["one short text"]
FIVE = [f"a text of nine words to be number {i}" for i in range(5)]


def test_a_shape_is_asked_about_once_its_filler_has_cost_as_much(tmp_path: Path) -> None:
    # A full pass is 128 rows of 8 tokens. The first one alone is cheaper than to ask; the second
    # takes the probe along, and what it is compared with is one row.
    seen = encoded(tmp_path / "passes.json", ONE, ONE, ONE)
    assert seen == [(128, 8), (128, 8), (1, 8), (1, 8)]


def test_a_probe_that_has_no_room_beside_its_texts_is_put_off_longer(tmp_path: Path) -> None:
    many = [f"number {i} is a text" for i in range(90)]  # 96 rows of 128: 32 of filler each time
    seen = encoded(tmp_path / "passes.json", *[many] * 9)
    assert seen == [*[(128, 8)] * 7, (128, 8), (96, 8), (96, 8), (96, 8)]


def test_what_was_asked_once_is_not_asked_in_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "models" / "passes.json"
    assert len(encoded(path, ONE, FIVE, ONE, FIVE)) == 6
    assert encoded(path, FIVE, ONE) == [(6, 16), (1, 8)]


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]", b'{"8x1": "yes"}', b'{"8x1": 1}'])
def test_a_damaged_file_is_asked_again_and_mended(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "passes.json"
    path.write_bytes(content)
    assert len(encoded(path, ONE, ONE)) == 3
    assert len(encoded(path, ONE)) == 1


def test_a_shape_that_differs_is_known_too(tmp_path: Path) -> None:
    Alike(tmp_path / "passes.json").put(8, 1, False)
    assert encoded(tmp_path / "passes.json", ONE, ONE) == [(128, 8)] * 2


def test_two_runs_add_to_what_is_known(tmp_path: Path) -> None:
    one, other = (Alike(tmp_path / "passes.json") for _ in range(2))
    one.put(8, 1, True)
    other.put(16, 2, False)
    again = Alike(tmp_path / "passes.json")
    assert (again.get(8, 1), again.get(16, 2), again.get(24, 1)) == (True, False, None)


def test_where_nothing_can_be_written_it_is_known_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    alike = Alike(tmp_path / "file" / "passes.json")
    alike.put(8, 1, True)
    assert alike.get(8, 1) is True


def test_other_numbers_of_threads_have_a_file_of_their_own(tmp_path: Path) -> None:
    for threads in (1, 2):
        settings = Settings.model_validate({"base": tmp_path, "encoder": {"threads": threads}})
        with open_embedder(settings) as embedder:
            for n in range(2):  # to ask costs more than to fill one pass up
                embedder.embed([f"a text for {threads}, number {n}"])
    found = [path.name for path in tmp_path.rglob("passes-*.json")]
    assert len(found) == 2
