"""``POST /api/knowledge/upload``: files streamed to the blob store, each judged alone."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from libs.common.calls import KNOWLEDGE_UPLOAD, CreateUploads, ItemError, UploadedFile
from libs.common.errors import AppError, BadRequest, PayloadTooLarge, UnsupportedType
from libs.common.ids import new_id
from services.gateway.body import PART_TIMEOUT, BodyCut, TooSlow
from services.gateway.call import Call
from services.gateway.decode import check_values, convert, printable
from services.gateway.gateway import Gateway
from services.gateway.once import REPLAYED, once
from services.gateway.secrets import fingerprint

PART = 256 << 10  # bytes read at once
LONGEST_FIELD = 4_096  # bytes of a text field
LONGEST_NAME = 255  # characters of a file's name
WHOLE_TIMEOUT = 600.0  # seconds for all files
FIELDS = ("chatbotId", "title")


def blob_key(account: str, upload_id: str) -> str:
    """Where the file of an upload rests."""
    return f"uploads/{account}/{upload_id}"


class Upload:
    """One request's parts as they come in."""

    def __init__(self, gateway: Gateway, call: Call) -> None:
        self._gateway = gateway
        self._call = call
        self.fields: dict[str, str] = {}
        self.files: list[UploadedFile] = []
        self._digests: list[str] = []  # of what the files hold

    async def read(self) -> None:
        reader = _multipart(self._call.request)
        try:
            async with asyncio.timeout(WHOLE_TIMEOUT):
                while True:
                    async with asyncio.timeout(PART_TIMEOUT):
                        part = await reader.next()
                    if part is None:
                        return
                    await self._part(part)
        except TimeoutError as exc:
            raise TooSlow from exc
        except RequestPayloadError as exc:
            raise BodyCut from exc
        except (ValueError, AssertionError, LookupError, HttpProcessingError) as exc:
            raise BadRequest("The body is not valid multipart/form-data.") from exc

    async def _part(self, part: MultipartReader | BodyPartReader) -> None:
        if not isinstance(part, BodyPartReader):
            raise BadRequest("Parts must not be multipart themselves.")
        if part.name == "file" and part.filename is not None:
            await self._file(part)
        elif part.name in FIELDS:
            self.fields[part.name] = await _text(part)
        else:
            raise BadRequest(
                f"This route takes no part `{(part.name or '')[:100]}`.",
                code="unknown_field",
                details={"field": (part.name or "")[:100]},
            )

    async def _file(self, part: BodyPartReader) -> None:
        settings = self._gateway.settings
        if len(self.files) >= settings.upload_files:
            raise BadRequest(f"Send at most {settings.upload_files} files at once.")
        name = printable((part.filename or "")[:LONGEST_NAME].replace("\0", ""))
        upload = new_id("up")
        limit = settings.upload_mb << 20
        account = self._call.principal.account
        counter = _Counter(part)
        try:
            await self._gateway.blobs.put(blob_key(account, upload), counter, limit=limit)
        except PayloadTooLarge as exc:
            await counter.skip()
            self._digests.append(counter.digest.hexdigest())
            error = ItemError(code="file_too_large", message=exc.message)
            self.files.append(UploadedFile(upload_id="", filename=name, size=0, error=error))
            return
        except AppError as exc:
            raise (counter.fault or exc) from exc
        self._digests.append(counter.digest.hexdigest())
        self.files.append(UploadedFile(upload_id=upload, filename=name, size=counter.size))

    @property
    def fingerprint(self) -> str:
        """Stands for what was sent, whatever the boundary between its parts was."""
        fields = [part for field in sorted(self.fields.items()) for part in field]
        names = [file.filename for file in self.files]
        return fingerprint(self._call.request.raw_path, *fields, *names, *self._digests)

    async def discard(self) -> None:
        """Remove what was stored for a request that came to nothing."""
        account = self._call.principal.account
        keys = [blob_key(account, file.upload_id) for file in self.files if file.upload_id]
        await self._gateway.blobs.delete(*keys)


class _Counter:
    """A part's bytes in pieces, counted and hashed, with a deadline for each piece."""

    def __init__(self, part: BodyPartReader) -> None:
        self._part = part
        self.size = 0
        self.digest = hashlib.sha256()
        self.fault: AppError | None = None  # the client's, which the blob store takes for its own

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        while True:
            try:
                async with asyncio.timeout(PART_TIMEOUT):
                    piece = await self._part.read_chunk(PART)
            except TimeoutError as exc:
                self.fault = TooSlow()
                raise self.fault from exc
            except RequestPayloadError as exc:
                self.fault = BodyCut()
                raise self.fault from exc
            if not piece:
                return
            self.size += len(piece)
            self.digest.update(piece)
            yield bytes(piece)

    async def skip(self) -> None:
        """Read the rest and forget it, so that the parts after it are reached."""
        async for _ in self._pieces():
            pass


async def upload(gateway: Gateway, call: Call, _: object) -> web.StreamResponse:
    """Store the files, then have ingest judge them; once, where the client names the request."""
    received = Upload(gateway, call)

    async def work() -> web.StreamResponse:
        return call.reply(await _pass_on(gateway, call, received), 202)

    try:
        await received.read()
        response = await once(gateway.idempotency, call, received.fingerprint, work, work)
    except AppError:
        await received.discard()
        raise
    if REPLAYED in call.headers:
        await received.discard()
    return response


async def _pass_on(gateway: Gateway, call: Call, received: Upload) -> object:
    request = _request(received)
    plan = gateway.plans.of(call.principal.plan)
    async with gateway.usage.room_for_items(call.principal.account, plan, len(received.files)):
        if all(file.error for file in received.files):
            first = received.files[0].error
            assert first is not None
            raise PayloadTooLarge(first.message, code=first.code)
        return await gateway.bus.request(KNOWLEDGE_UPLOAD, request, call.context(), timeout=30.0)


def _request(received: Upload) -> CreateUploads:
    if not received.files:
        raise BadRequest(
            "Send at least one part `file` with a file name.", details={"field": "file"}
        )
    values: dict[str, object] = {"files": received.files, **received.fields}
    return convert(values, CreateUploads, frozenset())


def _multipart(request: web.BaseRequest) -> MultipartReader:
    if request.content_type != "multipart/form-data":
        raise UnsupportedType("Send the files as multipart/form-data.")
    try:
        return MultipartReader(request.headers, request.content)
    except (ValueError, AssertionError) as exc:
        raise BadRequest("The body is not valid multipart/form-data.") from exc


async def _text(part: BodyPartReader) -> str:
    data = b""
    while piece := await part.read_chunk(LONGEST_FIELD):
        data += piece
        if len(data) > LONGEST_FIELD:
            raise PayloadTooLarge(f"The field `{part.name}` is too long.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise BadRequest(f"The field `{part.name}` is not UTF-8.") from exc
    check_values(text)
    return text
