"""Every method of `MaintenanceMethods` through both clients, with its success and its failures."""

from __future__ import annotations

import pytest

from hippod_client import Client, FieldStatistics, TabletStatistics
from hippod_client import errors as e
from hippod_client.aio.maintenance import MaintenanceMethods
from tests.client.checks import Checks, fails, filled

CHECKS = Checks(MaintenanceMethods)


@CHECKS.covers("analyze_table", "get_statistics")
async def _statistics(client: Client) -> None:
    await filled(client)
    await fails(e.WrongState, client.get_statistics("t"))
    job = await client.analyze_table("t", ["id", "word"])
    assert (job.status, job.action) == ("succeeded", "analyze_table")
    (found,) = await client.get_statistics("t")
    assert isinstance(found, TabletStatistics)
    assert found.is_current
    assert found.fields == (FieldStatistics("id", 10, 10, 0.0, 1.0), FieldStatistics("word", 10, 3, 0.0, found.fields[1].correlation))
    assert [one.field for one in (await client.get_statistics("t", ["word"]))[0].fields] == ["word"]
    await client.delete("t", [1])
    assert not (await client.get_statistics("t"))[0].is_current
    await client.analyze_table("t", refresh=True)
    assert [one.keys for one in (await client.get_statistics("t"))[0].fields] == [9, 9, 9]
    await fails(e.FieldNotFound, client.analyze_table("t", ["none"]))


@CHECKS.covers("warm_up_table")
async def _warm_up_table(client: Client) -> None:
    await filled(client)
    assert (await client.warm_up_table("t")).status == "succeeded"
    job = await client.warm_up_table("t", wait=False)
    assert (await client.get_job(job.id)).action == "warm_up_table"
    await fails(e.TableNotFound, client.warm_up_table("u"))


@CHECKS.covers("compact_table")
async def _compact_table(client: Client) -> None:
    await filled(client)
    await client.delete("t", [1, 2])
    assert (await client.compact_table("t")).status == "succeeded"
    assert await client.count("t") == 8
    await fails(e.TableNotFound, client.compact_table("u"))


@CHECKS.covers("drop_caches")
async def _drop_caches(client: Client) -> None:
    await filled(client)
    assert await client.count("t", "id > 4") == 5
    await client.drop_caches()
    await client.drop_caches(indexes=True)
    assert await client.count("t", "id > 4") == 5


@pytest.mark.parametrize("method", CHECKS.each())
async def test_method(both: Client, method: str) -> None:
    await CHECKS[method](both)


def test_every_method_has_a_check() -> None:
    assert not CHECKS.missing()
