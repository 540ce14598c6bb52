"""Reading rows from another server over Hippo's REST API: the source of a copy. The only home of httpx.

Rows are read in pages in the order of their primary key: each page begins behind the last key of the page before, so a page that is asked
for twice, or rows that change meanwhile, lose nothing. A server that does not answer in that order is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hippod.engine.arrays import Column
from hippod.engine.copying import PART_ROWS_MAX, Part
from hippod.engine.operations import CopyByQuery, RemoteSource
from hippod.engine.schema import KEY_TYPES, DataType, Field
from hippod.errors import Rejected
from hippod.net.rest.columns import read_column

if TYPE_CHECKING:
    import httpx

_TIMEOUT_S: Final = 60.0
_PAGE_ROWS: Final = 1_000
_PAGE_NUMBERS: Final = 1 << 20
_ANSWER_BYTES_MAX: Final = 256 << 20
_PREFIX: Final = "/hippo/v1"


class _RemoteField(msgspec.Struct):
    name: str
    data_type: str
    is_primary_key: bool = False
    type_params: dict[str, Any] | None = None


class _RemoteSchema(msgspec.Struct):
    fields: list[_RemoteField]


class _RemoteTable(msgspec.Struct):
    schema: _RemoteSchema


class _Cells(msgspec.Struct):
    field_name: str
    field_values: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"[]"))


class _Page(msgspec.Struct):
    fields_data: list[_Cells]


class _Total(msgspec.Struct):
    total: int


class RestReader:
    """Satisfies engine.copying.RemoteReader. Each copy has a connection of its own, which ends with it."""

    async def read(self, operation: CopyByQuery) -> AsyncGenerator[Part, None]:
        """Raises Rejected for a server that cannot be reached, refuses, or answers what is no answer."""
        source = operation.remote
        assert source is not None
        # Loaded when it is first needed, off the event loop: it takes longer than the rest of this package.
        httpx = await asyncio.to_thread(import_module, "httpx")
        async with httpx.AsyncClient(auth=(source.user, source.password), timeout=_TIMEOUT_S, trust_env=False) as client:
            remote = _RemoteTableReader(client, source, operation)
            await remote.describe()
            async for part in remote.parts():
                yield part


class _RemoteTableReader:
    def __init__(self, client: httpx.AsyncClient, source: RemoteSource, operation: CopyByQuery) -> None:
        self._client = client
        self._hosts = source.hosts
        self._host = source.hosts[0]
        self._table, self._database, self._filter = operation.table, operation.database, operation.filter.strip()
        self._wanted = operation.fields
        self._fields: dict[str, Field] = {}
        self._key: Field

    async def describe(self) -> None:
        """Find the first host that answers, and what the table has there."""
        import httpx

        found = None
        for host in self._hosts:
            self._host = host
            try:
                found = await self._ask("", None, dict[str, _RemoteTable])
                break
            except httpx.TransportError as error:
                refused = f"{host} cannot be reached: {type(error).__name__}"
        if found is None:
            raise Rejected(f"no host of the other server answers; {refused}", field="remote")
        table = found.get(self._table) or next(iter(found.values()), None)
        if table is None:
            raise Rejected(f"the other server has no table {self._table[:128]!r}", field="remote")
        keys = [field.name for field in table.schema.fields if field.is_primary_key]
        self._fields = {field.name: _field(field) for field in table.schema.fields}
        if len(keys) != 1 or self._fields[keys[0]].type not in KEY_TYPES:
            raise Rejected(f"table {self._table!r} of the other server has no single int or string key", field="remote")
        self._key = self._fields[keys[0]]
        unknown = set(self._wanted or ()) - self._fields.keys()
        if unknown:
            raise Rejected(f"table {self._table!r} of the other server has no field {min(unknown)[:128]!r}", field="fields")

    async def parts(self) -> AsyncGenerator[Part, None]:
        names = self._wanted or list(self._fields)
        asked = names if self._key.name in names else [*names, self._key.name]
        total = (await self._ask("/_count", {"expr": self._filter} if self._filter else {}, _Total)).total
        width = sum(self._fields[name].dimension or 1 for name in asked)
        limit = max(1, min(_PAGE_ROWS, PART_ROWS_MAX, _PAGE_NUMBERS // width))
        last: Any = None
        done = 0
        while True:
            body = {"output_fields": asked, "expr": self._behind(last), "limit": limit}
            page = await self._ask("/_query", body, _Page)
            cells = {found.field_name: found.field_values for found in page.fields_data}
            if not set(asked) <= cells.keys():
                raise Rejected(f"{self._host} answered a query without all of its fields", field="remote")
            keys = self._keys(cells[self._key.name], last)
            if keys:
                last = keys[-1]
                done += len(keys)
                yield Part([self._column(name, cells[name], len(keys)) for name in names], min(1.0, done / max(1, total)))
            if len(keys) < limit:
                return

    def _column(self, name: str, cells: msgspec.Raw, rows: int) -> Column:
        column = read_column(self._fields[name], cells)
        if len(column.values) != rows:
            raise Rejected(f"{self._host} answered fields of different length", field="remote")
        return column

    def _behind(self, last: Any) -> str:
        """The filter for the rows behind the last key."""
        if last is None:
            return self._filter
        literal = str(last) if isinstance(last, int) else "'" + last.replace("\\", "\\\\").replace("'", "\\'") + "'"
        behind = f"{self._key.name} > {literal}"
        return f"({self._filter}) and {behind}" if self._filter else behind

    def _keys(self, cells: msgspec.Raw, last: Any) -> list[Any]:
        """The keys of a page, which rise from the last one on."""
        try:
            keys: list[Any] = msgspec.json.decode(cells, type=list[str] if self._key.type.is_string else list[int])
        except msgspec.ValidationError:
            raise Rejected(f"{self._host} answered keys that are none of {self._key.type}", field="remote") from None
        ordered = [key.encode() if isinstance(key, str) else key for key in ([] if last is None else [last]) + keys]
        if any(a >= b for a, b in pairwise(ordered)):
            raise Rejected(f"{self._host} does not answer in the order of the key: its rows cannot be read page by page", field="remote")
        return keys

    async def _ask(self, path: str, body: Mapping[str, Any] | None, kind: Any) -> Any:
        """One GET with a body, as Hippo has them. Raises httpx.TransportError for a host that is not there, Rejected for a bad answer."""
        url = f"http://{self._host}{_PREFIX}/{self._table}{path}"
        content = b'""' if body is None else msgspec.json.encode(body)
        request = self._client.build_request(
            "GET", url, params={"database_name": self._database}, content=content, headers={"content-type": "application/json"}
        )
        response = await self._client.send(request, stream=True)
        try:
            raw = bytearray()
            async for piece in response.aiter_bytes():
                raw += piece
                if len(raw) > _ANSWER_BYTES_MAX:
                    raise Rejected(f"{self._host} answers with more than {_ANSWER_BYTES_MAX} bytes", field="remote")
        finally:
            await response.aclose()
        if response.status_code != 200:
            raise Rejected(f"{self._host} refuses with {response.status_code}: {_reason(bytes(raw))}", field="remote")
        try:
            return msgspec.json.decode(raw, type=kind)
        except msgspec.MsgspecError as error:
            raise Rejected(f"{self._host} answers what is no answer of Hippo: {error}", field="remote") from None


def _field(remote: _RemoteField) -> Field:
    params = remote.type_params or {}
    name = remote.data_type.lower()
    try:
        kind = DataType("int64" if name == "bigint" else name)
        element = DataType(str(params["element_type"]).lower()) if "element_type" in params else None
    except ValueError:
        raise Rejected(f"field {remote.name[:128]!r} of the other server has the unknown type {name[:40]!r}", field="remote") from None
    dimension = params.get("dimension", params.get("dim"))
    return Field(remote.name, kind, nullable=True, dimension=dimension, element_type=element)


def _reason(raw: bytes) -> str:
    try:
        return str(msgspec.json.decode(raw)["error"]["reason"])[:400]
    except (msgspec.MsgspecError, KeyError, TypeError):
        return "no reason is given"
