"""Every method of `JobMethods` through both clients, with its success and its failures."""

from __future__ import annotations

import pytest

from hippod_client import Client
from hippod_client import errors as e
from hippod_client.aio.jobs import JobMethods
from tests.client.checks import Checks, fails, filled

CHECKS = Checks(JobMethods)


@CHECKS.covers("get_job")
async def _get_job(client: Client) -> None:
    await filled(client)
    await client.create_index("t", "ix", "v", type="FLAT")
    job = await client.activate_index("t", "ix")
    assert await client.get_job(job.id) == job
    await fails(e.JobNotFound, client.get_job("none"))


@CHECKS.covers("list_jobs")
async def _list_jobs(client: Client) -> None:
    await filled(client, indexed=True)
    assert any((job.database, job.action) == (client.database, "activate_index") for job in await client.list_jobs())


@CHECKS.covers("cancel_job")
async def _cancel_job(client: Client) -> None:
    await filled(client)
    await client.create_index("t", "ix", "v", type="FLAT")
    job = await client.activate_index("t", "ix")
    await client.cancel_job(job.id)
    await fails(e.JobNotFound, client.get_job(job.id))
    await fails(e.JobNotFound, client.cancel_job(job.id))


@pytest.mark.parametrize("method", CHECKS.each())
async def test_method(both: Client, method: str) -> None:
    await CHECKS[method](both)


def test_every_method_has_a_check() -> None:
    assert not CHECKS.missing()
