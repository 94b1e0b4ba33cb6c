"""Makes datasets/sample/: 30 nights of traffic from real public data, with planted incidents.

    python datasets/make_sample.py [--shared DIR] [--out DIR]

Everything is drawn from one fixed seed: the same shared data give the same bytes.
"""

import argparse
import gzip
import io
import random
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

from sampling import incidents, record
from sampling.arrivals import arrivals, read_shape
from sampling.incidents import LAST_NIGHT, Broken, Repeated
from sampling.sources import read
from sampling.timing import read_measured
from sampling.traffic import Conversations, Interaction, base, iso, line

SEED = "evalkit-sample-1"
FIRST_NIGHT = date(2026, 10, 24)
PER_DAY = 140
ROOT = Path(__file__).resolve().parents[1]

INCIDENTS_HEAD = """\
# What was planted in the sample traffic, when, where, and how large it came out.
# Written by datasets/make_sample.py. Times are UTC. `detector`: which kind of detector is expected
# to name it. `metrics`: what it may honestly move. Nights before an incident are quiet.
"""


def nights() -> list[date]:
    """The nights of the sample, in order."""
    count = (LAST_NIGHT - FIRST_NIGHT).days + 1
    return [FIRST_NIGHT + timedelta(days=n) for n in range(count)]


def make(shared: Path, out: Path) -> None:
    """Write the logs, labels.jsonl, prices.json and incidents.toml under `out`."""
    shape, sources, measured = read_shape(shared), read(shared), read_measured(shared)
    conversations = Conversations()
    rows: list[Interaction] = []
    lost: list[Interaction] = []
    broken: list[Broken] = []
    repeated: list[Repeated] = []
    lines_written = 0
    (out / "logs").mkdir(parents=True, exist_ok=True)
    for night, times in arrivals(shape, nights(), PER_DAY, SEED).items():
        draw = random.Random(f"{SEED}/base/{night}")
        planted = random.Random(f"{SEED}/incidents/4/{night}")
        lines: list[bytes] = []
        for at in times:
            row = base(draw, at, sources, measured)
            row = conversations.join(incidents.apply(row, planted, sources, measured))
            if incidents.lost(at, shape.busiest_hour):
                lost.append(row)
                continue
            rows.append(row)
            lines.append(incidents.dump(line(row, measured.rate_limit)))
        lines, twice = incidents.repeat_lines(lines, night, planted)
        lines, bad = incidents.break_lines(lines, night, planted)
        broken += bad
        repeated += [twice] if twice else []
        lines_written += len(lines)
        write_gz(out / "logs" / f"{night}.jsonl.gz", lines)
    write_lines(out / "labels.jsonl", labels(rows))
    (out / "prices.json").write_text(record.prices(), encoding="utf-8")
    sample: dict[str, record.Toml] = {
        "seed": SEED,
        "first_night": FIRST_NIGHT,
        "last_night": LAST_NIGHT,
        "interactions": len(rows),
        "lines": lines_written,
        "failed": sum(row.failed for row in rows),
        "labels": sum(row.label is not None for row in rows),
        "second_turns": sum(bool(row.history) for row in rows),
        "busiest_hour_utc": shape.busiest_hour,
    }
    found = record.tables(rows, lost, broken, repeated)
    text = record.toml(INCIDENTS_HEAD, sample, found)
    (out / "incidents.toml").write_text(text, encoding="utf-8")


def labels(rows: Sequence[Interaction]) -> list[bytes]:
    """The annotators' verdicts, one line each, dated the noon after the interaction."""
    result = []
    for row in rows:
        if row.label is not None:
            after = row.started_at.date() + timedelta(days=1)
            noon = datetime.combine(after, time(12), tzinfo=row.started_at.tzinfo)
            verdict = {
                "source_id": row.response_id,
                "metric": "hallucination",
                "value": row.label,
                "by": "ragtruth-annotators",
                "at": iso(noon),
            }
            result.append(incidents.dump(verdict))
    return result


def write_lines(path: Path, lines: Sequence[bytes]) -> None:
    """Plain JSON lines."""
    path.write_bytes(b"".join(text + b"\n" for text in lines))


def write_gz(path: Path, lines: Sequence[bytes]) -> None:
    """Gzipped lines; no name and no time in the header, so the bytes depend on the lines only."""
    buffer = io.BytesIO()
    with gzip.GzipFile("", "wb", compresslevel=9, fileobj=buffer, mtime=0) as file:
        file.write(b"".join(text + b"\n" for text in lines))
    path.write_bytes(buffer.getvalue())


def main() -> None:
    """Read the arguments and make the sample."""
    parser = argparse.ArgumentParser(description="Make the sample traffic of evalkit.")
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=ROOT / "datasets" / "sample")
    arguments = parser.parse_args()
    make(arguments.shared, arguments.out)


if __name__ == "__main__":
    main()
