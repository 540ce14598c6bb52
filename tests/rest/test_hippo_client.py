"""The published Python client of Hippo, as it is: every method that this API serves, with its success and its failure."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from transwarp_hippo_api.hippo_client import HippoClient, HippoField, HippoTable, HippoType, IndexType, MetricType

from hippod.testing import ServerProcess
from tests.rest.harness import Rest

# Its connections are left to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

DATA: dict[str, tuple[HippoType, dict[str, Any], list[Any]]] = {
    "i8": (HippoType.INT8, {}, [-128, 127, None]),
    "i16": (HippoType.INT16, {}, [-32_768, 32_767, None]),
    "i32": (HippoType.INT32, {}, [-(2**31), 2**31 - 1, None]),
    "i64": (HippoType.INT64, {}, [-(2**63), 2**63 - 1, None]),
    "f": (HippoType.FLOAT, {}, [0.1, -1.5, None]),
    "d": (HippoType.DOUBLE, {}, [0.1, 1e300, None]),
    "b": (HippoType.BOOL, {}, [True, False, None]),
    "s": (HippoType.STRING, {}, ["", "naïve ☃", None]),
    "c": (HippoType.CHAR, {"length": 3}, ["abc", "x", None]),
    "vc": (HippoType.VARCHAR, {"length": 200}, ["a", "b", None]),
    "vc2": (HippoType.VARCHAR2, {}, ["a", "b", None]),
    "day": (HippoType.DATE, {}, ["2024-02-29", "1969-12-31", None]),
    "clock": (HippoType.TIME, {}, ["23:59:59", "00:00:00.000001", None]),
    "ts": (HippoType.TIMESTAMP, {}, ["2024-05-01 10:00:00", "1969-12-31 23:59:59.500000", None]),
    "dt": (HippoType.DATETIME, {}, ["2024-05-01 10:00:00", "0001-01-01 00:00:00", None]),
    "words": (HippoType.ARRAY, {"element_type": "string"}, [["a", "b"], [], None]),
    "days": (HippoType.ARRAY, {"element_type": "date"}, [["2024-02-29"], [], None]),
    "v": (HippoType.FLOAT_VECTOR, {"dimension": 2}, [[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]]),
}


@pytest.fixture
def hippo(shared_server: ServerProcess) -> HippoClient:
    return HippoClient([f"{shared_server.host}:{shared_server.rest_port}"])


@pytest.fixture
def table(hippo: HippoClient, rest: Rest) -> HippoTable:
    """Twelve rows with the vectors [k, 1], and an active index."""
    fields = [HippoField("id", True, HippoType.INT64), HippoField("v", False, HippoType.FLOAT_VECTOR, type_params={"dimension": 2})]
    assert hippo.create_table("book", fields, database_name=rest.database, number_of_shards=2)
    made = hippo.get_table("book", database_name=rest.database)
    assert made.insert_rows([list(range(1, 13)), [[float(k), 1.0] for k in range(1, 13)]])
    # As adapters do, with the parameters of all types at once.
    assert made.create_index("v", "ix", IndexType.IVF_FLAT, MetricType.L2, nlist=10, nprobe=10, m=None, M=30, ef_search="100")
    assert made.activate_index("ix")
    return made


def fails(words: str, call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_every_data_type_comes_back_as_it_went(hippo: HippoClient, rest: Rest) -> None:
    fields = [HippoField("id", True, HippoType.INT64)]
    fields += [HippoField(name, False, kind, type_params=params) for name, (kind, params, _) in DATA.items()]
    hippo.create_table("types", fields, database_name=rest.database)
    made = hippo.get_table("types", database_name=rest.database)
    cells = {name: values for name, (_, _, values) in DATA.items()}
    assert made.insert_rows([[1, 2, 3], *cells.values()])
    shown = made.query_scalar(["id", *cells], "id > 0", 10)
    assert shown == {"id": [1, 2, 3], **cells}


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("i8", 128),
        ("i64", 2**63),
        ("i32", "x"),
        ("f", 1e300),
        ("b", "perhaps"),
        ("s", 7),
        ("c", "abcd"),
        ("day", "2024-02-30"),
        ("clock", "25:00"),
        ("ts", "soon"),
        ("words", "a"),
        ("words", [1]),
        ("words", [None]),
        ("days", ["x"]),
        ("v", [1.0]),
        ("v", [1.0, "x"]),
        ("v", None),
    ],
)
def test_a_cell_of_the_wrong_type_is_refused_by_the_name_of_its_field(hippo: HippoClient, rest: Rest, name: str, bad: Any) -> None:
    kind, params, _ = DATA[name]
    hippo.create_table(
        "types", [HippoField("id", True, HippoType.INT64), HippoField(name, False, kind, params)], database_name=rest.database
    )
    made = hippo.get_table("types", database_name=rest.database)
    fails(f"'{name}'", lambda: made.insert_rows([[1], [bad]]))


def test_databases(hippo: HippoClient, rest: Rest) -> None:
    name = f"{rest.database}_more"
    assert not hippo.check_db_exists(name)
    assert hippo.create_database(name)
    assert name in hippo.list_databases()["databases"]
    assert hippo.check_db_exists(name)
    fails("exists already", lambda: hippo.create_database(name))
    assert hippo.delete_database(name)
    fails("no database", lambda: hippo.delete_database(name))


def test_tables_are_described_listed_and_renamed(hippo: HippoClient, table: HippoTable, rest: Rest) -> None:
    here = {"database_name": rest.database}
    assert hippo.get_table_info("book", **here)["book"]["settings"]["number_of_shards"] == 2
    assert hippo.get_table_schema("book", **here)["fields"][1]["type_params"] == {"dimension": 2}
    assert hippo.get_table_indexes("book", **here)[0]["column"] == "v"
    assert hippo.list_tables(pattern="b*,x*", **here)["rows"] == ["12"]
    assert hippo.list_shards("book", **here)["state"] == ["STARTED", "STARTED"]
    assert hippo.check_table_exists("book", **here)
    assert hippo.rename_table("book", "tome", **here)
    assert not hippo.check_table_exists("book", **here)
    assert hippo.get_table("tome", **here).count() == 12
    fails("table book not exist in database", lambda: hippo.get_table("book", **here))
    fails("not exist", lambda: hippo.rename_table("book", "tome", **here))


def test_a_table_that_cannot_be_is_not_created(hippo: HippoClient, table: HippoTable, rest: Rest) -> None:
    here = {"database_name": rest.database}
    key = HippoField("id", True, HippoType.INT64)
    fails("exists already", lambda: hippo.create_table("book", [key], **here))
    fails("dimension", lambda: hippo.create_table("t", [key, HippoField("v", False, HippoType.FLOAT_VECTOR)], **here))
    fails("primary key", lambda: hippo.create_table("t", [HippoField("a", False, HippoType.INT64)], **here))
    fails("tablets", lambda: hippo.create_table("t", [key], number_of_shards=0, **here))


def test_a_table_goes_to_the_trash_and_is_purged(hippo: HippoClient, table: HippoTable, rest: Rest) -> None:
    here = {"database_name": rest.database}
    assert hippo.delete_table("book", **here)
    assert hippo.view_tables_in_trash(**here)["table"] == ["book"]
    rest.ok("POST", rest.table("/_trash/book/_restore"), {"new_table_name": "back"})
    assert hippo.get_table("back", **here).count() == 12
    hippo.delete_table("back", **here)
    assert hippo.delete_table_in_trash("back", **here)
    fails("trash", lambda: hippo.delete_table_in_trash("back", **here))
    fails("not exist", lambda: hippo.delete_table("back", **here))


def test_a_closed_table_has_no_rows_to_give(hippo: HippoClient, table: HippoTable, rest: Rest) -> None:
    here = {"database_name": rest.database}
    assert hippo.table_close("bo*", **here)
    fails("closed", table.count)
    assert hippo.table_open("book", **here)
    assert table.count() == 12
    fails("released", lambda: table.query("v", [[0.1, 0.2]], ["id"], 1))
    assert table.load_index("ix")
    assert table.query("v", [[0.1, 0.2]], ["id"], 1)[0]["id"] == [1]
    fails("not exist", lambda: hippo.table_open("none", **here))
    assert rest.ok("GET", rest.table("/book/_close"), '""') == {"acknowledged": True}


def test_aliases_lead_to_tables(hippo: HippoClient, table: HippoTable, rest: Rest) -> None:
    here = {"database_name": rest.database}
    assert hippo.create_alias("book", "books", **here)
    assert hippo.get_table("books", **here).count() == 12
    assert ["books", f"{rest.database}#book", "true"] in [line.split() for line in rest("GET", "/_cat/aliases").text.splitlines()]
    listed = rest("GET", f"/_cat/tables?database_name={rest.database}&v&ignore_aliases=false").text
    assert [line.split()[0] for line in listed.splitlines()] == ["table", "book", "books"]
    assert hippo.delete_alias("books", **here)
    fails("books", lambda: hippo.delete_alias("books", **here))
    fails("not exist", lambda: hippo.create_alias("none", "books", **here))


def test_rows_that_fail_are_told_one_by_one(table: HippoTable, rest: Rest) -> None:
    fails("Primary key exists already: 1", lambda: table.insert_rows([[1, 20], [[0.0, 0.0], [0.0, 0.0]]]))
    assert table.count() == 13
    assert table.upsert_rows([[1, 21], [[0.0, 0.0], [0.0, 0.0]]])
    assert table.update_rows([[1], [[1.0, 1.0]]])
    fails("Primary key does not exist: 99", lambda: table.update_rows([[99], [[1.0, 1.0]]]))
    assert table.delete_rows([[20, 21], [[0.0, 0.0], [0.0, 0.0]]])
    fails("Primary key does not exist: 20", lambda: table.delete_rows([[20], [[0.0, 0.0]]]))
    assert table.count() == 12


def test_the_body_of_a_bulk_write_is_exact(table: HippoTable, rest: Rest) -> None:
    path = rest.table("/book/_bulk")
    keys = {"field_name": "id", "field": [3, 99, 4]}
    answer = rest.ok("PUT", path, {"fields_data": [keys], "num_rows": 3, "op_type": "delete"})
    failure = {"index": 1, "type": "not_found", "reason": "Primary key does not exist: 99"}
    assert answer == {"succ_index": [0, 2], "delete_cnt": 2, "failures": [failure]}
    vectors = {"field_name": "v", "field": [[1, 1], [2, 1]]}
    answer = rest.ok("PUT", path, {"fields_data": [{"field_name": "id", "field": [3, "4"]}, vectors], "num_rows": "2", "op_type": "INSERT"})
    assert answer == {"succ_index": [0, 1], "insert_cnt": 2}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_rows": 3}, "num_rows is 3"),
        ({"op_type": "replace"}, "op_type"),
        ({"fields_data": []}, "no columns"),
        ({"fields_data": [{"field_name": "x", "field": [1]}]}, "no field 'x'"),
        ({"fields_data": [{"field_name": "id", "field": 1}]}, "'id'"),
        ({"fields_data": [{"field_name": "id", "field": [1]}, {"field_name": "id", "field": [1]}]}, "twice"),
    ],
)
def test_a_bulk_write_that_is_wrong_as_a_whole_is_refused(table: HippoTable, rest: Rest, change: dict[str, Any], words: str) -> None:
    body = {"fields_data": [{"field_name": "id", "field": [1]}], "num_rows": 1, "op_type": "update", **change}
    refused = rest("PUT", rest.table("/book/_bulk"), body)
    assert refused.status == 400
    assert words in refused.reason


def test_generated_keys_need_no_first_column(hippo: HippoClient, rest: Rest) -> None:
    fields = [HippoField("pk", True, HippoType.STRING), HippoField("v", False, HippoType.FLOAT_VECTOR, type_params={"dimension": 2})]
    hippo.create_table("auto", fields, auto_id=True, database_name=rest.database)
    made = hippo.get_table("auto", database_name=rest.database)
    assert made.create_index("v", "ix", IndexType.IVF_FLAT, MetricType.L2, nlist=10)
    assert made.activate_index("ix")
    assert made.insert_rows([[[1.0, 2.0], [3.0, 4.0]]])
    assert len(made.query("v", [[1.0, 2.0]], ["pk", "v"], 5)[0]["pk"]) == 2
    data = [{"field_name": "v", "field": [[5, 6]]}]
    answer = rest.ok("PUT", rest.table("/auto/_bulk"), {"fields_data": data, "num_rows": 1, "op_type": "insert"})
    assert len(answer["primary_keys"][0]) == 32


@pytest.mark.parametrize("waits", [True, False])
def test_rows_are_deleted_by_a_filter(table: HippoTable, waits: bool) -> None:
    assert table.delete_rows_by_query("id > 10", wait_for_completion=waits)
    fails("needs a filter", table.delete_rows_by_query)
    fails("column 5", lambda: table.delete_rows_by_query("id >", wait_for_completion=waits))


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("method", ["activate_index", "build_index", "compact_index", "release_index", "load_index"])
def test_the_life_of_an_index_is_jobs(table: HippoTable, method: str, waits: bool) -> None:
    assert getattr(table, method)("ix", wait_for_completion=waits)
    fails("no index 'none'", lambda: getattr(table, method)("none", wait_for_completion=waits))


@pytest.mark.parametrize("waits", [True, False])
def test_auto_compaction_is_turned_off_and_on(table: HippoTable, waits: bool) -> None:
    for enabled in (False, True):
        assert table.index_auto_compaction("ix", enabled, wait_for_completion=waits)
        assert table.get_index()["embedding_indexes"][0]["auto_compaction"] is enabled
    fails("no index 'none'", lambda: table.index_auto_compaction("none", wait_for_completion=waits))


def test_indexes_are_listed_and_dropped(table: HippoTable) -> None:
    (shown,) = table.get_index()["embedding_indexes"]
    assert (shown["name"], shown["column"], shown["metric_type"], shown["activated"]) == ("ix", "v", "l2", True)
    assert table.create_index("v", "flat", IndexType.FLAT, MetricType.COSINE)
    fails("exists already", lambda: table.create_index("v", "ix", IndexType.FLAT, MetricType.IP))
    fails("nlist", lambda: table.create_index("v", "iy", IndexType.IVF_FLAT, MetricType.IP, nlist=0))
    assert table.drop_indexes(["ix", "flat"])
    fails("no index 'ix'", lambda: table.drop_index("ix"))


def test_scores_are_squared_distances_in_float32(table: HippoTable, rest: Rest) -> None:
    body = {"output_fields": ["id"], "search_params": {"anns_field": "v", "topk": "2", "embedding_index": "ix"}, "vectors": [[0.1, 0.2]]}
    answer = rest.ok("GET", rest.table("/book/_search"), {**body, "dsl": "id >= 11"})
    data = [{"field_name": "id", "field_values": [11, 12]}]
    assert answer == {"num_queries": 1, "top_k": 2, "results": [{"query": 0, "fields_data": data, "scores": [119.44999, 142.24998]}]}
    assert rest.ok("POST", rest.table("/book/_search"), {**body, "round_decimal": 1})["results"][0]["scores"] == [1.5, 4.2]


def test_searches_give_every_field_asked_for_also_without_hits(table: HippoTable) -> None:
    (hits,) = table.query("v", [[0.1, 0.2]], ["id", "v"], 2)
    assert hits == {"id": [1, 2], "id%scores": [1.45, 4.25], "v": [[1.0, 1.0], [2.0, 1.0]], "v%scores": [1.45, 4.25]}
    assert table.query("v", [[0.1, 0.2]], ["id"], 2, dsl="id > 100") == [{"id": [], "id%scores": []}]
    assert len(table.query("v", [[0.1, 0.2]] * 3, ["id"], 2, nprobe=1, k_factor=100, ef_search=10)) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none", [[0.1, 0.2]], ["id"], 1), "no field 'none'"),
        (("v", [[0.1]], ["id"], 1), "dimension"),
        (("v", [[0.1, 0.2], [0.1]], ["id"], 1), "differ in length"),
        (("v", [], ["id"], 1), "queries"),
        (("v", [[0.1, 0.2]], ["none"], 1), "no field 'none'"),
        (("v", [[0.1, 0.2]], ["id"], 0), "from 1"),
    ],
)
def test_a_search_that_is_wrong_is_refused(table: HippoTable, arguments: Any, words: str) -> None:
    fails(words, lambda: table.query(*arguments))


def test_rows_are_queried_and_counted(table: HippoTable) -> None:
    assert table.query_scalar(["id"], "id in [3, 1]", 10) == {"id": [1, 3]}
    assert table.query_scalar(["id", "v"], "id > 2", 1) == {"id": [3], "v": [[3.0, 1.0]]}
    assert (table.count(), table.count("id > 10")) == (12, 2)
    fails("column 5", lambda: table.query_scalar(["id"], "id >", 1))
    fails("no field 'x'", lambda: table.count("x == 1"))


@pytest.mark.parametrize("waits", [True, False])
def test_tables_are_warmed_up_and_compacted(hippo: HippoClient, table: HippoTable, rest: Rest, waits: bool) -> None:
    for method in (hippo.warmup_db, hippo.compact_db):
        assert method("book", database_name=rest.database, wait_for_completion=waits)
        fails("not exist", functools.partial(method, "none", database_name=rest.database, wait_for_completion=waits))
    assert hippo.drop_block_cache() == {"acknowledged": True}
    assert hippo.drop_block_cache("any") == {"acknowledged": True}


def test_jobs_are_found_by_id_and_forgotten(hippo: HippoClient, table: HippoTable) -> None:
    assert table.build_index("ix")
    job = hippo.get_job(action_patterns=["hippo*"])["jobs"][-1]
    assert hippo.get_job([job["job_id"]])["jobs"] == [job]
    assert hippo.delete_job(job["job_id"])
    fails("no job", lambda: hippo.delete_job(job["job_id"]))


def test_who_cannot_log_in_is_told_so(shared_server: ServerProcess, rest: Rest) -> None:
    stranger = HippoClient([f"{shared_server.host}:{shared_server.rest_port}"], username="shiva", pwd="wrong")
    fails("wrong user or password", stranger.list_databases)


@pytest.mark.parametrize(
    "page", ["tables", "tables/*", "shards", "shards/*", "aliases", "aliases/*", "trash", "jobs", "nodes", "nodes/*", "master", "health"]
)
def test_every_cat_page_splits_at_blanks(table: HippoTable, rest: Rest, page: str) -> None:
    lines = rest("GET", f"/_cat/{page}?v&database_name={rest.database}", '""').text.splitlines()
    assert len({len(line.split()) for line in lines}) == 1
    assert rest("GET", f"/_cat/{page}?database_name={rest.database}").text.splitlines()[:1] != lines[:1]
