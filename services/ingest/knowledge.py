"""What owners do with knowledge: the domain behind ``knowledge.*``."""

import time
from hashlib import sha256
from typing import Any

from msgspec import UNSET

from libs.common.bus import Bus
from libs.common.calls import (
    CHATBOT_GET,
    ById,
    Chunk,
    CreateItem,
    CreateUploads,
    Item,
    KnowledgeUsage,
    ListChunks,
    ListItems,
    Page,
    QuestionAnswer,
    Scrape,
    UpdateItem,
    UploadedFile,
)
from libs.common.db import Database, Tx
from libs.common.envelope import Context
from libs.common.errors import BadRequest, Conflict, NotFound
from libs.common.ids import is_id, new_id
from libs.common.netguard import AddressGuard
from libs.retrieval.passages import point_id
from services.ingest.crawl.rules import CrawlOptions
from services.ingest.notices import Notices
from services.ingest.removal import Removals
from services.ingest.store import crawls, items
from services.ingest.store.rows import ChunkRow, ItemRow

KNOWN_CHATBOT = 30.0  # seconds that a chatbot is taken to exist after it was seen
MOST_KNOWN = 10_000


class ItemNotFound(NotFound):
    """There is no knowledge item under this id."""


class Knowledge:
    def __init__(
        self,
        db: Database,
        bus: Bus,
        notices: Notices,
        removals: Removals,
        guard: AddressGuard,
        *,
        max_pages: int,
    ) -> None:
        self._db = db
        self._bus = bus
        self._notices = notices
        self._removals = removals
        self._guard = guard
        self._max_pages = max_pages
        self._chatbots: dict[tuple[str, str], float] = {}

    # -- making ------------------------------------------------------------------------------

    async def create(self, context: Context, request: CreateItem) -> Item:
        await self._chatbot(context, request.chatbot_id)
        values = _values(request, self._guard)
        once = _once(context, request.chatbot_id, request.type, values)
        row = await self._add(context, request.chatbot_id, request.type, values, once)
        return row.public()

    async def upload(self, context: Context, request: CreateUploads) -> list[Item]:
        """Each file is judged alone; a refused one becomes a failed item."""
        await self._chatbot(context, request.chatbot_id)
        if not request.files:
            raise BadRequest("Send at least one file.")
        refused = [file.error for file in request.files if file.error is not None]
        if len(refused) == len(request.files):
            raise BadRequest(refused[0].message, code=refused[0].code)
        made: list[Item] = []
        for number, file in enumerate(request.files):
            values = _upload_values(file, request.title if len(request.files) == 1 else None)
            once = _once(context, request.chatbot_id, number, {**values, "source": None})
            row = await self._add(context, request.chatbot_id, "document", values, once)
            made.append(row.public())
        return made

    async def scrape(self, context: Context, request: Scrape) -> Item:
        if (request.url is None) == (request.sitemap is None):
            raise BadRequest("Send exactly one of url and sitemap.")
        source = request.url or request.sitemap or ""
        _refuse_url(self._guard, source)
        options = CrawlOptions.of(request, self._max_pages)
        await self._chatbot(context, request.chatbot_id)
        values = {"source": source, "refresh": request.refresh, "options": options.as_json()}
        once = _once(context, request.chatbot_id, "crawl", values)
        row = await self._add(context, request.chatbot_id, "crawl", values, once)
        return row.public()

    async def _add(
        self, context: Context, chatbot: str, type: str, values: dict[str, Any], once: str
    ) -> ItemRow:
        """A new item, or the one that the same request made before its answer was lost."""
        account, source = context.account, values.get("source")
        async with self._db.transaction(account) as tx:
            row, is_new = await items.insert(
                tx, account, id=new_id("kn"), chatbot=chatbot, type=type, once=once, **values
            )
            if not is_new and type == "document" and source and source != row.source:
                # Nothing is indexed under an upload's id: this removes the file alone.
                await items.add_removal(tx, account, chatbot=chatbot, item=source, upload=source)
        if not is_new:
            return row
        if row.status == "pending":
            await self._notices.wake(row)
        await self._notices.changed(row)
        return row

    # -- reading -----------------------------------------------------------------------------

    async def get(self, context: Context, request: ById) -> Item:
        async with self._db.transaction(context.account) as tx:
            return (await _item(tx, context.account, request.id)).public()

    async def page(self, context: Context, request: ListItems) -> Page[Item]:
        async with self._db.transaction(context.account) as tx:
            rows, pagination = await items.page(
                tx,
                context.account,
                chatbot=request.chatbot_id,
                status=request.status,
                type=request.type,
                parent=request.parent_id,
                text=request.q,
                cursor=request.cursor,
                limit=request.limit,
            )
        return Page(data=[row.public() for row in rows], pagination=pagination)

    async def chunks(self, context: Context, request: ListChunks) -> Page[Chunk]:
        async with self._db.transaction(context.account) as tx:
            item = await _item(tx, context.account, request.id)
            rows, pagination = await items.chunks(
                tx,
                context.account,
                item.id,
                item.generation,
                cursor=request.cursor,
                limit=request.limit,
            )
        return Page(data=[_chunk(item, row) for row in rows], pagination=pagination)

    async def usage(self, context: Context) -> KnowledgeUsage:
        async with self._db.transaction(context.account) as tx:
            return KnowledgeUsage(**await items.usage(tx, context.account))

    # -- changing ----------------------------------------------------------------------------

    async def update(self, context: Context, request: UpdateItem) -> Item:
        async with self._db.transaction(context.account) as tx:
            row = await _item(tx, context.account, request.id, lock=True)
            values = _changes(row, request)
            changed = await items.update(tx, context.account, row.id, **values) if values else row
            if row.type != "crawl" and ("title" in values or "content" in values):
                changed = await items.requeue(tx, context.account, row.id)
        if changed is None:
            raise ItemNotFound
        if changed.status == "pending":
            await self._notices.wake(changed)
        await self._notices.changed(changed)
        return changed.public()

    async def retry(self, context: Context, request: ById) -> Item:
        return await self._again(context, request.id, only_failed=True)

    async def resync(self, context: Context, request: ById) -> Item:
        return await self._again(context, request.id, only_failed=False)

    async def _again(self, context: Context, id: str, *, only_failed: bool) -> Item:
        async with self._db.transaction(context.account) as tx:
            row = await _item(tx, context.account, id, lock=True)
            if row.status in ("pending", "processing"):
                raise Conflict("This item is being worked on; wait until it is done, or cancel it.")
            if only_failed and row.status != "failed" and not row.failed:
                raise Conflict("Only an item that failed can be retried; use resync.")
            if row.type == "document" and row.source is None:
                raise Conflict("This file was refused when it was uploaded; upload it again.")
            changed = await items.requeue(tx, context.account, id)
        assert changed is not None
        await self._notices.wake(changed)
        await self._notices.changed(changed)
        return changed.public()

    async def cancel(self, context: Context, request: ById) -> Item:
        """What was indexed stays found."""
        async with self._db.transaction(context.account) as tx:
            row = await _item(tx, context.account, request.id, lock=True)
            if row.status not in ("pending", "processing"):
                raise Conflict("This item is not being worked on.")
            changed = await crawls.cancel(tx, context.account, row.id)
        assert changed is not None
        await self._notices.changed(changed)
        return changed.public()

    async def delete(self, context: Context, request: ById) -> None:
        """The item, the pages under it, and what they left in the other stores."""
        async with self._db.transaction(context.account) as tx:
            rows = await items.family(tx, context.account, request.id)
            if not any(row.id == request.id for row in rows):
                raise ItemNotFound
            ids = [row.id for row in rows]
            await items.add_removals(tx, context.account, ids)
            await items.delete(tx, context.account, ids)
        await self._removals.now()

    async def _chatbot(self, context: Context, id: str) -> None:
        """Raises what chat answers when there is no such chatbot in this account."""
        key, now = (context.account, id), time.monotonic()
        if self._chatbots.get(key, 0.0) > now:
            return
        await self._bus.request(CHATBOT_GET, ById(id=id), context, timeout=5.0)
        if len(self._chatbots) >= MOST_KNOWN:
            self._chatbots.clear()
        self._chatbots[key] = now + KNOWN_CHATBOT

    def forget_chatbot(self, account: str, id: str) -> None:
        self._chatbots.pop((account, id), None)


async def _item(tx: Tx, account: str, id: str, *, lock: bool = False) -> ItemRow:
    row = await items.get(tx, account, id, lock=lock)
    if row is None:
        raise ItemNotFound
    return row


def _once(context: Context, *parts: object) -> str:
    """Stands for what a request asks for, if its caller says that it may send it again."""
    if not context.once:
        return ""
    return sha256(repr((context.once, parts)).encode("utf-8", "replace")).hexdigest()


def _refuse_url(guard: AddressGuard, url: str) -> None:
    reason = guard.refuses_url(url)
    if reason is not None:
        raise BadRequest(reason, code="invalid_url", details={"url": url[:200]})


def _values(request: CreateItem, guard: AddressGuard) -> dict[str, Any]:
    """The columns of a new item. Raises `BadRequest`."""
    values: dict[str, Any] = {"source": request.source, "refresh": request.refresh}
    if request.title and request.title.strip():
        values |= {"title": request.title.strip(), "own_title": True}
    if request.type == "url":
        if not request.source:
            raise BadRequest("A url item needs the page's address in source.")
        _refuse_url(guard, request.source)
        values.setdefault("title", request.source)
        return values
    if request.type == "document":
        if not request.source or not is_id(request.source, "up"):
            raise BadRequest("A document item needs the upload's id in source.")
        return values | {"content": {"filename": request.title or request.source}}
    content = _content(request.type, request.content, request.source)
    values["content"] = content
    if request.type == "qa":
        values.setdefault("title", content["question"][:500])
    else:
        values.setdefault("title", request.source or "")
    return values


def _content(type: str, content: QuestionAnswer | str | None, source: str | None) -> Any:
    if type == "qa":
        if isinstance(content, QuestionAnswer):
            question, answer = content.question, content.answer
        elif isinstance(content, str) and source:
            question, answer = source, content
        else:
            raise BadRequest("A qa item needs content {question, answer}, or a string and source.")
        if not question.strip() or not answer.strip():
            raise BadRequest("The question and the answer must not be empty.")
        return {"question": question.strip(), "answer": answer.strip()}
    if not isinstance(content, str) or not content.strip():
        raise BadRequest("A text item needs its text in content.")
    return content.replace("\x00", " ")


def _upload_values(file: UploadedFile, title: str | None) -> dict[str, Any]:
    values: dict[str, Any] = {
        "source": None if file.error else file.upload_id,
        "title": title or file.filename,
        "own_title": bool(title),
        "content": {"filename": file.filename},
        "bytes": file.size,
    }
    if file.error is not None:
        values["error"] = (file.error.code, file.error.message)
    return values


def _changes(row: ItemRow, request: UpdateItem) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if request.refresh is not UNSET:
        if row.type not in ("url", "crawl") and request.refresh != "never":
            raise BadRequest("Only pages and crawls can be refreshed on a schedule.")
        values["refresh"] = request.refresh
        values["refresh_at"] = crawls.next_refresh(request.refresh)
    if request.title is not UNSET and request.title.strip():
        values |= {"title": request.title.strip(), "own_title": True}
    if request.content is not UNSET:
        if row.type not in ("qa", "text"):
            raise BadRequest("Only the content of a qa or a text can be replaced.")
        content = _content(row.type, request.content, row.source)
        values["content"] = items.json(content)
        if row.type == "qa" and not row.own_title:
            values.setdefault("title", content["question"][:500])
    return values


def _chunk(item: ItemRow, row: ChunkRow) -> Chunk:
    text = f"{row.question}\n{row.text}" if row.question else row.text
    return Chunk(
        id=point_id(item.id, row.generation, row.ordinal),
        ordinal=row.ordinal,
        text=text,
        title=item.title,
        headings=row.headings,
        url=item.url,
        page=row.page,
        tokens=row.tokens,
        semantic="done" if row.dense else "pending",
    )
