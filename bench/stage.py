"""A server on a scratch directory with a data set in it, brought as far as a figure needs: started, loaded, indexed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench.data import CACHE, VECTOR_FIELD, Source
from bench.load import TABLE, Address, Inserts, Outcome, run_load
from hippod.testing import ServerProcess
from hippod_client import HippodError
from hippod_client.sync import Client

INDEX: Final = "by_likeness"
BATCH_ROWS: Final = 5_000
_BATCHES_IN_FLIGHT: Final = 4
_PATIENCE_S: Final = 600.0
_LOOK_S: Final = 0.1


class Stage:
    """Owns a server process and its directory; both are gone after `close`."""

    def __init__(
        self,
        source: Source,
        program: Sequence[str] = ("hippod", "serve"),
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.source = source
        self.loading: Outcome | None = None
        self.build_s: float | None = None
        CACHE.mkdir(exist_ok=True)
        self._scratch = tempfile.TemporaryDirectory(prefix="server-", dir=CACHE)
        self.directory = Path(self._scratch.name)
        self.server = ServerProcess(self.directory / "data", *arguments, environment=environment, program=program)
        self.server.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.server.kill()
        self._scratch.cleanup()

    @property
    def pid(self) -> int:
        return self.server.pid

    @property
    def address(self) -> Address:
        return Address(self.server.host, self.server.port)

    def client(self) -> Client:
        return Client(*self.address)

    def load(self) -> Outcome:
        """Insert all rows, in order; what that took. Later calls return what the first did."""
        if self.loading is None:
            with self.client() as client:
                client.create_table(TABLE, self.source.fields)
            self.loading = run_load([Inserts(self.address, self.source, BATCH_ROWS, 1, _BATCHES_IN_FLIGHT)], self.pid)
        return self.loading

    def begin_index(self) -> str:
        """Begin to build the index over the rows; the job. Searches are answered from now on."""
        self.load()
        with self.client() as client:
            params = {**self.source.index_params, **self.source.search_params}
            client.create_index(TABLE, INDEX, VECTOR_FIELD, type="IVF_FLAT", metric=self.source.metric, params=params)
            return client.activate_index(TABLE, INDEX, wait=False).id

    def await_index(self, job: str) -> None:
        """Wait until the index serves."""
        until = time.monotonic() + _PATIENCE_S
        with self.client() as client:
            while not (info := client.get_job(job)).has_ended and time.monotonic() < until:
                time.sleep(_LOOK_S)
        if info.status != "succeeded":
            raise HippodError(f"the index was not built: {info}")

    def index(self) -> None:
        """Build the index, unless it is there."""
        if self.build_s is None:
            started = time.perf_counter()
            self.await_index(self.begin_index())
            self.build_s = time.perf_counter() - started

    def is_trained(self, client: Client) -> bool:
        """Whether a trained index answers now."""
        return any(index.vectors > 0 for index in client.list_indexes(TABLE))

    def saved_index(self) -> Path:
        """The directory of the index that the server saved last."""
        return max((self.directory / "data" / "index").glob("*/*/saved-*"))
