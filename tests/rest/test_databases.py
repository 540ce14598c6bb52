"""Databases over REST."""

from __future__ import annotations

import pytest

from tests.rest.harness import Rest


def test_a_database_is_made_listed_found_and_dropped(rest: Rest) -> None:
    name = {"database_name": f"{rest.database}_shop"}
    assert rest.ok("PUT", "/_database?pretty", name) == {"acknowledged": True}
    assert name["database_name"] in rest.ok("GET", "/_database?pretty", '""')["databases"]
    assert rest.ok("GET", "/_check_db_existence?pretty", name) == {"acknowledged": True}
    assert rest("PUT", "/_database", name).status == 409
    assert rest.ok("DELETE", "/_database?pretty", name) == {"acknowledged": True}
    assert rest.ok("GET", "/_check_db_existence?pretty", name) == {"acknowledged": False}
    assert rest("DELETE", "/_database", name).status == 404


def test_the_default_database_stays(rest: Rest) -> None:
    assert "default database" in rest("DELETE", "/_database", {"database_name": "default"}).reason


@pytest.mark.parametrize("name", ["", "a b", "a/b", "..", "x" * 129])
def test_a_name_that_breaks_the_rules_is_refused(rest: Rest, name: str) -> None:
    refused = rest("PUT", "/_database", {"database_name": name})
    assert (refused.status, refused.json["error"]["type"]) == (400, "invalid_name_exception")
