"""Jobs over REST."""

from __future__ import annotations

import numpy as np

from hippod_client import DataType, Field
from hippod_client.sync import Client
from tests.rest.harness import Rest


def test_jobs_are_listed_by_id_and_pattern_and_forgotten(rest: Rest, client: Client) -> None:
    client.create_table("t", [Field("id", DataType.INT64, primary_key=True), Field("v", DataType.FLOAT_VECTOR, dimension=2)])
    client.insert("t", {"id": np.arange(3), "v": np.eye(3, 2, dtype=np.float32)})
    client.create_index("t", "ix", "v", type="FLAT")
    job = client.activate_index("t", "ix").id
    (shown,) = rest.ok("GET", "/_jobs?pretty", {"action_patterns": ["hippo*"], "job_jds": [job]})["jobs"]
    assert (shown["job_id"], shown["job_status"], shown["action"]) == (job, "SHIVA_JOB_SUCCESS", "hippo/activate_index")
    assert shown["embedding_number"] == 3
    assert shown["task_results"][0]["status"] == "TASK_SUCCESS"
    assert rest.ok("GET", "/_jobs", {"action_patterns": ["other*"], "job_ids": [job]}) == {"jobs": []}
    assert rest.ok("DELETE", f"/_jobs/{job}?pretty", '""') == {"acknowledged": True}
    assert rest("DELETE", f"/_jobs/{job}").status == 404
