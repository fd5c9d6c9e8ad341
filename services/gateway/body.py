"""Reading a request's body: bounded in size and in time."""

import asyncio

from aiohttp import HttpVersion11, web
from aiohttp.web_protocol import RequestPayloadError

from libs.common.errors import BadRequest, PayloadTooLarge, UnsupportedType

LARGEST_JSON = 1 << 20  # bytes
PART_TIMEOUT = 10.0  # seconds without a byte
WHOLE_TIMEOUT = 30.0  # seconds for a JSON body


class TooSlow(BadRequest):
    """The body did not arrive in time."""

    status = 408
    code = "request_timeout"


class BodyCut(BadRequest):
    """The body ended before it was whole."""

    code = "malformed_request"


class NoSuchExpectation(BadRequest):
    """The only expectation this server meets is `100-continue`."""

    status = 417
    code = "expectation_failed"


async def go_on(request: web.BaseRequest) -> None:
    """Tell a client that waits with its body until it is asked for (RFC 9110, 10.1.1)."""
    expected = request.headers.get("Expect")
    if expected is None or request.version < HttpVersion11:
        return
    if expected.lower() != "100-continue":
        raise NoSuchExpectation
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # the answer itself has not begun


async def read_json_body(request: web.BaseRequest) -> bytes:
    """The body of a JSON route. Raises 408, 413 and 415."""
    if not request.body_exists:
        return b""
    if request.content_length is not None and request.content_length > LARGEST_JSON:
        raise PayloadTooLarge(details={"limit": LARGEST_JSON})
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedType("Send the body without a content encoding.")
    body = await _read(request)
    if body and not _is_json(request.content_type):
        raise UnsupportedType("Send the body as application/json.")
    return body


async def _read(request: web.BaseRequest) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(WHOLE_TIMEOUT):
            while True:
                async with asyncio.timeout(PART_TIMEOUT):
                    part = await request.content.readany()
                if not part:
                    return b"".join(parts)
                size += len(part)
                if size > LARGEST_JSON:
                    raise PayloadTooLarge(details={"limit": LARGEST_JSON})
                parts.append(part)
    except TimeoutError as exc:
        raise TooSlow from exc
    except RequestPayloadError as exc:
        raise BodyCut from exc


def _is_json(content_type: str) -> bool:
    return content_type == "application/json" or content_type.endswith("+json")
