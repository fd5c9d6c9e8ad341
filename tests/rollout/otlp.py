"""A collector of traces: takes spans as OTLP over HTTP, keeps those of one trace."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.serving import serving


@dataclass(frozen=True)
class Span:
    service: str
    name: str
    id: str
    parent: str


@dataclass
class Otlp:
    trace: str
    url: str = ""
    spans: dict[str, Span] = field(default_factory=dict[str, Span])

    @classmethod
    @asynccontextmanager
    async def open(cls, trace: str) -> AsyncGenerator["Otlp"]:
        receiver = cls(trace)
        app = web.Application(client_max_size=16 << 20)
        app.router.add_post("/v1/traces", receiver._take)
        async with serving(app) as url:
            receiver.url = url
            yield receiver

    async def _take(self, request: web.Request) -> web.Response:
        sent = ExportTraceServiceRequest.FromString(await request.read())
        for resource in sent.resource_spans:
            attributes = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self._keep(attributes["service.name"], span)
        return web.Response(content_type="application/x-protobuf")

    def _keep(self, service: str, span: Any) -> None:
        if span.trace_id.hex() == self.trace:
            id = span.span_id.hex()
            self.spans[id] = Span(service, span.name, id, span.parent_span_id.hex())

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans.values() if span.name == name]

    async def whole(self, root: str, **counts: int) -> None:
        """Wait until every span hangs on another, up to ``root``, with so many of each name."""
        async with asyncio.timeout(60):
            while not (
                all(len(self.named(name)) >= n for name, n in counts.items())
                and all(s.parent in self.spans or s.parent == root for s in self.spans.values())
            ):
                await asyncio.sleep(0.2)
