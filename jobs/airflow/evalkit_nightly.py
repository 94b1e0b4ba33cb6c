"""The night as an Airflow 3 DAG: each step a task, each task one call of the command line with its day given.

Copy it into the DAGs folder and set two Airflow variables (or the environment variables AIRFLOW_VAR_EVALKIT_BIN and
AIRFLOW_VAR_EVALKIT_CONFIG): `evalkit_bin`, the `evalkit` command of its own virtual environment, and `evalkit_config`,
the path of evalkit.toml. evalkit never imports Airflow and Airflow never imports evalkit.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import dag, task

STEPS = ("ingest", "score", "rollup", "detect", "report", "send")

# In Airflow 3 the `ds` of a cron run is the run's own date: the day to judge is the one before.
COMMAND = (
    "{{ var.value.evalkit_bin }} {{ params.step }} --config {{ var.value.evalkit_config }} "
    "--day {{ macros.ds_add(ds, -1) }}"
)


@dag(
    dag_id="evalkit_nightly",
    schedule="30 5 * * *",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001  (Airflow's own convention: the DAG's zone)
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
    tags=["evalkit", "llm"],
    doc_md=__doc__,
)
def evalkit_nightly() -> None:
    before = None
    for step in STEPS:

        @task.bash(task_id=step)
        def call(step: str = step) -> str:
            # Findings (exit 1) are what the page and the mail are for; degraded (2) and failed (3) fail the task.
            return COMMAND.replace("{{ params.step }}", step) + " || [ $? -eq 1 ]"

        this = call()
        if before is not None:
            before >> this
        before = this


evalkit_nightly()
