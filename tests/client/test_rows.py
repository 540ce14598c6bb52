"""Every method of `RowMethods` through both clients, with its success and its failures."""

from __future__ import annotations

import numpy as np
import pytest

from hippod_client import Client, Field, JobInfo, RemoteSource, Rows, WriteResult
from hippod_client import errors as e
from hippod_client.aio.rows import RowMethods
from tests.client.checks import Checks, fails, filled, rows

CHECKS = Checks(RowMethods)


@CHECKS.covers("insert")
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


@CHECKS.covers("upsert")
async def _upsert(client: Client) -> None:
    await filled(client)
    result = await client.upsert("t", {"id": [1, 50, 50], "word": ["a", "b", "c"], "v": np.zeros((3, 4))})
    assert result.succeeded
    assert [row["word"] for row in await client.get("t", [1, 50], ["word"])] == ["a", "c"]
    assert await client.count("t") == 11
    await fails(e.Rejected, client.upsert("t", {"id": [1]}), "'v'")


@CHECKS.covers("update")
async def _update(client: Client) -> None:
    await filled(client)
    result = await client.update("t", {"id": [2, 99], "word": ["new", "lost"]})
    assert (result.count, [(f.position, f.code) for f in result.failures]) == (1, [(1, "NOT_FOUND")])
    (row,) = await client.get("t", [2])
    assert (row["word"], list(row["v"])) == ("new", [2, 2, 2, 2])
    await fails(e.Rejected, client.update("t", {"word": ["x"]}), "'id'")


@CHECKS.covers("delete")
async def _delete(client: Client) -> None:
    await filled(client)
    result = await client.delete("t", [0, 99, 5])
    assert (result.count, [(f.position, f.code) for f in result.failures]) == (2, [(1, "NOT_FOUND")])
    assert (await client.delete("t", np.array([1, 2]))).count == 2
    assert await client.count("t") == 6
    await fails(e.TypeMismatch, client.delete("t", ["a"]), "'id'")
    await fails(e.LimitExceeded, client.delete("t", []))


@CHECKS.covers("delete_by_query")
async def _delete_by_query(client: Client) -> None:
    await filled(client)
    assert (await client.delete_by_query("t", "word == 'w1'")).count == 3
    assert (await client.delete_by_query("t", "id > 100")).count == 0
    assert await client.count("t") == 7
    await fails(e.Rejected, client.delete_by_query("t", ""))
    error = await fails(e.FilterError, client.delete_by_query("t", "id >"))
    assert error.details["column"] == 5


@CHECKS.covers("get")
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


@CHECKS.covers("copy_by_query")
async def _copy_by_query(client: Client) -> None:
    await filled(client)
    await client.create_table("u", [Field("id", "int64", primary_key=True), Field("text", "string", nullable=True)])
    job = await client.copy_by_query("t", "u", "id < 6", fields=["id", "word"], to_fields=["id", "text"])
    assert isinstance(job, JobInfo)
    assert (job.status, job.rows, job.action) == ("succeeded", 6, "copy_by_query")
    assert (await client.query("u", "id == 4")).to_dicts() == [{"id": 4, "text": "w1"}]
    await client.copy_by_query("t", "u", fields=["id"], mode="upsert")
    assert await client.count("u", "text is null") == 10
    with pytest.raises(e.JobFailed, match="10"):
        await client.copy_by_query("t", "u", fields=["id"])
    ends = await client.copy_by_query("t", "u", "id < 2", fields=["id"], mode="update", wait=False)
    assert ends.table
    await fails(e.TableNotFound, client.copy_by_query("t", "u", to_database="default"))
    await fails(e.FieldNotFound, client.copy_by_query("t", "u", fields=["none"]))
    await fails(e.BadRequest, client.copy_by_query("t", "u", mode="merge"))
    nowhere = RemoteSource(["localhost:1"], "shiva", "shiva")
    await fails(e.HippodError, client.copy_by_query("t", "u", remote=nowhere), "localhost:1")


@CHECKS.covers("delete_matching")
async def _delete_matching(client: Client) -> None:
    await filled(client)
    job = await client.delete_matching("t", "word == 'w1'")
    assert (job.status, job.rows) == ("succeeded", 3)
    assert await client.count("t") == 7
    await fails(e.FilterError, client.delete_matching("t", "id ="))
    await fails(e.TableNotFound, client.delete_matching("u", "id > 0"))


@pytest.mark.parametrize("method", CHECKS.each())
async def test_method(both: Client, method: str) -> None:
    await CHECKS[method](both)


def test_every_method_has_a_check() -> None:
    assert not CHECKS.missing()
