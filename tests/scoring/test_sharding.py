"""A day in shards has the scores of a day in one piece, whoever scores them and whatever is killed on
the way."""

from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evalkit.config import EncoderSettings, EngineSettings, ScoringSettings, Settings, load
from evalkit.encoders import Embedder, open_embedder
from evalkit.engine import Crew, Task, open_crew
from evalkit.errors import EngineError
from evalkit.ingest import ingest
from evalkit.lake import Lake
from evalkit.schema import INTERACTIONS, SCORES
from evalkit.scoring import score
from evalkit.scoring.corpus import SharedCorpus
from evalkit.scoring.running import Scoring
from evalkit.scoring.shards import Shard, ShardScorer, Worker
from evalkit.scoring.staging import staged
from tests.engine.work import Killing
from tests.night.sample import configured
from tests.scoring.rows import PRICES
from tests.scoring.test_keeping import DAY, row, store


def of(base: Path, shard_rows: int = 4, **engine: Any) -> Settings:
    return Settings(
        base=base,
        scoring=ScoringSettings(batch_rows=3),
        encoder=EncoderSettings(threads=1),
        engine=EngineSettings.model_validate({"shard_rows": shard_rows, **engine}),
    )


def day(n: int) -> dict[int, Any]:
    """Sessions that run over shards and over midnight, and answers that the corpus is searched for."""
    return {
        i: row(i, -1 if i < 3 else 0, 7 * i, (i % 5, i % 4), [i % 4], (None, "s", "t")[i % 3])
        for i in range(n)
    }


def filled(base: Path, rows: dict[int, Any]) -> Lake:
    lake = Lake(str(base / "lake"))
    store(lake, rows)
    return lake


def scores(lake: Lake) -> pa.Table:
    return lake.read(SCORES, DAY, DAY)


@dataclass
class Stops:
    """A crew that is stopped after some results, as by Ctrl-C; counts the rows that it was given."""

    inner: Crew
    after: int = 99
    rows: int = 0
    #: Whether results of all runs count, or those of each for itself.
    of_all_runs: bool = False
    results: int = 0

    @property
    def here(self) -> bool:
        return self.inner.here

    def run(self, task: Task, jobs: Iterable[Any]) -> Iterator[Any]:
        def counted() -> Iterator[Any]:
            for job in jobs:
                self.rows += pq.read_metadata(job.rows).num_rows
                yield job

        if not self.of_all_runs:
            self.results = 0
        for result in self.inner.run(task, counted()):
            if self.results == self.after:
                raise KeyboardInterrupt
            self.results += 1
            yield result


def scored(
    settings: Settings, lake: Lake, embedder: Embedder, after: int = 99, **more: bool
) -> int:
    """Score the day; gives how many rows were given out."""
    with open_crew(settings) as inner:
        crew = Stops(inner, after)
        score(settings, lake, DAY, embedder, PRICES, crew=crew, **more)
    return crew.rows


def test_a_day_in_shards_is_the_day_in_one_piece(tmp_path: Path, embedder: Embedder) -> None:
    found = []
    for shard_rows in (1, 3, 1000):
        base = tmp_path / str(shard_rows)
        lake = filled(base, day(20))
        done = score(of(base, shard_rows), lake, DAY, embedder, PRICES)
        assert done.interactions == 17
        assert not (base / "lake-staging").exists()
        assert lake.version(SCORES) == 0
        found.append(scores(lake))
    assert found[0].equals(found[1])
    assert found[0].equals(found[2])
    assert found[0]["corpus_fingerprint"].null_count < 17


def test_a_killed_run_is_gone_on_with(tmp_path: Path, embedder: Embedder) -> None:
    whole = filled(tmp_path / "whole", day(20))
    score(of(tmp_path / "whole"), whole, DAY, embedder, PRICES)
    lake = filled(tmp_path, day(20))
    with pytest.raises(KeyboardInterrupt):
        scored(of(tmp_path), lake, embedder, after=2)  # three shards were finished
    assert lake.count(SCORES, DAY) == 0
    with pytest.raises(KeyboardInterrupt):
        scored(of(tmp_path, 2), lake, embedder, after=0)  # and one of another size
    assert scored(of(tmp_path, 5), lake, embedder) == 17 - 3 * 4 - 2
    assert scores(lake).equals(scores(whole))
    assert not (tmp_path / "lake-staging").exists()


def test_what_changed_since_the_kill_is_scored(tmp_path: Path, embedder: Embedder) -> None:
    rows = day(20)
    lake = filled(tmp_path, rows)
    with pytest.raises(KeyboardInterrupt):
        scored(of(tmp_path), lake, embedder, after=3)
    rows[3] |= {"latency_ms": 7.0}
    rows[99] = row(99, 0, 1, (1, 1), [2], None)  # late, and before all others of its day
    store(lake, rows)
    done = scored(of(tmp_path), lake, embedder)
    assert 3 <= done < 18
    whole = filled(tmp_path / "whole", rows)
    score(of(tmp_path / "whole"), whole, DAY, embedder, PRICES)
    assert scores(lake).equals(scores(whole))


def test_kept_rows_and_those_of_a_killed_run_stand_together(
    tmp_path: Path, embedder: Embedder
) -> None:
    rows = day(20)
    lake = filled(tmp_path, {i: rows[i] for i in range(10)})
    score(of(tmp_path), lake, DAY, embedder, PRICES)
    store(lake, rows)
    with pytest.raises(KeyboardInterrupt):
        scored(of(tmp_path, 2), lake, embedder, after=1)
    assert scored(of(tmp_path), lake, embedder) < 10
    whole = filled(tmp_path / "whole", rows)
    score(of(tmp_path / "whole"), whole, DAY, embedder, PRICES)
    assert scores(lake).equals(scores(whole))


def test_a_fresh_run_only_goes_on_with_a_fresh_one(tmp_path: Path, embedder: Embedder) -> None:
    lake = filled(tmp_path, day(20))
    for fresh in (False, True):
        with pytest.raises(KeyboardInterrupt):
            scored(of(tmp_path), lake, embedder, after=1, fresh=fresh)
    assert scored(of(tmp_path), lake, embedder, fresh=True) == 17 - 8
    assert scored(of(tmp_path), lake, embedder, fresh=True) == 17
    assert not (tmp_path / "lake-staging").exists()


def test_a_run_that_lives_is_left_alone(tmp_path: Path, embedder: Embedder) -> None:
    lake = filled(tmp_path, day(8))
    with staged(tmp_path / "lake-staging", DAY) as other:
        mark = other.result(0)
        mark.write_bytes(b"of the other run")
        assert scored(of(tmp_path), lake, embedder) == 5
        assert mark.read_bytes() == b"of the other run"
    assert not (tmp_path / "lake-staging").exists()


def test_what_nobody_came_back_for_goes(tmp_path: Path, embedder: Embedder) -> None:
    lake, root = filled(tmp_path, day(8)), tmp_path / "lake-staging"
    for name in ("2026-01-01", "2026-01-02", "2026-01-03"):
        for folder in ("run-1", ".run-2"):
            (root / name / folder).mkdir(parents=True)
        (root / name / "run-1" / "lock").touch()
    with staged(root, date(2026, 1, 3)):
        for name in ("2026-01-01", "2026-01-03"):
            os.utime(root / name, (0, 0))
        scored(of(tmp_path), lake, embedder)
        assert sorted(path.name for path in root.iterdir()) == ["2026-01-02", "2026-01-03"]
        assert [path.name[:4] for path in (root / "2026-01-03").iterdir()] == ["run-"]


def test_a_folder_that_cannot_be_is_said(tmp_path: Path, embedder: Embedder) -> None:
    (tmp_path / "taken").write_text("a file")
    settings = of(tmp_path, staging=str(tmp_path / "taken"))
    with pytest.raises(EngineError, match=r"taken: .*\[engine\] staging"):
        score(settings, filled(tmp_path, day(4)), DAY, embedder, PRICES)


def test_a_file_that_was_cut_off_is_not_used(tmp_path: Path, embedder: Embedder) -> None:
    lake = filled(tmp_path, day(8))
    with pytest.raises(KeyboardInterrupt):
        scored(of(tmp_path, 1), lake, embedder, after=2)
    for path in (tmp_path / "lake-staging").rglob("scores-000001.parquet"):
        path.write_bytes(path.read_bytes()[:100])
    assert scored(of(tmp_path, 1), lake, embedder) == 5 - 2


def test_what_is_taken_away_on_the_way_is_an_error_not_a_gap(
    tmp_path: Path, embedder: Embedder
) -> None:
    class Thief(Stops):
        def run(self, task: Task, jobs: Iterable[Any]) -> Iterator[Any]:
            for job in jobs:
                work = task.make()
                yield work(
                    replace(job, result=job.result.with_name(f"elsewhere-{job.number}.parquet"))
                )

    lake = filled(tmp_path, day(8))
    with open_crew(of(tmp_path)) as inner, pytest.raises(EngineError, match="no longer there"):
        score(of(tmp_path), lake, DAY, embedder, PRICES, crew=Thief(inner))
    assert lake.count(SCORES, DAY) == 0


def test_work_travels_and_a_worker_with_other_scorers_is_refused(
    tmp_path: Path, embedder: Embedder
) -> None:
    settings, lake = of(tmp_path), filled(tmp_path, day(4))
    corpus = SharedCorpus(tmp_path, lake.pinned(INTERACTIONS), DAY)
    shard = Shard(3, DAY, tmp_path / "rows", tmp_path / "made", "another", corpus)
    assert pickle.loads(pickle.dumps(shard)) == shard  # noqa: S301  (made here)
    assert pickle.loads(pickle.dumps(Worker(settings, PRICES, 1))).threads == 1  # noqa: S301
    work = ShardScorer(settings, Scoring(settings, embedder, PRICES), embedder)
    with pytest.raises(EngineError, match=r"shard 3 .*the night is scored with another"):
        work(shard)


def test_a_shard_whose_answer_was_lost_is_not_scored_again(
    tmp_path: Path, embedder: Embedder
) -> None:
    @dataclass
    class Twice(Stops):
        def run(self, task: Task, jobs: Iterable[Any]) -> Iterator[Any]:
            work = task.make()
            for job in jobs:
                first = work(job)
                made = job.result.stat()
                assert work(job) == first
                assert job.result.stat() == made
                yield first

    lake = filled(tmp_path, day(8))
    with open_crew(of(tmp_path)) as inner:
        done = score(of(tmp_path), lake, DAY, embedder, PRICES, crew=Twice(inner))
    assert done.interactions == scores(lake).num_rows == 5


# ── real processes and clusters ──────────────────────────────────────────────────────────────────────

SAMPLE_DAY = date(2026, 11, 20)
ROWS = 60


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pa.Table]:
    """A folder with some rows of the sample traffic and the vectors of their texts, and their scores
    by this process alone."""
    base = tmp_path_factory.mktemp("night")
    settings = load(configured(base))
    lake = Lake(settings.lake_url)
    ingest(settings, lake, [SAMPLE_DAY])
    rows = lake.read(INTERACTIONS, SAMPLE_DAY, SAMPLE_DAY)
    lake.replace(INTERACTIONS, SAMPLE_DAY, rows.slice(0, ROWS))
    with open_embedder(settings) as embedder:
        score(settings, lake, SAMPLE_DAY, embedder, PRICES)
    found = lake.read(SCORES, SAMPLE_DAY, SAMPLE_DAY)
    assert found.num_rows == ROWS
    shutil.rmtree(base / "lake" / "scores")
    return base, found


def needs(library: str) -> pytest.MarkDecorator:
    there = importlib.util.find_spec(library) is not None
    needed = os.environ.get("EVALKIT_REQUIRE_SERVICES") == "1"
    return pytest.mark.skipif(not there and not needed, reason=f"{library} is not installed")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "kind",
    [
        "local",
        pytest.param("dask", marks=needs("distributed")),
        pytest.param("ray", marks=needs("ray")),
    ],
)
def test_two_workers_one_of_them_killed(
    kind: str, night: tuple[Path, pa.Table], tmp_path: Path
) -> None:
    home, alone = night
    shutil.copytree(home, tmp_path / "night")
    extra = f'[engine]\nkind = "{kind}"\nworkers = 2\nshard_rows = 9\n[encoder]\nthreads = 2'
    settings = load(configured(tmp_path / "night", extra))
    lake = Lake(settings.lake_url)
    with open_embedder(settings) as embedder, open_crew(settings) as inner:

        class Struck(Stops):
            def run(self, task: Task, jobs: Iterable[Any]) -> Iterator[Any]:
                return super().run(Task(task.key, Killing(task.make, tmp_path)), jobs)

        crew = Struck(inner)
        done = score(settings, lake, SAMPLE_DAY, embedder, PRICES, crew=crew)
    assert (crew.rows, done.embedded, done.errors) == (ROWS, 0, {})
    begun = [len(path.read_text().splitlines()) for path in sorted(tmp_path.glob("begun-*"))]
    # The lost worker cost its shard alone; one whose answer was lost with it is not scored again.
    assert (len(begun), begun[1]) == (7, 2)
    assert sum(begun) <= 9
    assert lake.read(SCORES, SAMPLE_DAY, SAMPLE_DAY).equals(alone)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_driver_that_is_killed_has_lost_one_shard_at_most(
    night: tuple[Path, pa.Table], tmp_path: Path
) -> None:
    home, alone = night
    shutil.copytree(home, tmp_path / "night")
    config = configured(tmp_path / "night", "[engine]\nshard_rows = 3")
    settings = load(config)
    code = f"""
from evalkit import prices
from evalkit.config import load
from evalkit.encoders import open_embedder
from evalkit.lake import Lake
from evalkit.scoring import score
from tests.scoring.rows import PRICES
from datetime import date
settings = load({str(config)!r})
with open_embedder(settings) as embedder:
    score(settings, Lake(settings.lake_url), date({SAMPLE_DAY:%Y, %-m, %-d}), embedder, PRICES)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + 300
    while len(finished := list((tmp_path / "night").rglob("results/scores-*.parquet"))) < 3:
        assert process.poll() is None, "it was done before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = list((tmp_path / "night").rglob("results/scores-*.parquet"))
    lake = Lake(settings.lake_url)
    assert lake.count(SCORES, SAMPLE_DAY) == 0
    with open_embedder(settings) as embedder:
        done = score(settings, lake, SAMPLE_DAY, embedder, PRICES)
    assert done.kept == 3 * len(finished)
    assert lake.read(SCORES, SAMPLE_DAY, SAMPLE_DAY).equals(alone)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_workers_share_the_vectors_of_texts(night: tuple[Path, pa.Table], tmp_path: Path) -> None:
    """One file of vectors under several processes, from the first text on: no error, the same bytes,
    and hardly a text that two of them embed at the same moment."""
    home, _ = night
    done, found = [], []
    for workers in (1, 2):
        base = tmp_path / str(workers)
        base.mkdir()
        shutil.copytree(home / "lake", base / "lake")
        settings = load(configured(base, f"[engine]\nworkers = {workers}\nshard_rows = 4"))
        lake = Lake(settings.lake_url)
        rows = lake.read(INTERACTIONS, SAMPLE_DAY, SAMPLE_DAY)
        lake.replace(INTERACTIONS, SAMPLE_DAY, rows.slice(0, 16))
        with open_embedder(settings) as embedder:
            done.append(score(settings, lake, SAMPLE_DAY, embedder, PRICES))
        found.append(lake.read(SCORES, SAMPLE_DAY, SAMPLE_DAY))
    assert found[0].equals(found[1])
    alone, together = (one.embedded for one in done)
    assert 0 < alone <= together <= 1.5 * alone
