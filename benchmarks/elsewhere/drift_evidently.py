"""Runs in an environment of its own (`make others`): Evidently's drift preset over the columns of a Parquet file.

    python drift_evidently.py REFERENCE CURRENT PAGE

Prints one line of JSON: version, seconds, bytes of the page, and the columns that it calls drifted.
"""

import json
import sys
import time
from pathlib import Path

import evidently
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

reference, current = (pd.read_parquet(path) for path in sys.argv[1:3])
began = time.perf_counter()
found = Report([DataDriftPreset()]).run(current, reference)
told = found.dict()
seconds = time.perf_counter() - began
began = time.perf_counter()
found.save_html(sys.argv[3])
print(
    json.dumps(
        {
            "version": evidently.__version__,
            "seconds": seconds,
            "page_seconds": time.perf_counter() - began,
            "page_bytes": Path(sys.argv[3]).stat().st_size,
            "drifted": told["metrics"][0]["value"]["count"],
        }
    )
)
