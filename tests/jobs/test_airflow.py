"""The DAG runs in a real Airflow that has its own virtual environment and never meets evalkit's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.lake import Lake
from evalkit.schema import DAILY, FINDINGS, INTERACTIONS, LEDGER
from tests.night.sample import ROOT, configured

AIRFLOW = "apache-airflow==3.3.2"


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_real_airflow_runs_the_night(tmp_path: Path) -> None:
    venv = tmp_path / "airflow-venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    subprocess.run([venv / "bin" / "pip", "install", "--quiet", AIRFLOW], check=True)

    home = tmp_path / "airflow"
    (home / "dags").mkdir(parents=True)
    shutil.copyfile(
        ROOT / "jobs" / "airflow" / "evalkit_nightly.py", home / "dags" / "evalkit_nightly.py"
    )
    config = configured(tmp_path)
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW_VAR_EVALKIT_BIN": str(Path(sys.executable).with_name("evalkit")),
        "AIRFLOW_VAR_EVALKIT_CONFIG": str(config),
        "PATH": f"{venv / 'bin'}:{os.environ['PATH']}",
    }

    def airflow(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(venv / "bin" / "airflow"), *args],
            env=environment, capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip

    migrated = airflow("db", "migrate")
    assert migrated.returncode == 0, migrated.stderr[-2000:]
    # The run of 25 October judges the day before it.
    done = airflow("dags", "test", "evalkit_nightly", "2026-10-25")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    lake = Lake(str(tmp_path / "lake"))
    for table in (INTERACTIONS, DAILY):
        assert [str(day) for day in lake.days(table)] == ["2026-10-24"]
    assert lake.read(FINDINGS) is not None
    assert lake.sql("SELECT status FROM ledger WHERE kind = 'run'").num_rows == 1
    assert (tmp_path / "pages" / "2026-10-24.html").exists()
    assert lake.days(LEDGER)
