"""Every method of `TableMethods` through both clients, with its success and its failures."""

from __future__ import annotations

import pytest

from hippod_client import (
    AliasInfo,
    Client,
    DataType,
    Field,
    Partition,
    Partitioning,
    PartitioningInfo,
    TableInfo,
    TemplateInfo,
    TrashedTable,
)
from hippod_client import errors as e
from hippod_client.aio.tables import TableMethods
from tests.client.checks import FIELDS, Checks, fails, filled, rows

CHECKS = Checks(TableMethods)


@CHECKS.covers("create_database")
async def _create_database(client: Client) -> None:
    await client.create_database("created_here")
    await fails(e.AlreadyExists, client.create_database("created_here"), "created_here")
    await fails(e.InvalidName, client.create_database("no/slash"), "no/slash")
    await client.drop_database("created_here")


@CHECKS.covers("drop_database")
async def _drop_database(client: Client) -> None:
    await client.create_table("t", FIELDS)
    await fails(e.Rejected, client.drop_database(client.database), "table")
    await fails(e.DatabaseNotFound, client.drop_database("nowhere"), "nowhere")
    await client.drop_table("t")
    await client.drop_database(client.database)
    assert client.database not in await client.list_databases()


@CHECKS.covers("list_databases")
async def _list_databases(client: Client) -> None:
    found = await client.list_databases()
    assert found == sorted(found)
    assert {"default", client.database} <= set(found)


@CHECKS.covers("create_table")
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


@CHECKS.covers("drop_table")
async def _drop_table(client: Client) -> None:
    await client.create_table("t", FIELDS)
    await client.drop_table("t")
    assert await client.list_tables() == []
    await fails(e.TableNotFound, client.drop_table("t"), "table t not exist")
    await client.create_table("u", FIELDS)
    await client.drop_table("u", purge=True)
    assert [table.table for table in await client.list_trash()] == ["t"]


@CHECKS.covers("describe_table")
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


@CHECKS.covers("list_tables")
async def _list_tables(client: Client) -> None:
    for name in ("b", "a"):
        await client.create_table(name, FIELDS)
    assert await client.list_tables() == ["a", "b"]
    client.database = "nowhere"
    await fails(e.DatabaseNotFound, client.list_tables())


@CHECKS.covers("rename_table")
async def _rename_table(client: Client) -> None:
    await filled(client)
    before = await client.describe_table("t")
    await client.rename_table("t", "u")
    assert (await client.describe_table("u")).id == before.id
    await client.create_table("t", FIELDS)
    await fails(e.AlreadyExists, client.rename_table("t", "u"), "'u'")
    await fails(e.TableNotFound, client.rename_table("nope", "x"))


@CHECKS.covers("restore_table", "purge_table", "list_trash")
async def _trash(client: Client) -> None:
    await filled(client)
    await client.drop_table("t")
    (found,) = await client.list_trash()
    assert isinstance(found, TrashedTable)
    assert (found.table, found.database, found.rows) == ("t", client.database, 10)
    assert found.dropped < found.expires
    await client.restore_table(found.id, "u")
    assert await client.count("u") == 10
    await client.drop_table("u")
    await client.restore_table("u")
    await client.drop_table("u")
    await client.purge_table("u")
    assert await client.list_trash() == []
    await fails(e.TableNotFound, client.restore_table("u"), "trash")
    await fails(e.TableNotFound, client.purge_table("u"), "trash")


@CHECKS.covers("close_tables", "open_tables")
async def _close_tables(client: Client) -> None:
    await filled(client)
    await client.close_tables("t,x*")
    await fails(e.TableClosed, client.count("t"), "open it first")
    await client.open_tables("*")
    assert await client.count("t") == 10
    await fails(e.TableNotFound, client.close_tables("nope"))
    await fails(e.InvalidName, client.open_tables("a b"))


@CHECKS.covers("add_alias", "remove_alias", "drop_alias", "list_aliases")
async def _aliases(client: Client) -> None:
    await filled(client)
    await client.create_table("u", FIELDS)
    await client.add_alias("a", "t")
    await client.add_alias("a", "u", is_write_table=True)
    assert await client.list_aliases("a*") == [AliasInfo("a", client.database, ["t", "u"], "u")]
    assert await client.count("a") == 10
    await client.remove_alias("a", "t")
    assert await client.count("a") == 0
    await client.drop_alias("a")
    assert await client.list_aliases() == []
    await fails(e.AlreadyExists, client.add_alias("t", "u"), "'t'")
    await fails(e.TableNotFound, client.add_alias("a", "nope"))
    await fails(e.AliasNotFound, client.remove_alias("a", "t"))
    await fails(e.AliasNotFound, client.drop_alias("a"))


@CHECKS.covers("add_fields", "drop_fields", "rename_fields")
async def _fields(client: Client) -> None:
    await filled(client)
    await client.add_fields("t", [Field("n", DataType.INT8, default=3), Field("s", "string", nullable=True)])
    assert await client.count("t", "n == 3 and s is null") == 10
    await client.rename_fields("t", {"n": "s", "s": "n"})
    assert await client.count("t", "s == 3 and n is null") == 10
    await client.drop_fields("t", ["s", "n"])
    assert [field.name for field in (await client.describe_table("t")).fields] == ["id", "word", "v"]
    await fails(e.Rejected, client.add_fields("t", [Field("n", DataType.INT8)]), "needs a default")
    await fails(e.Rejected, client.drop_fields("t", ["id"]), "primary key")
    await fails(e.FieldNotFound, client.rename_fields("t", {"nope": "x"}))


@CHECKS.covers("change_settings", "get_settings")
async def _settings(client: Client) -> None:
    await client.create_table("t", FIELDS, tablets=2)
    await client.change_settings("t", {"tag": "hot", "number_of_replicas": 2})
    found = await client.get_settings("t")
    assert (found["tag"], found["number_of_replicas"], found["number_of_shards"]) == ("hot", 2, 2)
    await client.change_settings("t", {"tag": None})
    assert "tag" not in await client.get_settings("t")
    await fails(e.LimitExceeded, client.change_settings("t", {"number_of_replicas": 0}))
    await fails(e.TypeMismatch, client.change_settings("t", {"tag": 1}))
    await fails(e.TableNotFound, client.get_settings("nope"))


@CHECKS.covers("put_template", "drop_template", "list_templates")
async def _templates(client: Client) -> None:
    name = f"{client.database}-t"
    index = {"index": "i", "field": "v", "type": "FLAT", "metric": "ip", "params": {}}
    await client.put_template(name, [f"{name}*"], order=4, settings={"tag": "x"}, indexes=[index])
    assert await client.list_templates(name) == [TemplateInfo(name, [f"{name}*"], 4, {"tag": "x"}, [index])]
    await client.create_table(f"{name}1", FIELDS)
    assert (await client.get_settings(f"{name}1"))["tag"] == "x"
    assert [found.index for found in await client.list_indexes(f"{name}1")] == ["i"]
    await client.drop_template(name)
    await fails(e.TemplateNotFound, client.list_templates(name))
    await fails(e.TemplateNotFound, client.drop_template(name))
    await fails(e.LimitExceeded, client.put_template(name, []))


@CHECKS.covers("describe_tables")
async def _describe_tables(client: Client) -> None:
    await filled(client)
    await client.create_table("u", FIELDS, settings={"tag": "cold"})
    assert [(info.table, info.rows, info.state) for info in await client.describe_tables()] == [("t", 10, "open"), ("u", 0, "open")]
    (info,) = await client.describe_tables("u*")
    assert (info.settings["tag"], info.owner, info.aliases, info.partitioning) == ("cold", "shiva", (), None)
    assert await client.describe_tables("x*") == []


@CHECKS.covers("add_partitions", "drop_partitions")
async def _partitions(client: Client) -> None:
    by_id = Partitioning("range", ["id"], [Partition("low", [10]), Partition("high", [20], "second")])
    await client.create_table("t", FIELDS, tablets=2, partitioning=by_id)
    await client.insert("t", rows(5, 10))
    await client.add_partitions("t", [Partition("top", [30])])
    found = (await client.describe_table("t")).partitioning
    assert isinstance(found, PartitioningInfo)
    assert (found.kind, found.fields) == ("range", ("id",))
    assert [(part.name, part.table_name, part.bound, part.rows) for part in found.partitions] == [
        ("low", None, [10], 5),
        ("high", "second", [20], 5),
        ("top", None, [30], 0),
    ]
    assert [len(part.tablets) for part in found.partitions] == [2, 2, 2]
    await client.drop_partitions("t", ["low"])
    assert await client.count("t") == 5
    await client.create_table("hashed", FIELDS, partitioning=Partitioning("hash", ["id"], count=3))
    hashed = (await client.describe_table("hashed")).partitioning
    assert hashed is not None
    assert [part.name for part in hashed.partitions] == ["p0", "p1", "p2"]
    await fails(e.Rejected, client.add_partitions("t", [Partition("under", [3])]))
    await fails(e.PartitionNotFound, client.drop_partitions("t", ["low"]), "low")
    await fails(e.BadRequest, client.create_table("u", FIELDS, partitioning=Partitioning("list", ["id"])))


@pytest.mark.parametrize("method", CHECKS.each())
async def test_method(both: Client, method: str) -> None:
    await CHECKS[method](both)


def test_every_method_has_a_check() -> None:
    assert not CHECKS.missing()
