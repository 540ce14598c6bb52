"""The OpenAPI description against the server: requests made from it get only answers that it describes, and never a 5xx."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hippod.testing import ServerProcess

CHECKS = "not_a_server_error,status_code_conformance,response_schema_conformance,content_type_conformance"


def test_made_up_requests_get_described_answers(tmp_path: Path) -> None:
    """On a server of its own: they drop whatever they find."""
    with ServerProcess(tmp_path / "data") as server:
        address = f"http://{server.host}:{server.rest_port}"
        run = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{address}/hippo/v1/_openapi.json", "--url", address]
        bounds = ["--phases", "fuzzing", "--max-examples", "3", "--checks", CHECKS, "--generation-database", "none"]
        done = subprocess.run(
            [*run, "--auth", "shiva:shiva", *bounds], capture_output=True, text=True, timeout=110, check=False, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout
        assert "incident" not in server.log
