"""One trace from the widget's request to the webhook's POST, as an OTLP receiver sees it."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from libs.common.testing.model import Model
from tests.conftest import RunningStack
from tests.e2e.client import Api, Receiver

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


class Otlp:
    """Takes spans as OTLP over HTTP; ``trace`` has those of one trace by span id."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: dict[bytes, tuple[str, object]] = {}

    async def take(self, request: web.Request) -> web.Response:
        sent = ExportTraceServiceRequest.FromString(await request.read())
        for resource in sent.resource_spans:
            attributes = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans[span.span_id] = (attributes["service.name"], span)
        return web.Response(content_type="application/x-protobuf")

    def trace(self, trace_id: str) -> dict[bytes, tuple[str, object]]:
        wanted = bytes.fromhex(trace_id)
        return {id: found for id, found in self.spans.items() if found[1].trace_id == wanted}


@pytest.fixture
async def otlp() -> AsyncIterator[Otlp]:
    receiver = Otlp()
    app = web.Application(client_max_size=16 << 20)
    app.router.add_post("/v1/traces", receiver.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def traced(otlp: Otlp) -> AsyncIterator[RunningStack]:
    """The product with a model and somewhere to send its traces."""
    folder = Path(tempfile.mkdtemp(prefix="chattery-test-"))
    folder.chmod(0o755)
    async with Model.open() as model:
        running = RunningStack(
            folder / "data",
            ANTHROPIC_API_KEY="test",
            ANTHROPIC_BASE_URL=model.url,
            OTEL_EXPORTER_OTLP_ENDPOINT=otlp.url,
            CHATTERY_LOG_LEVEL="debug",
        )
        try:
            yield await asyncio.to_thread(running.start)
        finally:
            await asyncio.to_thread(running.stop)
            shutil.rmtree(folder, ignore_errors=True)


async def test_one_trace_leads_from_the_widget_to_the_webhook(
    traced: RunningStack, otlp: Otlp, session: aiohttp.ClientSession, receiver: Receiver
) -> None:
    api = Api(session, traced.base_url, traced.api_key)
    bot = await api.chatbot()
    await api.knows(bot, "Where is the office?", "The office is at 12 Harbour Street.")
    await api.post("/api/webhooks", {"url": receiver.url, "chatbotId": bot})
    begun = await api.post(
        f"/api/widget/{bot}/session", {}, headers={"Origin": "https://shop.example"}
    )
    visitor = Api(session, traced.base_url, begun.body["token"])

    async with session.post(
        f"{traced.base_url}/api/chat/{bot}",
        json={"message": "Where is the office?"},
        headers=visitor.headers(
            Origin="https://shop.example", traceparent=f"00-{TRACE}-{PARENT}-01"
        ),
    ) as response:
        request_id = response.headers["x-request-id"]
        assert b"Harbour Street" in await response.read()
    messages = await receiver.wait(2, "new_message")

    spans = await complete(otlp, of_bot_message)
    by_id = otlp.trace(TRACE)
    assert {service for service, _ in spans} == {
        "chattery-gateway",
        "chattery-chat",
        "chattery-webhooks",
        "chattery-ratelimit",
    }
    names = {span.name for _, span in spans}
    assert {
        "POST /api/chat/{chatbotId}",
        "ratelimit.check",
        "chat.messages.create",
        "postgres.transaction",
        "chat.answer",
        "llm.messages",
        "POST webhook",
    } <= names
    # Every span hangs on another of the trace, up to the widget's own.
    for _, span in by_id.values():
        assert span.parent_span_id in by_id or span.parent_span_id.hex() == PARENT, span.name
    # The bot's message was caused by the answer, and the receiver may go on with the trace.
    posts = {span.span_id.hex(): span for _, span in spans if span.name == "POST webhook"}
    for message in messages:
        version, trace, parent, _ = message.headers["traceparent"].split("-")
        assert (version, trace) == ("00", TRACE)
        assert parent in posts
    assert lines_of(traced, "gateway", "request", request_id=request_id, trace_id=TRACE)
    assert lines_of(traced, "webhooks", "delivery_attempted", trace_id=TRACE)


def of_bot_message(spans: list) -> bool:
    """New conversation, the visitor's message, the bot's: three POSTs."""
    return len([s for _, s in spans if s.name == "POST webhook"]) >= 3 and any(
        s.name.startswith("POST /api/chat") for _, s in spans
    )


async def complete(otlp: Otlp, enough) -> list:
    """The trace's spans, once all are there; each process sends its own every second."""
    async with asyncio.timeout(60):
        while True:
            spans = list(otlp.trace(TRACE).values())
            known = {span.span_id.hex() for _, span in spans} | {PARENT}
            if enough(spans) and all(span.parent_span_id.hex() in known for _, span in spans):
                return spans
            await asyncio.sleep(0.2)


def lines_of(stack: RunningStack, service: str, event: str, **facts: str) -> list[dict]:
    """Log lines with these facts; every line is JSON."""
    text = (stack.data / "logs" / f"{service}.log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    return [
        line
        for line in lines
        if line["event"] == event and all(line.get(k) == v for k, v in facts.items())
    ]
