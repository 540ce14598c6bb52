"""Start a server on a scratch directory, load real data, build an index, search, measure, stop.

python -m demo.run
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np

from demo.packages import Records, packages, queries
from hippod.testing import ServerFailed, ServerProcess
from hippod_client import DataType, Field, HippodError, JobInfo, SearchResult
from hippod_client.sync import Client

FIELDS: Final = (
    Field("id", DataType.INT64, primary_key=True),
    Field("name", DataType.VARCHAR, max_length=200),
    Field("version", DataType.VARCHAR, max_length=100),
    Field("section", DataType.VARCHAR, max_length=100),
    Field("priority", DataType.VARCHAR, max_length=20),
    Field("installed_kb", DataType.INT64),
    Field("maintainer", DataType.VARCHAR, max_length=400),
    Field("summary", DataType.STRING),
    Field("description", DataType.STRING),
    Field("embedding", DataType.FLOAT_VECTOR, dimension=384),
)
TABLE: Final = "packages"
BATCH_ROWS: Final = 500
K: Final = 10
SHOWN: Final = 3


def main() -> int:
    """The exit code."""
    try:
        with tempfile.TemporaryDirectory(prefix="hippod-demo-") as scratch, ServerProcess(Path(scratch) / "data") as server:
            say(f"A server runs on {server.host}:{server.port}, its data in {server.data_dir}.")
            with Client(server.host, server.port) as client:
                show(client)
            say(f"Stopping the server ... exit code {server.terminate()}.")
    except (HippodError, ServerFailed) as error:
        print(f"The demo failed: {error}\nIf a port or directory is in the way, run it again; else please report this.", file=sys.stderr)
        return 1
    print("\nNext: `make serve` keeps a server running; README.md shows the client.")
    return 0


def show(client: Client) -> None:
    base, asked = packages(), queries()
    load(client, base)
    client.create_index(TABLE, "by_meaning", "embedding", type="IVF_FLAT", metric="cosine", params={"nlist": 64, "nprobe": 16})
    job = client.activate_index(TABLE, "by_meaning", progress=progress_of_job)
    say(f"\rIndex trained over {job.vectors:,} vectors{' ' * 30}")
    for number in (6, 41):
        row = asked.rows[number]
        say(f"\nPackages like {row['name']} ({row['summary']}):")
        print_hits(client.search(TABLE, asked.vectors[number], SHOWN, output_fields=["name", "summary"]))
        say("  only small ones of section libs or python (installed_kb < 500):")
        condition = 'installed_kb < 500 and section in ["libs", "python"]'
        print_hits(client.search(TABLE, asked.vectors[number], SHOWN, filter=condition, output_fields=["name", "summary"]))
    measure(client, base, asked)


def load(client: Client, base: Records) -> None:
    client.create_table(TABLE, FIELDS)
    started = time.perf_counter()
    for start in range(0, len(base.rows), BATCH_ROWS):
        client.insert(TABLE, base.columns(start, start + BATCH_ROWS)).raise_for_failures()
        progress("Loading", (start + BATCH_ROWS) / len(base.rows))
    seconds = time.perf_counter() - started
    say(f"\rLoaded {client.count(TABLE):,} rows in {seconds:.2f} s, each batch of {BATCH_ROWS} durable before the next.")


def measure(client: Client, base: Records, asked: Records) -> None:
    """Recall against comparing with every row, and the speed of one client that asks one thing at a time."""
    truth = np.argsort(-(asked.vectors @ base.vectors.T), axis=1)[:, :K]
    ids = np.array([row["id"] for row in base.rows])
    seconds = []
    found = 0
    for query, nearest in zip(asked.vectors, truth, strict=True):
        started = time.perf_counter()
        hits = client.search(TABLE, query, K)
        seconds.append(time.perf_counter() - started)
        found += len(np.intersect1d(hits.ids, ids[nearest]))
    say(f"\nRecall@{K} over {len(asked.rows)} held-out queries: {found / (K * len(asked.rows)):.3f}")
    say(f"One at a time: median {statistics.median(seconds) * 1e3:.2f} ms, {len(seconds) / sum(seconds):,.0f} searches/s")
    started = time.perf_counter()
    client.search(TABLE, asked.vectors, K)
    say(f"All {len(asked.rows)} in one request: {len(asked.rows) / (time.perf_counter() - started):,.0f} searches/s")


def print_hits(result: SearchResult) -> None:
    for hit in result[0]:
        say(f"  {hit.score:.3f}  {hit.fields['name']:28} {hit.fields['summary'][:70]}")


def progress_of_job(job: JobInfo) -> None:
    progress(f"Training ({job.stage or 'starting'})", job.progress)


def progress(what: str, share: float) -> None:
    """A bar on a terminal; nothing where the output is a file."""
    if sys.stdout.isatty():
        filled = round(share * 30)
        print(f"\r{what:24} [{'#' * filled}{'.' * (30 - filled)}] {share:4.0%}", end="", flush=True)


def say(text: str) -> None:
    print(text if sys.stdout.isatty() else text.lstrip("\r"), flush=True)


if __name__ == "__main__":
    sys.exit(main())
