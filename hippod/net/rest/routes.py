"""A route as a value: methods, path, handler. What the body, the query string and the answer are says the handler's own signature:

    async def count(call: Call[DatabaseQuery, CountBody]) -> CountAnswer: ...

    ROUTES: Final = (Route("GET POST", "/{table}/_count", count, "Count the rows that match"),)

Routing, decoding and the OpenAPI document are all made from these values; there is no second place to keep in step.
"""

from __future__ import annotations

import asyncio
import re
import typing
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from starlette.convertors import Convertor, register_url_convertor

from hippod.engine.access import Principal
from hippod.engine.engine import Engine
from hippod.engine.operations import Operation
from hippod.errors import DeadlineExceeded
from hippod.net.rest.body import Body, JobBody, Query

PREFIX: Final = "/hippo/v1"
_Q = TypeVar("_Q", bound=Query)
_B = TypeVar("_B", bound=Body)
_PARAMETER: Final = re.compile(r"\{(\w+)\}")
# A long operation may answer this much after the time that its caller wants to wait.
_AFTER_WAIT_S: Final = 0.25


class _Name(Convertor[str]):
    """Segments that begin with `_` are Hippo's own words, never names."""

    regex = "[^/_][^/]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("name", _Name())


@dataclass(frozen=True, slots=True)
class Call(Generic[_Q, _B]):
    """One request, checked and typed. `deadline` is loop time; `server` is the address it came to, as host:port."""

    engine: Engine
    principal: Principal
    path: Mapping[str, str]
    query: _Q
    body: _B
    deadline: float
    server: str

    async def execute(self, operation: Operation) -> Any:
        """The engine's result, or its error. A read is given up at the deadline; a write ends as it ends."""
        future = self.engine.submit(operation, self.principal, self.deadline)
        if future.done() or not operation.is_read:
            return await future
        try:
            async with asyncio.timeout_at(self.deadline):
                return await future
        except TimeoutError:
            raise DeadlineExceeded("the deadline of the request has passed") from None

    async def execute_job(self, operation: Operation, body: JobBody) -> Any:
        """A long operation that waits, if it waits, for as long as the body says."""
        deadline = asyncio.get_running_loop().time() + body.wait_s + _AFTER_WAIT_S
        return await self.engine.execute(operation, self.principal, deadline)


Handler = Callable[[Any], Coroutine[Any, Any, Any]]


class Route:
    """`methods` separated by blanks; the path stands after the prefix, `{name}` is a segment that does not begin with `_`."""

    def __init__(self, methods: str, path: str, handler: Handler, summary: str) -> None:
        self.methods = tuple(methods.split())
        self.path = path
        self.handler = handler
        self.summary = summary
        hints = typing.get_type_hints(handler)
        self.result: type = hints.pop("return")
        (call,) = hints.values()
        self.query, self.body = typing.get_args(call)

    @property
    def handler_name(self) -> str:
        return self.handler.__name__

    @property
    def parameters(self) -> list[str]:
        return _PARAMETER.findall(self.path)

    @property
    def pattern(self) -> str:
        """The path as Starlette takes it."""
        return PREFIX + _PARAMETER.sub(r"{\1:name}", self.path)
