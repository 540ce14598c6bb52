"""Users and privileges over REST, and through the published client."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from hippod.testing import ServerProcess
from hippod_client import DataType, Field
from hippod_client.sync import Client
from tests.rest.harness import Rest
from tests.rest.hippo import hippo


@pytest.fixture
def ann(rest: Rest) -> Iterator[str]:
    """The name of a user that no other test has."""
    name = f"{rest.database}-ann"
    yield name
    rest("DELETE", f"/_security/user/{name}")


def status(rest: Rest, user: str, password: str, path: str = "/_database") -> int:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return rest("GET", path, headers={"authorization": f"Basic {pair}"}).status


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Rest]:
    """A server of the test's own: failed logins make those that follow from the same address wait."""
    with ServerProcess(tmp_path / "data") as server:
        yield Rest(server)


def test_the_client_makes_changes_shows_and_drops_a_user(own: Rest) -> None:
    rest, ann = own, "ann"
    connection = hippo(rest.server)
    assert connection.create_user(ann, "one", can_create_db=True) is True
    flags = {"is_super": False, "can_create_role": False, "can_create_db": True}
    assert connection.get_user_info(ann) == {ann: {"metadata": flags}}
    with pytest.raises(ValueError, match="exists already"):
        connection.create_user(ann, "one")
    assert status(rest, ann, "one") == 200
    assert connection.change_password("two", ann) is True
    assert (status(rest, ann, "one"), status(rest, ann, "two")) == (401, 200)
    assert connection.get_user_info(ann) == {ann: {"metadata": flags}}
    assert connection.change_user_info(ann, "three", change_meta=True, can_create_role=True) is True
    assert connection.get_user_info(ann) == {ann: {"metadata": {"is_super": False, "can_create_role": True, "can_create_db": False}}}
    assert connection.delete_user(ann) is True
    assert status(rest, ann, "three") == 401
    with pytest.raises(ValueError, match="no user"):
        connection.get_user_info(ann)


def test_a_user_changes_its_own_password_and_no_flags(rest: Rest, ann: str) -> None:
    hippo(rest.server).create_user(ann, "one")
    assert hippo(rest.server, ann, "one").change_password("two") is True
    with pytest.raises(ValueError, match="may not run alter_user"):
        hippo(rest.server, ann, "two").change_user_info(ann, "two", change_meta=True, is_super=True)


def test_altering_takes_both_methods_and_dropping_nobody_finds_nobody(rest: Rest, ann: str) -> None:
    assert rest.ok("PUT", f"/_security/user/{ann}", {"password": "one"}) == {"created": True}
    for method in ("POST", "PUT"):
        assert rest.ok(method, f"/_security/user/{ann}/_alter", {"metadata": {"can_create_db": True}}) == {"acknowledged": True}
    assert rest.ok("DELETE", f"/_security/user/{ann}", '""') == {"found": True}
    assert rest.ok("DELETE", f"/_security/user/{ann}", '""') == {"found": False}


@pytest.mark.parametrize(
    ("body", "words"),
    [({}, "password"), ({"password": ""}, "1 to 256 bytes"), ({"password": "x", "metadata": {"root": True}}, "root")],
)
def test_a_wrong_user_is_refused(rest: Rest, ann: str, body: object, words: str) -> None:
    refused = rest("PUT", f"/_security/user/{ann}", body)
    assert refused.status == 400
    assert words in refused.reason


def test_privileges_are_granted_shown_enforced_and_revoked(rest: Rest, client: Client, ann: str) -> None:
    connection, database = hippo(rest.server), rest.database
    connection.create_user(ann, "one")
    client.create_table("book", [Field("id", DataType.INT64, primary_key=True)])
    settings = rest.table("/book/_settings")
    pair = {"authorization": "Basic " + base64.b64encode(f"{ann}:one".encode()).decode()}
    denied = rest("PUT", settings, {"tag": "x"}, pair)
    assert (denied.status, denied.json["error"]["type"]) == (403, "security_exception")

    assert connection.grant_user_permission(ann, ["all"], "book", database) is True
    assert connection.grant_user_permission(ann, ["create", "access"], database_name=database) is True
    assert rest("PUT", settings, {"tag": "x"}, pair).status == 200
    table = client.describe_table("book")
    on_table = {"role": ann, "grantor": "shiva", "privileges": [{"privilege": "PRIV_ALL", "with grant options": True}]}
    views = [{"privilege": f"PRIV_{name}", "with grant options": False} for name in ("CREATE", "ACCESS")]
    on_database = {"role": ann, "grantor": "shiva", "privileges": views}
    book = {"id": table.id, "owner": "shiva", "acl": [on_table]}
    assert connection.view_user_permission(ann) == {database: {"acl": [on_database]}, f"{database}#book": book}
    assert connection.view_table_permission("book", database) == {f"{database}#book": book}

    assert connection.delete_user_permission(ann, ["all"], "book", database) is True
    assert rest("PUT", settings, {"tag": "y"}, pair).status == 403
    assert connection.delete_user_permission(ann, ["create", "access"], database_name=database) is True
    assert connection.view_user_permission(ann) == {}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"privileges": ["all"]}, "name the table"),
        ({"privileges": ["fly"], "database_name": "default"}, "no privilege 'fly'"),
        ({"privileges": [], "database_name": "default"}, "one privilege or more"),
    ],
)
def test_wrong_grants_are_refused(rest: Rest, ann: str, body: object, words: str) -> None:
    rest.ok("PUT", f"/_security/user/{ann}", {"password": "one"})
    refused = rest("POST", f"/_security/acl/{ann}", body)
    assert refused.status == 400
    assert words in refused.reason
