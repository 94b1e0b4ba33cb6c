"""Runs in an environment of its own (`make others`): Ragas' recall by ids over rows of a Parquet file.

    python recall_ragas.py ROWS

Prints one line of JSON: version, seconds and the mean.
"""

import json
import sys
import time

import pandas as pd
import ragas
from ragas import EvaluationDataset, SingleTurnSample, evaluate
from ragas.metrics import IDBasedContextRecall

rows = pd.read_parquet(sys.argv[1])
samples = [
    SingleTurnSample(retrieved_context_ids=list(given), reference_context_ids=list(wanted))
    for given, wanted in zip(rows["retrieved"], rows["relevant"], strict=True)
]
began = time.perf_counter()
found = evaluate(EvaluationDataset(samples=samples), [IDBasedContextRecall()], show_progress=False)
seconds = time.perf_counter() - began
mean = float(found.to_pandas()["id_based_context_recall"].mean())
print(json.dumps({"version": ragas.__version__, "seconds": seconds, "mean": mean}))
