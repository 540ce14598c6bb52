"""How every route takes requests: Hippo's habits, and what is refused with a JSON error and nothing worse."""

from __future__ import annotations

import base64

import pytest

from tests.rest.harness import SHIVA, Rest

HEAD = b"GET /hippo/v1/_database HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + SHIVA.encode() + b"\r\n"


@pytest.mark.parametrize("body", [None, "", '""', "null", "{}", "  "])
def test_no_body_comes_in_many_forms(rest: Rest, body: str | None) -> None:
    assert "default" in rest.ok("GET", "/_database", body)["databases"]


@pytest.mark.parametrize("query", ["?pretty", "?pretty=", "?pretty=true"])
def test_pretty_is_printed_with_blanks_around_colons(rest: Rest, query: str) -> None:
    assert rest("GET", f"/_check_db_existence{query}", {"database_name": "default"}).text == '{\n  "acknowledged" : true\n}\n'


def test_the_root_answers_without_login(rest: Rest) -> None:
    assert b"200 OK" in rest.raw(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize("pair", ["shiva:wrong", "nobody:shiva", "shiva", ":"])
def test_wrong_credentials_are_refused_with_a_challenge(rest: Rest, pair: str) -> None:
    refused = rest("GET", "/_database", headers={"authorization": "Basic " + base64.b64encode(pair.encode()).decode()})
    assert refused.status == 401
    assert refused.headers["www-authenticate"].startswith("Basic ")
    assert refused.json["error"]["type"] == "security_exception"


@pytest.mark.parametrize("header", ["", "Bearer x", "Basic !!!", "Basic /w=="])
def test_an_unreadable_authorization_is_refused(rest: Rest, header: str) -> None:
    assert rest("GET", "/_database", headers={"authorization": header}).status == 401


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "not JSON"),
        ('{"database_name":"a"} x', "trailing"),
        ('{"database_name":NaN}', "not JSON"),
        ('{"database_name":"a","database_name":"b"}', "twice"),
        ('{"database_name":"a","d\\u0061tabase_name":"b"}', "twice"),
        ('{"database_name":"\\ud800"}', "not JSON"),
        (b'{"database_name":"\xff"}', "not JSON"),
        ('{"database_name":7}', "$.database_name"),
        ('{"database_name":1e999}', "out of range"),
        ('{"database":"a"}', "unknown field `database`"),
        ("{}", "missing required field"),
        ("[]", "Expected `object`"),
        ('{"database_name":' + "[" * 40 + "]" * 40 + "}", "32 deep"),
        ('{"database_name":' + "[" * 100_000, "32 deep"),
        ('{"database_name":[' + "1," * 1_000_000 + "1]}", "1000000 elements"),
    ],
)
def test_a_body_that_is_not_right_is_refused_with_its_place(rest: Rest, body: str | bytes, words: str) -> None:
    refused = rest("PUT", "/_database", body)
    assert refused.status == 400
    assert words in refused.reason


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/_nothing", {}, 404),
        ("GET", "/a/b/c/d", {}, 404),
        ("POST", "/_database", {}, 405),
        ("OPTIONS", "/_database", {}, 405),
        ("GET", "/_database?databse_name=x", {}, 400),
        ("GET", "/_database?pretty&pretty", {}, 400),
        ("GET", "/_database?pretty=maybe", {}, 400),
        ("GET", "/../_database", {}, 400),
        ("GET", "/%2e%2e/_database", {}, 400),
        ("GET", "/%252e/_database", {}, 400),
        ("GET", "/a%00", {}, 400),
        ("GET", "/a\\b", {}, 400),
        ("GET", "/a%5cb", {}, 400),
        ("GET", "/a%zz", {}, 400),
        ("GET", "/_database", {"host": "evil.example"}, 400),
        ("GET", "/_database", {"sec-fetch-site": "cross-site"}, 403),
        ("GET", "/_database", {"origin": "https://evil.example"}, 403),
        ("GET", "/" + "a" * 9_000, {}, 414),
        ("GET", "/_database", {"x-long": "a" * 17_000}, 431),
        ("GET", "/_database", {f"x-{i}": "a" for i in range(101)}, 431),
    ],
)
def test_what_http_refuses_is_json_too(rest: Rest, method: str, path: str, headers: dict[str, str], status: int) -> None:
    refused = rest(method, path, headers=headers)
    assert refused.status == status
    assert refused.reason
    assert refused.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": ""},
        {"content-type": "application/json; charset=latin-1"},
        {"content-encoding": "gzip"},
    ],
)
def test_a_body_is_plain_json_and_says_so(rest: Rest, headers: dict[str, str]) -> None:
    assert rest("PUT", "/_database", b'{"database_name":"a"}', headers).status == 415


def test_a_body_over_the_limit_is_refused_before_it_is_read(rest: Rest) -> None:
    head = HEAD.replace(b"GET", b"PUT") + b"Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n"
    assert rest.raw(head).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "sent",
    [
        b"NONSENSE\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"X-Folded: a\r\n b\r\n\r\n",
        HEAD + b"X-Nul: a\0b\r\n\r\n",
        HEAD + b"Host: other\r\n\r\n",
        HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        HEAD.replace(b"Host: localhost\r\n", b"") + b"\r\n",
    ],
)
def test_bytes_that_are_not_http_are_refused_and_the_connection_ends(rest: Rest, sent: bytes) -> None:
    received = rest.raw(sent)
    assert received.startswith(b"HTTP/1.1 400")
    assert b'"type":"illegal_argument_exception"' in received


def test_the_description_covers_every_route(rest: Rest) -> None:
    document = rest.ok("GET", "/_openapi.json")
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]["/hippo/v1/_database"]) == {"put", "get", "delete"}
