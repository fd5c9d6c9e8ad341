"""A route is a row of data: everything the door does for it follows from here."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from libs.common.calls import Done
from libs.common.envelope import Endpoint
from services.gateway.decode import Shape

if TYPE_CHECKING:
    from services.gateway.call import Call
    from services.gateway.gateway import Gateway

Handler = Callable[["Gateway", "Call", Any], Awaitable[Any]]
Guard = Callable[["Gateway", "Call", Any], AbstractAsyncContextManager[Any]]
Auth = Literal["none", "account", "session", "operator"]
Kind = Literal["json", "stream", "upload", "file"]


@dataclass(frozen=True, kw_only=True)
class Route:
    """Either ``call`` (passed on over the bus) or ``handler`` (answered here).

    ``auth`` is whose credentials it takes, ``scope`` what they must include (empty: anyone of
    the account), ``visitor`` whether visitor tokens do as well. ``hidden`` are fields of the
    request that are not for clients. ``guard`` goes around the work and may change the request.
    """

    method: str
    path: str
    summary: str
    tag: str
    call: Endpoint[Any, Any] | None = None
    handler: Handler | None = None
    request: type[Any] | None = None
    reply: Any = None
    auth: Auth = "account"
    scope: str = ""
    visitor: bool = False
    limits: tuple[str, ...] = ("api",)
    status: int = 200
    hidden: tuple[str, ...] = ()
    guard: Guard | None = None
    kind: Kind = "json"
    etag: bool = False
    audit: bool = True
    timeout: float = 10.0  # seconds
    errors: tuple[int, ...] = ()  # beyond those that follow from the rest
    segments: tuple[str, ...] = field(init=False)
    shape: Shape | None = field(init=False)

    def __post_init__(self) -> None:
        segments = tuple(self.path.strip("/").split("/")) if self.path != "/" else ()
        object.__setattr__(self, "segments", segments)
        request = self.request or (self.call.request if self.call else None)
        shape = None
        if request is not None:
            shape = Shape(request, self.parameters, self.hidden, body=self.takes_body)
        object.__setattr__(self, "shape", shape)

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(s[1:-1].removesuffix("...") for s in self.segments if s.startswith("{"))

    @property
    def takes_body(self) -> bool:
        return self.method in ("POST", "PATCH", "PUT") and self.kind in ("json", "stream")

    @property
    def writes(self) -> bool:
        return self.method not in ("GET", "HEAD")

    @property
    def is_widget(self) -> bool:
        """Whether pages of other sites may call it."""
        return self.visitor or self.tag == "Widget"

    @property
    def answer(self) -> Any:
        """The type of the body of a success; None where there is none."""
        if self.reply is not None:
            return self.reply
        found = self.call.reply if self.call else None
        return None if found is Done else found

    @property
    def name(self) -> str:
        """Stable and unique: for OpenAPI, metrics and the audit log."""
        words = [s.strip("{}").replace(".", "-") for s in self.segments if s != "api"]
        return "-".join([self.method.lower(), *words])


class Table:
    """Finds the row of a method and a path.

    Fixed segments win over parameters, and these over ``{name...}``, which takes all that is left.
    """

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self.routes = routes
        self._root = _Node()
        for route in routes:
            self._root.add(route)

    def find(self, segments: list[str]) -> tuple[dict[str, Route], dict[str, str]]:
        """The rows of a path by method, and its parameters; empty when there is none."""
        found = self._root.find(segments, 0, [])
        if found is None:
            return {}, {}
        node, values = found
        route = next(iter(node.methods.values()))
        return node.methods, dict(zip(route.parameters, values, strict=True))


class _Node:
    __slots__ = ("fixed", "methods", "parameter", "rest")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.rest: _Node | None = None
        self.methods: dict[str, Route] = {}

    def add(self, route: Route) -> None:
        node = self
        for segment in route.segments:
            if segment.endswith("...}"):
                node.rest = node.rest or _Node()
                node = node.rest
            elif segment.startswith("{"):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.fixed.setdefault(segment, _Node())
        if route.method in node.methods:
            raise ValueError(f"two rows for {route.method} {route.path}")
        node.methods[route.method] = route

    def find(
        self, segments: list[str], at: int, values: list[str]
    ) -> "tuple[_Node, list[str]] | None":
        if at == len(segments):
            return (self, values) if self.methods else None
        fixed = self.fixed.get(segments[at])
        if fixed is not None and (found := fixed.find(segments, at + 1, values)):
            return found
        if self.parameter is not None and segments[at]:
            under = self.parameter.find(segments, at + 1, [*values, segments[at]])
            if under is not None:
                return under
        if self.rest is not None:
            return self.rest, [*values, "/".join(segments[at:])]
        return None
