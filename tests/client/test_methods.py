"""Every public method of both clients once, with its success and its failures. A method without a check here fails the suite."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from hippod_client import Client, DataType, Field, Hits, JobInfo, Rows, SearchResult, StatusInfo, TableInfo, WriteResult
from hippod_client import errors as e
from hippod_client.administration import Administration
from hippod_client.sync import Client as SyncClient

Check = Callable[[Client], Awaitable[None]]
CHECKS: dict[str, Check] = {}
FIELDS = [
    Field("id", DataType.INT64, primary_key=True),
    Field("word", DataType.STRING, nullable=True),
    Field("v", DataType.FLOAT_VECTOR, dimension=4),
]


def covers(method: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        CHECKS[method] = check
        return check

    return register


def public_methods() -> set[str]:
    return {name for name, _ in inspect.getmembers(Client, inspect.isfunction) if not name.startswith("_")}


@pytest.mark.parametrize("method", sorted(public_methods() - vars(Administration).keys()))
async def test_method(both: Client, method: str) -> None:
    await CHECKS[method](both)


def test_both_clients_have_the_same_methods_with_the_same_arguments_and_words() -> None:
    for name in sorted(public_methods()):
        twin = getattr(SyncClient, name, None)
        assert twin is not None, name
        assert inspect.signature(getattr(Client, name)) == inspect.signature(twin), name
        assert twin.__doc__, name
        assert twin.__doc__ == getattr(Client, name).__doc__, name
    of_both = [{name for name in vars(client) if not name.startswith("_")} for client in (Client, SyncClient)]
    assert of_both[0] == of_both[1]


def rows(first: int = 0, count: int = 10) -> dict[str, Any]:
    ids = np.arange(first, first + count)
    return {"id": ids, "word": [f"w{n % 3}" for n in ids.tolist()], "v": np.repeat(ids.astype(np.float32), 4).reshape(-1, 4)}


async def filled(client: Client, *, indexed: bool = False) -> None:
    """The table `t` with ten rows, row i at (i, i, i, i)."""
    await client.create_table("t", FIELDS)
    await client.insert("t", rows())
    if indexed:
        await client.create_index("t", "ix", "v", type="FLAT")
        await client.activate_index("t", "ix")


async def fails(error: type[e.HippodError], call: Any, *words: str) -> e.HippodError:
    with pytest.raises(error) as raised:
        await call
    for word in words:
        assert word in str(raised.value)
    assert not raised.value.outcome_unknown
    return raised.value


@covers("connect")
async def _connect(client: Client) -> None:
    await client.connect()
    assert client.server_id is not None
    assert len(client.server_id) == 32


@covers("close")
async def _close(client: Client) -> None:
    await client.close()
    await client.close()
    await fails(e.ConnectionLost, client.ping(), "closed")


@covers("ping")
async def _ping(client: Client) -> None:
    await client.ping()
    await fails(e.ClientTimeout, client.ping(timeout=0.0))
    await client.ping()


@covers("status")
async def _status(client: Client) -> None:
    status = await client.status()
    assert isinstance(status, StatusInfo)
    assert (status.mode, status.server_id) == ("ready", client.server_id)
    assert status.durable_lsn >= status.applied_lsn > 0


@covers("create_database")
async def _create_database(client: Client) -> None:
    await client.create_database("created_here")
    await fails(e.AlreadyExists, client.create_database("created_here"), "created_here")
    await fails(e.InvalidName, client.create_database("no/slash"), "no/slash")
    await client.drop_database("created_here")


@covers("drop_database")
async def _drop_database(client: Client) -> None:
    await client.create_table("t", FIELDS)
    await fails(e.Rejected, client.drop_database(client.database), "table")
    await fails(e.DatabaseNotFound, client.drop_database("nowhere"), "nowhere")
    await client.drop_table("t")
    await client.drop_database(client.database)
    assert client.database not in await client.list_databases()


@covers("list_databases")
async def _list_databases(client: Client) -> None:
    found = await client.list_databases()
    assert found == sorted(found)
    assert {"default", client.database} <= set(found)


@covers("create_table")
async def _create_table(client: Client) -> None:
    await client.create_table("t", FIELDS, tablets=3)
    assert (await client.describe_table("t")).tablets == 3
    await fails(e.AlreadyExists, client.create_table("t", FIELDS), "'t'")
    await fails(e.InvalidName, client.create_table("..", FIELDS))
    await fails(e.LimitExceeded, client.create_table("u", FIELDS, tablets=65), "64")
    await fails(e.Rejected, client.create_table("u", [Field("v", "float_vector", dimension=0, primary_key=True)]))
    await fails(e.Rejected, client.create_table("u", FIELDS[1:]), "primary key")
    await fails(e.BadRequest, client.create_table("u", [Field("k", "int65", primary_key=True)]), "int65")
    assert await client.list_tables() == ["t"]


@covers("drop_table")
async def _drop_table(client: Client) -> None:
    await client.create_table("t", FIELDS)
    await client.drop_table("t")
    assert await client.list_tables() == []
    await fails(e.TableNotFound, client.drop_table("t"), "table t not exist")


@covers("describe_table")
async def _describe_table(client: Client) -> None:
    await filled(client, indexed=True)
    info = await client.describe_table("t")
    assert isinstance(info, TableInfo)
    assert (info.table, info.database, info.rows, info.tablets, info.auto_id) == ("t", client.database, 10, 1, False)
    assert (info.primary_key.name, info.field("v").dimension, info.field("word").nullable) == ("id", 4, True)
    (index,) = info.indexes
    assert (index.index, index.field, index.type, index.metric, index.state) == ("ix", "v", "FLAT", "l2", "active")
    with pytest.raises(e.FieldNotFound):
        info.field("none")
    await fails(e.TableNotFound, client.describe_table("u"))


@covers("list_tables")
async def _list_tables(client: Client) -> None:
    for name in ("b", "a"):
        await client.create_table(name, FIELDS)
    assert await client.list_tables() == ["a", "b"]
    client.database = "nowhere"
    await fails(e.DatabaseNotFound, client.list_tables())


@covers("insert")
async def _insert(client: Client) -> None:
    await filled(client)
    result = await client.insert("t", rows(8, 4))
    assert isinstance(result, WriteResult)
    assert (result.count, result.succeeded, result.keys) == (2, False, None)
    assert [(f.position, f.code) for f in result.failures] == [(0, "ALREADY_EXISTS"), (1, "ALREADY_EXISTS")]
    with pytest.raises(e.AlreadyExists, match="8"):
        result.raise_for_failures()
    assert (await client.insert("t", rows(20))).raise_for_failures().count == 10
    bad = rows(100, 3)
    bad["v"][1, 2] = np.nan
    error = await fails(e.InvalidVector, client.insert("t", bad), "vector 1", "'v'")
    assert error.details["position"] == 1
    await fails(e.InvalidVector, client.insert("t", {**rows(100), "v": np.ones((10, 3))}), "dimension 4")
    await fails(e.FieldNotFound, client.insert("t", {**rows(100), "x": range(10)}), "'x'")
    await fails(e.Rejected, client.insert("t", {**rows(100), "word": ["short"]}), "1 rows")
    await fails(e.LimitExceeded, client.insert("t", {"id": np.arange(100_001)}), "100000")
    await fails(e.TypeMismatch, client.insert("t", {**rows(100), "word": object()}), "'word'")
    await fails(e.TypeMismatch, client.insert("t", {**rows(100), "word": [1, "a"] * 5}), "'word'")
    await fails(e.LimitExceeded, client.insert("t", {**rows(100), "word": ["x" * (8 << 20)] * 10}))
    await fails(e.TableNotFound, client.insert("u", rows()))
    assert await client.count("t") == 22


@covers("upsert")
async def _upsert(client: Client) -> None:
    await filled(client)
    result = await client.upsert("t", {"id": [1, 50, 50], "word": ["a", "b", "c"], "v": np.zeros((3, 4))})
    assert result.succeeded
    assert [row["word"] for row in await client.get("t", [1, 50], ["word"])] == ["a", "c"]
    assert await client.count("t") == 11
    await fails(e.Rejected, client.upsert("t", {"id": [1]}), "'v'")


@covers("update")
async def _update(client: Client) -> None:
    await filled(client)
    result = await client.update("t", {"id": [2, 99], "word": ["new", "lost"]})
    assert (result.count, [(f.position, f.code) for f in result.failures]) == (1, [(1, "NOT_FOUND")])
    (row,) = await client.get("t", [2])
    assert (row["word"], list(row["v"])) == ("new", [2, 2, 2, 2])
    await fails(e.Rejected, client.update("t", {"word": ["x"]}), "'id'")


@covers("delete")
async def _delete(client: Client) -> None:
    await filled(client)
    result = await client.delete("t", [0, 99, 5])
    assert (result.count, [(f.position, f.code) for f in result.failures]) == (2, [(1, "NOT_FOUND")])
    assert (await client.delete("t", np.array([1, 2]))).count == 2
    assert await client.count("t") == 6
    await fails(e.TypeMismatch, client.delete("t", ["a"]), "'id'")
    await fails(e.LimitExceeded, client.delete("t", []))


@covers("delete_by_query")
async def _delete_by_query(client: Client) -> None:
    await filled(client)
    assert (await client.delete_by_query("t", "word == 'w1'")).count == 3
    assert (await client.delete_by_query("t", "id > 100")).count == 0
    assert await client.count("t") == 7
    await fails(e.Rejected, client.delete_by_query("t", ""))
    error = await fails(e.FilterError, client.delete_by_query("t", "id >"))
    assert error.details["column"] == 5


@covers("get")
async def _get(client: Client) -> None:
    await filled(client)
    found = await client.get("t", [9, 77, 3])
    assert isinstance(found, Rows)
    assert found.positions is not None
    assert found.positions.tolist() == [0, 2]
    assert found.column("id").tolist() == [9, 3]
    assert found.column("v").shape == (2, 4)
    assert list(found[0]) == ["id", "word", "v"]
    assert (await client.get("t", [4], ["word"])).to_dicts() == [{"word": "w1"}]
    assert len(await client.get("t", [77])) == 0
    await fails(e.FieldNotFound, client.get("t", [1], ["none"]), "'none'")
    await fails(e.TypeMismatch, client.get("t", ["x"]))


@covers("query")
async def _query(client: Client) -> None:
    await filled(client)
    found = await client.query("t", "word == 'w0' and id > 0", ["id"], limit=2, offset=1)
    assert found.to_dicts() == [{"id": 6}, {"id": 9}]
    assert list((await client.query("t")).columns) == ["id", "word"]
    assert (await client.query("t", "id < 0")).to_dicts() == []
    error = await fails(e.FilterError, client.query("t", "id == 'x'"))
    assert isinstance(error.details["column"], int)
    await fails(e.LimitExceeded, client.query("t", limit=100_001), "100000")
    await fails(e.LimitExceeded, client.query("t", offset=-1))
    await fails(e.FieldNotFound, client.query("t", "", ["none"]))
    await fails(e.LimitExceeded, client.query("t", "x" * (1 << 20)))


@covers("count")
async def _count(client: Client) -> None:
    await filled(client)
    assert await client.count("t") == 10
    assert await client.count("t", "id >= 4") == 6
    await fails(e.FilterError, client.count("t", "none == 1"), "none")
    await fails(e.TableNotFound, client.count("u"))


@covers("search")
async def _search(client: Client) -> None:
    await filled(client)
    await fails(e.IndexNotFound, client.search("t", [1, 1, 1, 1]))
    await client.create_index("t", "ix", "v", type="FLAT")
    await fails(e.WrongState, client.search("t", [1, 1, 1, 1]))
    await client.activate_index("t", "ix")
    found = await client.search("t", np.array([[1, 1, 1, 1.1], [8, 8, 8, 8]]), 3, output_fields=["word"])
    assert isinstance(found, SearchResult)
    assert isinstance(found[0], Hits)
    assert (len(found), found.counts.tolist(), found[0].ids.tolist()[:1]) == (2, [3, 3], [1])
    assert found[1].scores.tolist() == [0.0, 4.0, 4.0]
    assert (found[1][0].id, found[1][0].score, found[1][0].fields["word"]) == (8, 0.0, "w2")
    assert [hit.id for hit in (await client.search("t", [0, 0, 0, 0], 20, filter="word == 'w1'"))[0]] == [1, 4, 7]
    assert (await client.search("t", [0, 0, 0, 0], 1, index="ix", field="v")).ids.tolist() == [0]
    assert (await client.search("t", [0, 0, 0, 0], 3, offset=2)).ids.tolist() == [2, 3, 4]
    assert (await client.search("t", [0, 0, 0, 0], 3, radius=4.0)).ids.tolist() == [0, 1]
    groups = await client.search("t", [0, 0, 0, 0], 2, group_by="word", group_size=2)
    assert [(hit.id, hit.fields["word"]) for hit in groups[0]] == [(0, "w0"), (3, "w0"), (1, "w1"), (4, "w1")]
    for k in (0, -1, 10_001):
        await fails(e.LimitExceeded, client.search("t", [0, 0, 0, 0], k), "10000")
    await fails(e.InvalidVector, client.search("t", [0, 0, 0]), "4")
    await fails(e.InvalidVector, client.search("t", [0, 0, 0, np.inf]))
    await fails(e.TypeMismatch, client.search("t", "abcd"))
    await fails(e.TypeMismatch, client.search("t", np.zeros((1, 2, 2))))
    await fails(e.FilterError, client.search("t", [0, 0, 0, 0], filter="(id"))
    await fails(e.FieldNotFound, client.search("t", [0, 0, 0, 0], output_fields=["none"]))
    await fails(e.IndexNotFound, client.search("t", [0, 0, 0, 0], index="none"))


@covers("create_index")
async def _create_index(client: Client) -> None:
    await filled(client)
    await client.create_index("t", "ix", "v", type="IVF_FLAT", metric="l2", params={"nlist": 4})
    (index,) = await client.list_indexes("t")
    assert (index.type, index.state, index.params) == ("IVF_FLAT", "created", {"nlist": 4})
    await fails(e.AlreadyExists, client.create_index("t", "ix", "v"))
    await fails(e.FieldNotFound, client.create_index("t", "iy", "none"))
    await fails(e.Rejected, client.create_index("t", "iy", "word"))
    await fails(e.Rejected, client.create_index("t", "iy", "v", type="NO_SUCH"))
    await fails(e.Rejected, client.create_index("t", "iy", "v", metric="manhattan"))
    await fails(e.Rejected, client.create_index("t", "iy", "v", type="IVF_FLAT", params={"nlist": -1}))
    await fails(e.InvalidVector, client.create_index("t", "iy", "v", metric="cosine"), "zero vector")
    await fails(e.InvalidName, client.create_index("t", "i/y", "v"))


@covers("activate_index")
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


@covers("rebuild_index")
async def _rebuild_index(client: Client) -> None:
    await filled(client)
    await client.create_index("t", "ix", "v", type="FLAT")
    await fails(e.WrongState, client.rebuild_index("t", "ix"))
    await client.activate_index("t", "ix")
    assert (await client.rebuild_index("t", "ix")).status == "succeeded"
    assert (await client.search("t", [3, 3, 3, 3], 1)).ids.tolist() == [3]


@covers("compact_index")
async def _compact_index(client: Client) -> None:
    await filled(client, indexed=True)
    job = await client.compact_index("t", "ix")
    assert (job.status, job.action) == ("succeeded", "compact_index")
    await client.create_index("t", "iy", "v", type="FLAT")
    await fails(e.WrongState, client.compact_index("t", "iy"))


@covers("set_auto_compaction")
async def _set_auto_compaction(client: Client) -> None:
    await filled(client, indexed=True)
    assert [index.auto_compaction for index in await client.list_indexes("t")] == [True]
    await client.set_auto_compaction("t", "ix", enabled=False)
    assert [index.auto_compaction for index in await client.list_indexes("t")] == [False]
    await fails(e.IndexNotFound, client.set_auto_compaction("t", "none", enabled=True))


@covers("release_index")
async def _release_index(client: Client) -> None:
    await filled(client, indexed=True)
    await client.release_index("t", "ix")
    await fails(e.WrongState, client.search("t", [3, 3, 3, 3]))
    await client.create_index("t", "iy", "v", type="FLAT")
    await fails(e.WrongState, client.release_index("t", "iy"))
    await fails(e.IndexNotFound, client.release_index("t", "none"))


@covers("load_index")
async def _load_index(client: Client) -> None:
    await filled(client, indexed=True)
    await client.release_index("t", "ix")
    assert (await client.load_index("t", "ix")).action == "load_index"
    assert (await client.search("t", [3, 3, 3, 3], 1)).ids.tolist() == [3]
    await client.create_index("t", "iy", "v", type="FLAT")
    await fails(e.WrongState, client.load_index("t", "iy"))


@covers("drop_index")
async def _drop_index(client: Client) -> None:
    await filled(client, indexed=True)
    await client.drop_index("t", "ix")
    assert await client.list_indexes("t") == []
    await fails(e.IndexNotFound, client.drop_index("t", "ix"))
    assert await client.count("t") == 10


@covers("list_indexes")
async def _list_indexes(client: Client) -> None:
    await filled(client, indexed=True)
    (index,) = await client.list_indexes("t")
    assert (index.index, index.state, index.engine[:5], index.vectors) == ("ix", "active", "exact", 0)
    await fails(e.TableNotFound, client.list_indexes("u"))


@covers("describe_recall")
async def _describe_recall(client: Client) -> None:
    await filled(client, indexed=True)
    assert len((await client.search("t", [1, 1, 1, 1], 2, params={"recall": 0.9}))[0]) == 2
    described = await client.describe_recall("t", "ix")
    assert (described.measuring, described.curves, described.audited) == ("", (), ())
    await fails(e.IndexNotFound, client.describe_recall("t", "iy"))
    await fails(e.Rejected, client.search("t", [1, 1, 1, 1], 2, params={"recall": 2}))


@covers("get_job")
async def _get_job(client: Client) -> None:
    await filled(client)
    await client.create_index("t", "ix", "v", type="FLAT")
    job = await client.activate_index("t", "ix")
    assert await client.get_job(job.id) == job
    await fails(e.JobNotFound, client.get_job("none"))


@covers("list_jobs")
async def _list_jobs(client: Client) -> None:
    await filled(client, indexed=True)
    assert any((job.database, job.action) == (client.database, "activate_index") for job in await client.list_jobs())


@covers("cancel_job")
async def _cancel_job(client: Client) -> None:
    await filled(client)
    await client.create_index("t", "ix", "v", type="FLAT")
    job = await client.activate_index("t", "ix")
    await client.cancel_job(job.id)
    await fails(e.JobNotFound, client.get_job(job.id))
    await fails(e.JobNotFound, client.cancel_job(job.id))
