"""Every method of `IndexMethods` through both clients, with its success and its failures."""

from __future__ import annotations

import pytest

from hippod_client import Client, JobInfo, ScalarIndexInfo
from hippod_client import errors as e
from hippod_client.aio.indexes import IndexMethods
from tests.client.checks import Checks, fails, filled

CHECKS = Checks(IndexMethods)


@CHECKS.covers("create_index")
async def _create_index(client: Client) -> None:
    await filled(client)
    await client.create_index("t", "ix", "v", type="IVF_FLAT", metric="l2", params={"nlist": 4})
    (index,) = await client.list_indexes("t")
    assert (index.type, index.state, index.params) == ("IVF_FLAT", "created", {"nlist": 4})
    await fails(e.AlreadyExists, client.create_index("t", "ix", "v"))
    await fails(e.FieldNotFound, client.create_index("t", "iy", "none"))
    await fails(e.Rejected, client.create_index("t", "iy", "word"), "vector fields of this table: v")
    await fails(e.Rejected, client.create_index("t", "iy", "v", type="NO_SUCH"), "takes AUTO, FLAT, ")
    await fails(e.Rejected, client.create_index("t", "iy", "v", metric="manhattan"), "takes l2, ip, cosine")
    await fails(
        e.Rejected, client.create_index("t", "iy", "v", type="IVF_FLAT", params={"nlist": -1}), "nlist is a whole number from 1 to "
    )
    await fails(e.InvalidVector, client.create_index("t", "iy", "v", metric="cosine"), "zero vector")
    await fails(e.InvalidName, client.create_index("t", "i/y", "v"))


@CHECKS.covers("activate_index")
async def _activate_index(client: Client) -> None:
    await filled(client)
    await client.create_index("t", "ix", "v", type="FLAT")
    seen: list[JobInfo] = []
    job = await client.activate_index("t", "ix", progress=seen.append)
    assert (job.status, job.has_ended, job.table, job.index, job.progress) == ("succeeded", True, "t", "ix", 1.0)
    assert seen[-1] == job
    assert (await client.activate_index("t", "ix")).status == "succeeded"
    job = await client.activate_index("t", "ix", wait=False)
    assert (await client.get_job(job.id)).id == job.id
    await fails(e.IndexNotFound, client.activate_index("t", "none"))


@CHECKS.covers("rebuild_index")
async def _rebuild_index(client: Client) -> None:
    await filled(client)
    await client.create_index("t", "ix", "v", type="FLAT")
    await fails(e.WrongState, client.rebuild_index("t", "ix"))
    await client.activate_index("t", "ix")
    assert (await client.rebuild_index("t", "ix")).status == "succeeded"
    assert (await client.search("t", [3, 3, 3, 3], 1)).ids.tolist() == [3]


@CHECKS.covers("compact_index")
async def _compact_index(client: Client) -> None:
    await filled(client, indexed=True)
    job = await client.compact_index("t", "ix")
    assert (job.status, job.action) == ("succeeded", "compact_index")
    await client.create_index("t", "iy", "v", type="FLAT")
    await fails(e.WrongState, client.compact_index("t", "iy"))


@CHECKS.covers("set_auto_compaction")
async def _set_auto_compaction(client: Client) -> None:
    await filled(client, indexed=True)
    assert [index.auto_compaction for index in await client.list_indexes("t")] == [True]
    await client.set_auto_compaction("t", "ix", enabled=False)
    assert [index.auto_compaction for index in await client.list_indexes("t")] == [False]
    await fails(e.IndexNotFound, client.set_auto_compaction("t", "none", enabled=True))


@CHECKS.covers("release_index")
async def _release_index(client: Client) -> None:
    await filled(client, indexed=True)
    await client.release_index("t", "ix")
    await fails(e.WrongState, client.search("t", [3, 3, 3, 3]))
    await client.create_index("t", "iy", "v", type="FLAT")
    await fails(e.WrongState, client.release_index("t", "iy"))
    await fails(e.IndexNotFound, client.release_index("t", "none"))


@CHECKS.covers("load_index")
async def _load_index(client: Client) -> None:
    await filled(client, indexed=True)
    await client.release_index("t", "ix")
    assert (await client.load_index("t", "ix")).action == "load_index"
    assert (await client.search("t", [3, 3, 3, 3], 1)).ids.tolist() == [3]
    await client.create_index("t", "iy", "v", type="FLAT")
    await fails(e.WrongState, client.load_index("t", "iy"))


@CHECKS.covers("drop_index")
async def _drop_index(client: Client) -> None:
    await filled(client, indexed=True)
    await client.drop_index("t", "ix")
    assert await client.list_indexes("t") == []
    await fails(e.IndexNotFound, client.drop_index("t", "ix"))
    assert await client.count("t") == 10


@CHECKS.covers("list_indexes")
async def _list_indexes(client: Client) -> None:
    await filled(client, indexed=True)
    (index,) = await client.list_indexes("t")
    assert (index.index, index.state, index.engine[:5], index.vectors) == ("ix", "active", "exact", 0)
    await fails(e.TableNotFound, client.list_indexes("u"))


@CHECKS.covers("describe_recall")
async def _describe_recall(client: Client) -> None:
    await filled(client, indexed=True)
    assert len((await client.search("t", [1, 1, 1, 1], 2, params={"recall": 0.9}))[0]) == 2
    described = await client.describe_recall("t", "ix")
    assert (described.measuring, described.curves, described.audited) == ("", (), ())
    await fails(e.IndexNotFound, client.describe_recall("t", "iy"))
    await fails(e.Rejected, client.search("t", [1, 1, 1, 1], 2, params={"recall": 2}))


@CHECKS.covers("create_scalar_index", "drop_scalar_index", "list_scalar_indexes")
async def _scalar_indexes(client: Client) -> None:
    await filled(client)
    await client.create_scalar_index("t", "by_word", ["word", "id"])
    (found,) = await client.list_scalar_indexes("t")
    assert isinstance(found, ScalarIndexInfo)
    assert (found.index, found.fields) == ("by_word", ["word", "id"])
    assert (await client.describe_table("t")).scalar_indexes == (found,)
    assert await client.count("t", "word == 'w1'") == 3
    await fails(e.AlreadyExists, client.create_scalar_index("t", "by_word", ["id"]))
    await fails(e.FieldNotFound, client.create_scalar_index("t", "other", ["none"]))
    await client.drop_scalar_index("t", "by_word")
    assert await client.list_scalar_indexes("t") == []
    await fails(e.IndexNotFound, client.drop_scalar_index("t", "by_word"))


@pytest.mark.parametrize("method", CHECKS.each())
async def test_method(both: Client, method: str) -> None:
    await CHECKS[method](both)


def test_every_method_has_a_check() -> None:
    assert not CHECKS.missing()
