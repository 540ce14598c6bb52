"""The route of distances between vectors that are given and vectors of rows."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hippod.engine.operations import DEFAULT_DATABASE, Distance, DistanceResult, GetSchema, GivenVectors, StoredVectors, TableSchema
from hippod.errors import BadRequest
from hippod.net.rest.body import ABSENT, Body, Query, absent
from hippod.net.rest.columns import read_column, read_vectors
from hippod.net.rest.envelope import Answer
from hippod.net.rest.routes import Call, Route
from hippod.net.rest.rows import FieldCells


class VectorSide(Body, frozen=True):
    """Either `float_vectors`, or the vectors `field` of the rows of a table by their `primary_keys`: one column as in _bulk."""

    float_vectors: msgspec.Raw = msgspec.field(default_factory=absent)
    table_name: str | None = None
    database_name: str | None = None
    field: str | None = None
    primary_keys: list[FieldCells] | None = None


class DistanceParams(msgspec.Struct, frozen=True):
    """Other keys are ignored."""

    metric_type: str | None = None


class DistanceBody(Body, frozen=True):
    vectors_left: VectorSide
    vectors_right: VectorSide
    params: DistanceParams | None = None


class DistanceAnswer(Answer, frozen=True):
    """One list for each left vector, with its scores with all right ones."""

    distances: Any

    @property
    def cells(self) -> int:
        return int(self.distances.size)


async def distance(call: Call[Query, DistanceBody]) -> DistanceAnswer:
    body = call.body
    left = await _side(call, "vectors_left", body.vectors_left)
    right = await _side(call, "vectors_right", body.vectors_right)
    found: DistanceResult = await call.execute(Distance(left, right, None if body.params is None else body.params.metric_type))
    return DistanceAnswer(found.distances)


async def _side(call: Call[Query, DistanceBody], name: str, side: VectorSide) -> StoredVectors | GivenVectors:
    if (side.float_vectors == ABSENT) == (side.table_name is None):
        raise BadRequest(f"{name} has either float_vectors or a table_name with primary_keys", field=name)
    if side.table_name is None:
        return GivenVectors(await call.engine.pool.run(read_vectors, name, side.float_vectors))
    if side.primary_keys is None or len(side.primary_keys) != 1:
        raise BadRequest(f"{name}.primary_keys has one column: that of the primary key", field=name)
    database = side.database_name or DEFAULT_DATABASE
    found: TableSchema = await call.execute(GetSchema(side.table_name, database=database))
    (keys,) = side.primary_keys
    column = await call.engine.pool.run(read_column, found.schema.field(keys.field_name), keys.field)
    return StoredVectors(side.table_name, column, side.field, database)


ROUTES: Final = (Route("GET POST", "/_distance", distance, "Scores of pairs of vectors"),)
