"""What the server does by itself is shown among the jobs that users started, but is not one of them."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from hippod.engine.jobs import RUNNING_MAX, Job, Jobs
from hippod.engine.operations import JobStatus
from hippod.errors import WrongState


def of_itself() -> Job:
    return Job("train_index", "d", "t", "ix")


async def test_it_is_shown_while_it_lasts_and_afterwards() -> None:
    jobs, job = Jobs(), of_itself()
    with jobs.shown(job) as progress:
        progress(0.5, "training")
        (running,) = jobs.all()
        assert (running.info().status, running.info().progress, running.info().stage) == (JobStatus.RUNNING, 0.5, "training")
    (ended,) = jobs.all()
    assert (ended.info().status, ended.info().progress, ended.info().ended is None) == (JobStatus.SUCCEEDED, 1.0, False)
    await jobs.cancel(job.id)
    assert jobs.all() == []


@pytest.mark.parametrize(
    ("raised", "status", "error"),
    [(RuntimeError("the host is gone"), JobStatus.FAILED, "the host is gone"), (asyncio.CancelledError(), JobStatus.CANCELED, "canceled")],
)
async def test_it_ends_as_the_work_ends_which_nobody_hides(raised: BaseException, status: JobStatus, error: str) -> None:
    jobs, job = Jobs(), of_itself()
    with pytest.raises(type(raised)), jobs.shown(job):
        raise raised
    assert (job.status, job.error, job.done.is_set()) == (status, error, True)


async def test_nobody_cancels_it_or_waits_for_it() -> None:
    jobs, job = Jobs(), of_itself()
    with jobs.shown(job):
        with pytest.raises(WrongState, match="train_index"):
            await jobs.cancel(job.id)
        assert jobs.running_on("d", "t") is None
        async with asyncio.timeout(10):
            await jobs.cancel_of_table("d", "t")
            await jobs.close()
        assert job.status is JobStatus.RUNNING


async def test_it_takes_no_place_of_a_job_that_somebody_starts() -> None:
    async def nothing(_job: Job) -> None: ...

    jobs = Jobs()
    with ExitStack() as stack:
        for _ in range(RUNNING_MAX):
            stack.enter_context(jobs.shown(of_itself()))
        started = jobs.start(Job("activate_index", "d", "t", "ix"), nothing)
        await started.done.wait()
        assert started.status is JobStatus.SUCCEEDED
