"""``GET /api/conversations/{id}/export``: streamed as the chat service reads it."""

import asyncio

from aiohttp import web

from libs.common.calls import CONVERSATION_EXPORT, ExportConversation
from services.gateway.call import Call
from services.gateway.gateway import Gateway
from services.gateway.streams import WRITE_TIMEOUT

KINDS = {
    "csv": ("text/csv; charset=utf-8", "csv"),
    "transcript": ("text/plain; charset=utf-8", "txt"),
    "json": ("application/json", "json"),
}


async def export(gateway: Gateway, call: Call, request: ExportConversation) -> web.StreamResponse:
    parts = gateway.bus.stream(CONVERSATION_EXPORT, request, call.context())
    first = await anext(parts, None)  # refusals come before the first byte
    kind, ending = KINDS[request.format]
    response = web.StreamResponse(
        headers={
            **call.headers,
            "Content-Type": kind,
            "Content-Disposition": f'attachment; filename="{_name(request.id)}.{ending}"',
        }
    )
    await response.prepare(call.request)
    if first is not None:
        await _write(response, first.content)
    async for part in parts:
        await _write(response, part.content)
    await response.write_eof()
    return response


async def _write(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT):
        await response.write(text.encode())


def _name(conversation: str) -> str:
    return "".join(c for c in conversation if c.isalnum() or c in "_-") or "conversation"
