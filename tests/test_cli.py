"""The command line as someone meets it: what it prints, what it returns, what it says when something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import evalkit
from evalkit.errors import DayError, EvalkitError
from evalkit.terminal import safe


def run(*args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "evalkit", *args]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, timeout=900, check=False
    )


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder after `evalkit init` and the first two nights of what it brought along."""
    folder = tmp_path_factory.mktemp("started")
    assert run("init", str(folder)).returncode == 0
    for log in sorted((folder / "logs").glob("*.gz"))[2:]:
        log.unlink()
    done = run("backfill", "--from", "2026-10-24", "--to", "2026-10-25", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    nights = json.loads(done.stdout)
    assert [night["day"] for night in nights] == ["2026-10-24", "2026-10-25"]
    return folder


def test_init_does_not_write_over_what_is_there(started: Path) -> None:
    done = run("init", str(started))
    assert done.returncode == 3
    assert "there is one already" in done.stderr


def test_run_prints_the_contract_as_json(started: Path) -> None:
    done = run("run", "--day", "2026-10-25", "--json", cwd=started)
    told = json.loads(done.stdout)
    assert {
        "day",
        "status",
        "exit_code",
        "counts",
        "coverage",
        "findings",
        "report",
        "seconds",
    } <= set(told)
    assert told["exit_code"] == done.returncode == 0
    assert told["status"] == "healthy"
    assert told["counts"]["received"] == 91
    assert Path(told["report"]).exists()


def test_run_tells_a_newcomer_what_happened_in_ten_lines(started: Path) -> None:
    done = run("run", "--day", "2026-10-25", cwd=started)
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    assert lines[0].startswith("2026-10-25  healthy")
    assert len(lines) <= 10
    assert "page: " in done.stdout


def test_a_day_without_traffic_is_never_green(started: Path) -> None:
    done = run("run", "--day", "2026-10-27", "--json", cwd=started)
    assert done.returncode == 2
    assert json.loads(done.stdout)["reasons"][0] == "No record of this day was received."


def test_a_source_that_is_gone_fails_the_night_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "evalkit.toml").write_text(
        '[sources.gateway]\nformat = "jsonl"\npath = "logs/*.jsonl"\n'
    )
    done = run("run", "--day", "2026-10-24", "--json", cwd=tmp_path)
    assert done.returncode == 3
    told = json.loads(done.stdout)
    assert told["status"] == "failed"
    assert "no file matches" in told["reasons"][0]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["run", "--day", "24.10.2026"], "is no day. Write it as YYYY-MM-DD"),
        (["sql", "SELECT nothing FROM interactions"], "cannot be answered"),
        (["trend", "nonsense"], "No figures of 'nonsense'"),
        (["show", "zzz"], "no interaction begins with it"),
        (["schema", "nonsense"], "is no table. Tables: interactions"),
        (["backfill", "--from", "2026-10-25", "--to", "2026-10-24"], "Swap them"),
        (["agreement", "nothing.parquet"], "nothing.parquet"),
        (["nonsense"], "nonsense"),
    ],
)
def test_mistakes_are_explained_in_one_message(
    started: Path, args: list[str], expected: str
) -> None:
    done = run(*args, cwd=started)
    assert done.returncode == 3
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_sql_prints_tables_json_and_csv_without_formulas(started: Path) -> None:
    query = "SELECT '=1+1' AS cell, count(*) AS n FROM interactions"
    assert "169" in run("sql", query, cwd=started).stdout
    assert json.loads(run("sql", query, "--json", cwd=started).stdout) == [
        {"cell": "=1+1", "n": 169}
    ]
    assert run("sql", query, "--csv", cwd=started).stdout.splitlines() == ["cell,n", "'=1+1,169"]


def test_trend_show_and_schema(started: Path) -> None:
    rows = json.loads(run("trend", "hallucination", "--by", "route", "--json", cwd=started).stdout)
    assert {row["value"] for row in rows} == {"/ask", "/kb", "/summarize"}
    assert all(row["lower"] <= row["mean"] <= row["upper"] for row in rows if row["n_scored"] > 1)
    lake = evalkit.open(started / "lake")
    worst = lake.worst("hallucination", n=1).iloc[0]
    shown = run("show", worst["interaction_id"][:12], cwd=started).stdout
    assert worst["response"].splitlines()[0][:40] in shown
    assert "hallucination" in shown
    assert set(json.loads(run("schema", "--json").stdout)) >= {"interactions", "scores", "daily"}


def test_show_explains_what_a_row_was_made_of(started: Path) -> None:
    lake = evalkit.open(started / "lake")
    id_ = lake.worst("hallucination", n=1).iloc[0]["interaction_id"]
    told = json.loads(run("show", id_, "--explain", "--json", cwd=started).stdout)
    where = {pick["what"]: pick["where"] for pick in told["explanation"]}
    assert ".jsonl" in where["record"][0]
    assert where["question"]
    shown = run("show", id_, "--explain", cwd=started).stdout
    assert "made of" in shown
    assert where["record"][0] in shown


def test_doctor_names_what_it_looked_at(started: Path) -> None:
    checks = {
        check["what"]: check for check in json.loads(run("doctor", "--json", cwd=started).stdout)
    }
    assert all(check["ok"] for check in checks.values()), checks
    assert "may contact: none" in checks["hosts"]["message"]
    assert {"configuration", "source gateway", "prices", "model", "scorers", "lake"} <= set(checks)


def test_from_python(started: Path) -> None:
    lake = evalkit.open(started / "lake")
    assert len(lake.days()) >= 2
    assert isinstance(
        lake.sql("SELECT count(*) AS n FROM daily WHERE metric = $m", m="failed"), pd.DataFrame
    )
    assert list(lake.trend("cost_usd")["value"].unique()) == ["all"]
    with pytest.raises(EvalkitError, match="No scores of 'x; DROP'"):
        lake.worst("x; DROP")
    with pytest.raises(DayError, match="no nights here"):
        evalkit.open(started / "nowhere")


def test_score_a_frame_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame(
        {
            "query": ["What is the refund window?", "Who wrote it?"],
            "response": ["Annual plans are refunded within 30 days.", None],
            "contexts": [["Annual plans may be refunded within 30 days of purchase."], None],
        },
        index=["a", "b"],
    )
    scored = evalkit.score(frame)
    assert list(scored.index) == ["a", "b"]
    assert scored.loc["a", "groundedness__status"] == "ok"
    assert scored.loc["a", "groundedness"] > 0.8
    assert scored.loc["b", "groundedness__status"] == "not_applicable"
    assert not list(tmp_path.iterdir()), "scoring a frame writes nothing"


def test_logged_text_cannot_drive_the_terminal() -> None:
    assert safe("a\x1b[2Jb\u202ec\td") == "a\ufffd[2Jb\ufffdc\td"
