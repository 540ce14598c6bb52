"""Settings over REST, and through the published client."""

from __future__ import annotations

import msgspec
import pytest

from hippod.engine.catalog.settings import SETTINGS, SHARDS, TAG_CLEAR
from hippod.net.rest.settings import SettingsBody
from hippod_client import DataType, Field
from hippod_client.sync import Client
from tests.rest.harness import Rest
from tests.rest.hippo import hippo, hippo_table


@pytest.fixture(autouse=True)
def book(client: Client) -> None:
    client.create_table("book", [Field("id", DataType.INT64, primary_key=True)], tablets=2)


def test_the_body_has_every_setting_under_its_name() -> None:
    assert {field.encode_name for field in msgspec.structs.fields(SettingsBody)} == {*SETTINGS, SHARDS, TAG_CLEAR}


def test_the_client_changes_and_reads_the_settings_of_a_table(rest: Rest) -> None:
    connection = hippo(rest.server)
    assert connection.update_table_config("book", number_of_replicas=2, data_center="east", tag="hot", database_name=rest.database) is True
    found = connection.get_table_config("book", rest.database)["book"]
    assert (found["number_of_shards"], found["number_of_replicas"], found["tag"], found["data_center"]) == (2, 2, "hot", "east")
    assert found["embedding.segment.max_deletion_proportion"] == 0.1
    connection.update_table_config("book", disaster_preparedness=False, database_name=rest.database)
    found = connection.get_table_config("book", rest.database)["book"]
    assert ("tag" in found, found["disaster_preparedness"]) == (False, False)


def test_a_table_of_the_client_changes_and_reads_its_settings(rest: Rest) -> None:
    table = hippo_table(rest, "book")
    assert table.update_settings(**{"embedding.segment.max_size_mb": 100, "number_of_replicas": 3}) is True
    found = table.get_settings()[f"{rest.database}#book"]
    assert (found["embedding.segment.max_size_mb"], found["number_of_replicas"], found["number_of_shards"]) == (100, 3, 2)
    with pytest.raises(ValueError, match="no_such"):
        table.update_settings(no_such=1)


def test_settings_are_keyed_by_database_and_the_name_that_was_asked_for(rest: Rest, client: Client) -> None:
    client.create_table("bikes", [Field("id", DataType.INT64, primary_key=True)])
    database = rest.database
    assert list(rest.ok("GET", rest.table("/book/_settings"))) == [f"{database}#book"]
    assert list(rest.ok("GET", rest.table("/b*/_settings"))) == [f"{database}#bikes", f"{database}#book"]
    assert list(rest.ok("GET", rest.table("/_settings"), '""')) == [f"{database}#bikes", f"{database}#book"]
    assert {f"{database}#bikes", f"{database}#book"} <= set(rest.ok("GET", "/_settings?pretty"))


def test_numbers_and_booleans_may_be_text_and_null_changes_nothing(rest: Rest) -> None:
    body = {"number_of_replicas": "3", "dc_affinity": "false", "embedding.segment.seal_proportion": 1, "tag": None}
    assert rest.ok("PUT", rest.table("/book/_settings"), body) == {"acknowledged": True}
    found = rest.ok("GET", rest.table("/book/_settings"))[f"{rest.database}#book"]
    expected = [3, False, 1.0]
    assert [found[name] for name in ("number_of_replicas", "dc_affinity", "embedding.segment.seal_proportion")] == expected


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"no_such": 1}, "no_such"),
        ({"number_of_shards": 3}, "cannot be changed"),
        ({"number_of_replicas": 99}, "from 1 to 5"),
        ({"number_of_replicas": "many"}, "number_of_replicas"),
        ([], "object"),
    ],
)
def test_wrong_settings_are_refused(rest: Rest, body: object, words: str) -> None:
    refused = rest("PUT", rest.table("/book/_settings"), body)
    assert refused.status == 400
    assert words in refused.reason


def test_settings_of_a_table_that_does_not_exist_are_not_found(rest: Rest) -> None:
    for method, body in (("GET", None), ("PUT", {"tag": "x"})):
        missing = rest(method, rest.table("/nope/_settings"), body)
        assert (missing.status, missing.json["error"]["type"]) == (404, "table_not_found")
