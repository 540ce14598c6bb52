"""The Hippo REST API as an ASGI application: which routes there are, and what answers where there is none.

Data goes one way: bytes -> the typed body of a route -> operations of the engine -> a typed answer -> bytes. Nothing here decides
anything; where Hippo can do something that the engine cannot, the engine gets an operation.

How a noun adds its routes. Write `net/rest/<noun>.py`:

    class RenameBody(Body, frozen=True):             # keys as in JSON; required without default, optional as `T | None = None`
        table_name: str
        new_table_name: str
        database_name: str | None = None

    async def rename_table(call: Call[Query, RenameBody]) -> Acknowledged:
        body = call.body
        await call.execute(RenameTable(body.table_name, body.new_table_name, database=body.database_name or DEFAULT_DATABASE))
        return Acknowledged()

    ROUTES: Final = (Route("PUT", "/_rename_table", rename_table, "Rename a table"),)

and name the module in `NOUNS` below. The signature is the declaration: `Call[query string, body]` and the answer.

- Query strings: `Query` (pretty), `DatabaseQuery` (and database_name), `CatQuery` (and v), or a descendant with more.
- Bodies: `NoBody`, a descendant of `Body`, or of `JobBody` for long operations; those run with `call.execute_job(operation, body)`
  and answer with `job_answer(job, call.server, now, waited=body.waits)`.
- Answers: `Acknowledged`, a descendant of `Answer`, `JobAnswer`, `text_table(...)` for /_cat, or a dict where keys are names.
- Errors are those of hippod/errors.py, raised anywhere; the envelope turns them into status and body.
- `call.path["table"]` is a segment of the path; segments that begin with `_` never match a `{name}`.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from hippod.engine.engine import Engine
from hippod.net.logins import Logins
from hippod.net.options import NetOptions
from hippod.net.rest import (
    aliases,
    cat,
    copies,
    databases,
    distances,
    fields,
    hybrid_search,
    indexes,
    jobs,
    maintenance,
    multi_search,
    partitions,
    privileges,
    queries,
    recall,
    rows,
    scalar_indexes,
    search_pages,
    settings,
    statistics,
    tables,
    templates,
    users,
)
from hippod.net.rest.auth import BasicAuth
from hippod.net.rest.body import NoBody, Query
from hippod.net.rest.endpoint import Endpoint, Surroundings
from hippod.net.rest.envelope import JSON, encode_json, error_reply
from hippod.net.rest.openapi import make_document
from hippod.net.rest.refusals import HttpRefusal
from hippod.net.rest.routes import PREFIX, Call, Route

# Of several paths that fit, the first one answers: those of tables, which have names in their first place, come last.
NOUNS: Final = (
    databases,
    jobs,
    cat,
    users,
    privileges,
    templates,
    settings,
    aliases,
    fields,
    indexes,
    recall,
    scalar_indexes,
    partitions,
    rows,
    copies,
    queries,
    search_pages,
    hybrid_search,
    multi_search,
    distances,
    statistics,
    maintenance,
    tables,
)

_ROOT: Final = encode_json({"name": "hippod", "rest": PREFIX}, pretty=False)
_NO_ROUTE: Final = {
    404: "there is no such path; the API is described at " + PREFIX + "/_openapi.json",
    405: "this path does not take this method; the Allow header has those that it takes",
}


def all_routes() -> tuple[Route, ...]:
    return (*(route for noun in NOUNS for route in noun.ROUTES), _DESCRIPTION)


def make_app(engine: Engine, logins: Logins, options: NetOptions) -> Starlette:
    around = Surroundings(engine, BasicAuth(engine, logins), options)
    routes = [StarletteRoute(route.pattern, Endpoint(route, around), methods=list(route.methods)) for route in all_routes()]
    app = Starlette(routes=[*routes, StarletteRoute("/", _root)], exception_handlers={HTTPException: _no_route})
    app.router.redirect_slashes = False
    return app


async def _root(_request: Request) -> Response:
    """Clients look here, without login, whether the server lives."""
    return Response(_ROOT, media_type=JSON)


async def _no_route(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reply = error_reply(HttpRefusal(error.status_code, _NO_ROUTE[error.status_code], error.headers))
    return Response(reply.body, reply.status, reply.headers, reply.media_type)


async def describe(_call: Call[Query, NoBody]) -> dict[str, Any]:
    return make_document(all_routes())


_DESCRIPTION: Final = Route("GET", "/_openapi.json", describe, "The OpenAPI description of this API")
