"""Every engine keeps one contract: each job is done, a lost worker costs its own job alone, an error
is told. Those of clusters are started for real, on this machine."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evalkit.config import EngineSettings, Settings
from evalkit.engine import ATTEMPTS, Crew, Task, open_crew
from evalkit.errors import ConfigError, EngineError, ModelError
from tests.engine.work import Squares

Open = Callable[[str], Crew]


def needs(library: str) -> pytest.MarkDecorator:
    there = importlib.util.find_spec(library) is not None
    needed = os.environ.get("EVALKIT_REQUIRE_SERVICES") == "1"
    return pytest.mark.skipif(not there and not needed, reason=f"{library} is not installed")


ELSEWHERE = [
    "local",
    pytest.param("dask", marks=[pytest.mark.slow, needs("distributed")]),
    pytest.param("ray", marks=[pytest.mark.slow, needs("ray")]),
]


@pytest.fixture(scope="module", params=ELSEWHERE)
def crew(request: pytest.FixtureRequest) -> Iterator[Crew]:
    """Two workers in processes of their own, kept for all tests of an engine."""
    with open_crew(of(kind=request.param, workers=2)) as opened:
        yield opened


def of(**engine: object) -> Settings:
    return Settings(engine=EngineSettings.model_validate(engine))


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.timeout(240)
def test_every_job_is_done_by_workers_that_are_made_once(crew: Crew, tmp_path: Path) -> None:
    task = Task(str(tmp_path), Squares(tmp_path))
    assert sorted(crew.run(task, range(9))) == [n * n for n in range(9)]
    assert list(crew.run(task, [])) == []
    assert sorted(crew.run(task, range(20, 24))) == [n * n for n in range(20, 24)]
    made = lines(tmp_path / "made")
    assert len(made) == len(set(made)) <= 2
    assert str(os.getpid()) not in made
    assert not crew.here


@pytest.mark.timeout(240)
def test_a_killed_worker_costs_its_own_job_alone(crew: Crew, tmp_path: Path) -> None:
    task = Task(str(tmp_path), Squares(tmp_path, kill=4))
    assert sorted(crew.run(task, range(9))) == [n * n for n in range(9)]
    assert len(lines(tmp_path / "begun-4")) == 2
    again = sum(len(lines(tmp_path / f"begun-{n}")) - 1 for n in range(9))
    assert again <= 2  # its own, and one that was done but whose result had not arrived


@pytest.mark.timeout(240)
def test_a_job_that_kills_every_worker_is_named(crew: Crew, tmp_path: Path) -> None:
    task = Task(str(tmp_path), Squares(tmp_path, kill=3, times=99))
    with pytest.raises(EngineError, match=r"^3: .*lost"):
        list(crew.run(task, [3]))
    assert len(lines(tmp_path / "begun-3")) == ATTEMPTS
    assert list(crew.run(task, [5])) == [25]  # there are workers again


@pytest.mark.timeout(240)
def test_an_error_of_ours_arrives_as_it_is_and_the_next_run_is_a_run(
    crew: Crew, tmp_path: Path
) -> None:
    task = Task(str(tmp_path), Squares(tmp_path))
    with pytest.raises(ModelError, match="thirteen is not to be had"):
        list(crew.run(task, [12, 13, 12]))
    assert sorted(crew.run(task, [1, 2, 3])) == [1, 4, 9]


@pytest.mark.timeout(240)
def test_any_error_arrives(crew: Crew, tmp_path: Path) -> None:
    """Also one that cannot be pickled: as whatever each engine makes of it, with its text."""
    with pytest.raises(Exception, match="fourteen"):
        list(crew.run(Task(str(tmp_path), Squares(tmp_path)), [14]))


def test_jobs_are_taken_as_they_are_needed(crew: Crew, tmp_path: Path) -> None:
    taken = []

    def jobs() -> Iterator[int]:
        for number in range(20, 60):
            taken.append(number)
            yield number

    running = crew.run(Task(str(tmp_path), Squares(tmp_path)), jobs())
    next(running)
    assert len(taken) <= 6
    running.close()


def test_a_run_that_is_left_leaves_nothing_to_the_next(crew: Crew, tmp_path: Path) -> None:
    task = Task(str(tmp_path), Squares(tmp_path))
    running = crew.run(task, range(40, 50))
    next(running)
    running.close()
    assert sorted(crew.run(task, [2, 3])) == [4, 9]


def test_alone_it_is_this_process(tmp_path: Path) -> None:
    with open_crew(of()) as crew:
        assert crew.here
        assert list(crew.run(Task("t", lambda: lambda job: (job, os.getpid())), [7])) == [
            (7, os.getpid())
        ]


def test_processes_end_with_their_context(tmp_path: Path) -> None:
    with open_crew(of(workers=2)) as crew:
        list(crew.run(Task("t", Squares(tmp_path)), range(3)))
    for pid in map(int, lines(tmp_path / "made")):
        deadline = time.monotonic() + 10
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(ConfigError, match=r"\[engine\] kind: 'spark' is no engine. Known: dask, "):
        open_crew(of(kind="spark"))
    with pytest.raises(ConfigError, match=r"\[engine\] address: local has none"):
        open_crew(of(address="tcp://host:1"))


@pytest.mark.parametrize(("kind", "library"), [("dask", "distributed"), ("ray", "ray")])
def test_a_library_that_is_not_there_is_named_with_what_installs_it(
    kind: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == library else known(name)
    )
    with pytest.raises(ConfigError, match=rf"pip install 'evalkit\[{kind}\]'"):
        open_crew(of(kind=kind))
