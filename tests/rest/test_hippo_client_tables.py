"""The published Python client of Hippo, as it is: what goes over several tables, and what is made beside their rows."""

from __future__ import annotations

from typing import Any

import pytest
from transwarp_hippo_api.hippo_client import HippoClient, HippoField, HippoTable, HippoType, IndexType, MetricType

from hippod.testing import ServerProcess
from tests.rest.harness import Rest

# Its connections are left to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def hippo(shared_server: ServerProcess) -> HippoClient:
    return HippoClient([f"{shared_server.host}:{shared_server.rest_port}"])


def filled(hippo: HippoClient, rest: Rest, name: str, first: int) -> HippoTable:
    """Four rows with the vectors [k, 1] and an active index."""
    fields = [
        HippoField("id", True, HippoType.INT64),
        HippoField("word", False, HippoType.STRING),
        HippoField("v", False, HippoType.FLOAT_VECTOR, type_params={"dimension": 2}),
    ]
    hippo.create_table(name, fields, database_name=rest.database)
    table = hippo.get_table(name, database_name=rest.database)
    ids = list(range(first, first + 4))
    assert table.insert_rows([ids, [f"w{i % 2}" for i in ids], [[float(i), 1.0] for i in ids]])
    assert table.create_index("v", "ix", IndexType.FLAT, MetricType.L2)
    assert table.activate_index("ix")
    return table


@pytest.mark.parametrize("waits", [True, False])
def test_rows_are_copied_between_tables(hippo: HippoClient, rest: Rest, waits: bool) -> None:
    source, target = filled(hippo, rest, "source", 1), filled(hippo, rest, "target", 11)
    where = {"source_database_name": rest.database, "dest_database_name": rest.database, "wait_for_completion": waits}
    assert hippo.copy_table("source", "target", expr="id <= 2", op_type="upsert", **where)
    if waits:
        assert target.query_scalar(["id"], "id < 10", 10) == {"id": [1, 2]}
    with pytest.raises(ValueError, match="none"):
        hippo.copy_table("source", "none", **where)
    assert source.query_scalar(["id"], "id > 0", 10) == {"id": [1, 2, 3, 4]}


def test_several_tables_are_searched_at_once(hippo: HippoClient, rest: Rest) -> None:
    filled(hippo, rest, "one", 1)
    filled(hippo, rest, "two", 11)
    found: Any = hippo.multi_search("one,t*", rest.database, ["id"], "v", 5, [[4.0, 1.0]])
    (hits,) = found["results"]
    assert hits["fields_data"] == [{"field_name": "id", "field_values": [4, 3, 2, 1, 11]}]
    assert [name.split("@")[0] for name in hits["tables"]] == [f"{rest.database}#one"] * 4 + [f"{rest.database}#two"]
    with pytest.raises(ValueError, match="none"):
        hippo.multi_search("none", rest.database, ["id"], "v", 5, [[4.0, 1.0]])


def test_distances_to_stored_vectors(hippo: HippoClient, rest: Rest) -> None:
    filled(hippo, rest, "one", 1)
    found: Any = hippo.compute_vector_distance("one", rest.database, "v", "id", [1, 3], [[1.0, 1.0], [3.0, 2.0]], MetricType.L2)
    assert found["distances"] == [[0.0, 5.0], [4.0, 1.0]]
    with pytest.raises(ValueError, match="9"):
        hippo.compute_vector_distance("one", rest.database, "v", "id", [9], [[1.0, 1.0]], MetricType.L2)


@pytest.mark.parametrize("waits", [True, False])
def test_statistics_are_gathered(hippo: HippoClient, rest: Rest, waits: bool) -> None:
    filled(hippo, rest, "one", 1)
    assert hippo.analyze_database("one", column_names=["word"], database_name=rest.database, wait_for_completion=waits)
    with pytest.raises(ValueError, match="none"):
        hippo.analyze_database("none", database_name=rest.database, wait_for_completion=waits)


def test_scalar_indexes_are_made_and_dropped(hippo: HippoClient, rest: Rest) -> None:
    table = filled(hippo, rest, "one", 1)
    assert table.create_scalar_index(["word"], "by_word")
    assert table.query_scalar(["id"], "word == 'w1'", 10) == {"id": [1, 3]}
    with pytest.raises(ValueError, match="by_word"):
        table.create_scalar_index(["word"], "by_word")
    assert table.delete_scalar_index("by_word")
    with pytest.raises(ValueError, match="by_word"):
        table.delete_scalar_index("by_word")


def test_partitions_are_added_and_dropped(hippo: HippoClient, rest: Rest) -> None:
    fields = [
        {"name": "id", "is_primary_key": True, "data_type": "int64", "type_params": {}},
        {"name": "kind", "is_primary_key": False, "data_type": "string", "type_params": {"nullable": False}},
        {"name": "v", "is_primary_key": False, "data_type": "float_vector", "type_params": {"dimension": 2}},
    ]
    partitions = [{"name": "a", "table_name": "t_a", "bound": [{"field": "kind", "value": "a"}]}]
    body = {
        "schema": {"auto_id": False, "fields": fields},
        "partition_schema": {"type": "single_value", "columns": ["kind"], "partitions": partitions},
    }
    rest.ok("PUT", rest.table("/parts"), body)
    table = hippo.get_table("parts", database_name=rest.database)
    assert table.add_partitions({"partitions": [{"name": "b", "table_name": "t_b", "bound": [{"field": "kind", "value": "b"}]}]})
    assert table.insert_rows([[1, 2], ["a", "b"], [[1.0, 1.0], [2.0, 1.0]]])
    with pytest.raises(ValueError, match="b"):
        table.add_partitions({"partitions": [{"name": "b", "table_name": "t_b", "bound": [{"field": "kind", "value": "b"}]}]})
    assert table.delete_partitions(["b"])
    assert table.query_scalar(["id"], "id > 0", 10) == {"id": [1]}
    with pytest.raises(ValueError, match="b"):
        table.delete_partitions(["b"])
