"""The OpenAPI document, made from the routes: what it says is what is decoded and answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

import msgspec
import numpy as np

from hippod.net.rest.body import NoBody
from hippod.net.rest.envelope import JSON, ErrorAnswer, Text
from hippod.net.rest.routes import PREFIX, Route

_REF: Final = "#/components/schemas/{name}"
_ERRORS: Final = {
    "400": "The request is not valid; the reason names what and the limit",
    "401": "No or wrong credentials",
    "403": "The user may not do this, or a foreign page asked",
    "404": "A name or a path does not exist",
    "405": "The path does not take this method",
    "408": "The request came too slowly",
    "409": "The name exists, or the object cannot do this in its state",
    "413": "The body is too large",
    "414": "The request line is too long",
    "415": "The body is not plain JSON",
    "429": "Overloaded: the same request may succeed after Retry-After",
    "431": "The headers are too large",
    "500": "A defect, or damaged data; the reason holds an id that is in the server's log",
    "503": "Read-only for lack of space, late, or stopping",
}


def make_document(routes: Sequence[Route]) -> dict[str, Any]:
    """OpenAPI 3.1, the whole of it."""
    kinds = {kind for route in routes for kind in (route.body, route.result) if kind not in (NoBody, Text)}
    ordered = [ErrorAnswer, *sorted(kinds, key=str)]
    references, schemas = msgspec.json.schema_components(ordered, schema_hook=_schema_of, ref_template=_REF)
    schema_of = dict(zip(map(str, ordered), references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        for method in route.methods:
            paths.setdefault(PREFIX + route.path, {})[method.lower()] = _operation(route, method, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "hippod: the Hippo REST API", "version": version("hippod"), "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}},
            "responses": {f"Error{status}": _response(text, references[0]) for status, text in _ERRORS.items()},
        },
        "security": [{"basic": []}],
    }


def _operation(route: Route, method: str, schema_of: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    answer = {"type": "string"} if route.result is Text else schema_of[str(route.result)]
    media = "text/plain" if route.result is Text else JSON
    operation: dict[str, Any] = {
        "operationId": route.handler_name if method == route.methods[0] else f"{route.handler_name}_{method.lower()}",
        "summary": route.summary,
        "parameters": [*map(_path_parameter, route.parameters), *map(_query_parameter, msgspec.structs.fields(route.query))],
        "responses": {
            "200": _response("Done", answer, media),
            **{status: {"$ref": f"#/components/responses/Error{status}"} for status in _ERRORS},
        },
    }
    if route.body is not NoBody:
        required = any(field.required for field in msgspec.structs.fields(route.body))
        operation["requestBody"] = {"required": required, "content": {JSON: {"schema": schema_of[str(route.body)]}}}
    return operation


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1, "pattern": "^[^/_]"}}


def _query_parameter(field: msgspec.structs.FieldInfo) -> dict[str, Any]:
    schema = msgspec.json.schema(field.type)
    if field.default not in (msgspec.NODEFAULT, None):
        schema["default"] = field.default
    return {"name": field.encode_name, "in": "query", "required": field.required, "schema": schema}


def _response(text: str, schema: dict[str, Any], media: str = JSON) -> dict[str, Any]:
    return {"description": text, "content": {media: {"schema": schema}}}


def _schema_of(kind: type) -> dict[str, Any]:
    """Arrays of numbers that are decoded or encoded without an object a cell."""
    if kind is np.ndarray:
        return {"type": "array"}
    raise NotImplementedError  # what msgspec takes for "of another type"
