"""A real server process for tests, demos and benchmarks: started on a directory, found by its ready line, stopped or killed at will."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

READY: Final = re.compile(r"ready native=(.+):(\d+) rest=(.+):(\d+)")


class ServerFailed(Exception):
    """The server ended, or did not get ready in time; `exit_code` is None while it runs. The message has the end of its log."""

    def __init__(self, message: str, exit_code: int | None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ServerProcess:
    """`hippod serve` on `data_dir` and free ports. A context manager: it is running inside and has stopped after.

    `arguments` go to the command, `environment` over that of this process; its log is collected in a file, see `log`. `program` is the
    module to run and its first arguments.
    """

    def __init__(
        self,
        data_dir: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        ready_s: float = 120.0,
        program: Sequence[str] = ("hippod", "serve"),
    ) -> None:
        self.data_dir = data_dir
        self.host = "127.0.0.1"
        self.port = 0
        self.rest_port = 0
        self._arguments = arguments
        self._environment = {**os.environ, **(environment or {})}
        self._ready_s = ready_s
        self._program = program
        self._process: subprocess.Popen[str] | None = None
        handle, name = tempfile.mkstemp(".log", "hippod-")
        os.close(handle)
        self._log = Path(name)
        weakref.finalize(self, self._log.unlink, missing_ok=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()

    @property
    def rest_url(self) -> str:
        """Where the REST API begins, without a slash at its end."""
        return f"http://{self.host}:{self.rest_port}/hippo/v1"

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the server was not started"
        return self._process

    @property
    def log(self) -> str:
        """All that the server has logged, over restarts."""
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Start and wait until it is ready, again after it has ended. Raises ServerFailed."""
        if self._process is not None:
            self._close_output()
        ports = ["--port", "0", "--rest-port", "0"]
        command = [sys.executable, "-m", *self._program, "--data-dir", str(self.data_dir), *ports, *self._arguments]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(  # noqa: S603 # our own module
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=self._environment
            )
        ready = READY.match(self._first_line(time.monotonic() + self._ready_s))
        if ready is None:
            self.process.poll()
            code = self.process.returncode
            self.kill()
            raise ServerFailed(f"the server is not ready (exit code {code}); its log ends with:\n{self.log[-2_000:]}", code)
        self.host, self.port = ready[1].strip("[]"), int(ready[2])
        self.rest_port = int(ready[4])

    def _first_line(self, until: float) -> str:
        out = self.process.stdout
        assert out is not None
        if not select.select([out], [], [], max(0.0, until - time.monotonic()))[0]:
            return ""
        line = out.readline()
        if not line:
            self.process.wait(10)
        return line

    def terminate(self, timeout_s: float = 60.0) -> int:
        """Stop in order; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout_s)
        self._close_output()
        return code

    def kill(self) -> None:
        """Stop as a crash does (SIGKILL)."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait(30)
            self._close_output()

    def _close_output(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()
