"""Calls of the ingest service, which owns knowledge."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, UnsetType

from libs.common.calls.shapes import (
    ById,
    Done,
    Erase,
    Erased,
    Id,
    Listing,
    Page,
    Reply,
    Request,
    Timestamp,
    Url,
)
from libs.common.envelope import Endpoint

ItemType = Literal["url", "qa", "text", "document", "crawl"]
ItemStatus = Literal["pending", "processing", "ready", "failed"]
Refresh = Literal["never", "daily", "weekly"]
Title = Annotated[str, Meta(max_length=500)]
Content = Annotated[str, Meta(min_length=1, max_length=500_000)]
Patterns = Annotated[list[Annotated[str, Meta(min_length=1, max_length=500)]], Meta(max_length=50)]


class Progress(Reply, frozen=True, kw_only=True):
    """Pages of a crawl; of a single item at most 1 each."""

    found: int = 0
    fetched: int = 0
    indexed: int = 0
    failed: int = 0


class ItemError(Reply, frozen=True, kw_only=True):
    code: str
    message: str


class Item(Reply, frozen=True, kw_only=True):
    """A knowledge item. ``semantic`` is done once it is found by meaning, not by words alone."""

    id: str
    chatbot_id: str
    type: ItemType
    source: str | None
    title: str
    status: ItemStatus
    stage: str
    semantic: Literal["pending", "done"]
    progress: Progress
    chunks: int
    error: ItemError | None
    attempts: int
    refresh: Refresh
    parent_id: str | None
    created_at: Timestamp
    updated_at: Timestamp
    indexed_at: Timestamp | None


class QuestionAnswer(Request, frozen=True, kw_only=True):
    question: Annotated[str, Meta(min_length=1, max_length=2_000)]
    answer: Annotated[str, Meta(min_length=1, max_length=20_000)]


class CreateItem(Request, frozen=True, kw_only=True):
    """``source`` is the page of a `url`, the upload of a `document`, the question of a `qa`
    whose ``content`` is a string, and a label of a `text`."""

    chatbot_id: Id
    type: Literal["url", "qa", "text", "document"]
    source: Url | None = None
    content: QuestionAnswer | Content | None = None
    title: Title | None = None
    refresh: Refresh = "never"


class UploadedFile(Request, frozen=True, kw_only=True):
    """A file that the gateway put into the blob store, or refused with ``error``."""

    upload_id: str
    filename: str
    size: int  # bytes
    error: ItemError | None = None


class CreateUploads(Request, frozen=True, kw_only=True):
    chatbot_id: Id
    files: list[UploadedFile]
    title: Title | None = None


class Items(Reply, frozen=True, kw_only=True):
    data: list[Item]


class Scrape(Request, frozen=True, kw_only=True):
    """Exactly one of ``url`` and ``sitemap``. Patterns are globs on the path and query."""

    chatbot_id: Id
    url: Url | None = None
    sitemap: Url | None = None
    max_pages: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    max_depth: Annotated[int, Meta(ge=0, le=50)] | None = None
    include: Patterns = []
    exclude: Patterns = []
    refresh: Refresh = "never"


class ListItems(Listing, frozen=True, kw_only=True):
    """``parent_id`` is a crawl, whose pages are wanted, or `none` for what is no page of one."""

    chatbot_id: Id | None = None
    status: ItemStatus | None = None
    type: ItemType | None = None
    parent_id: Id | None = None
    q: Annotated[str, Meta(max_length=200)] | None = None


class UpdateItem(Request, frozen=True, kw_only=True):
    """``content`` of a `qa` or a `text` may be replaced; it is indexed anew."""

    id: Id
    title: Title | UnsetType = msgspec.UNSET
    content: QuestionAnswer | Content | UnsetType = msgspec.UNSET
    refresh: Refresh | UnsetType = msgspec.UNSET


class Chunk(Reply, frozen=True, kw_only=True):
    id: str
    ordinal: int
    text: str
    title: str
    headings: list[str]
    url: str | None
    page: int | None
    tokens: int
    semantic: Literal["pending", "done"]


class ListChunks(Listing, frozen=True, kw_only=True):
    id: Id


class SearchKnowledge(Request, frozen=True, kw_only=True):
    chatbot_id: Id
    query: Annotated[str, Meta(min_length=1, max_length=2_000)]
    limit: Annotated[int, Meta(ge=1, le=50)] = 5


class FoundPassage(Reply, frozen=True, kw_only=True):
    """``score`` is from 0 to 1, comparable within one search."""

    score: float
    knowledge_id: str
    title: str
    url: str | None = None
    page: int | None = None
    headings: list[str]
    text: str


class SearchResult(Reply, frozen=True, kw_only=True):
    """``answerable``: the relevance floor was passed, a bot would answer from these."""

    data: list[FoundPassage]
    answerable: bool


class KnowledgeUsage(Reply, frozen=True, kw_only=True):
    items: int
    pages: int
    chunks: int
    bytes: int
    promised: int = 0  # pages that crawls under way may still add


class NoParameters(Request, frozen=True, kw_only=True):
    """A call that needs nothing but its context."""


KNOWLEDGE_LIST = Endpoint("knowledge.items.list", ListItems, Page[Item])
KNOWLEDGE_CREATE = Endpoint("knowledge.items.create", CreateItem, Item)
KNOWLEDGE_UPLOAD = Endpoint("knowledge.items.upload", CreateUploads, Items)
KNOWLEDGE_SCRAPE = Endpoint("knowledge.items.scrape", Scrape, Item)
KNOWLEDGE_GET = Endpoint("knowledge.items.get", ById, Item)
KNOWLEDGE_UPDATE = Endpoint("knowledge.items.update", UpdateItem, Item)
KNOWLEDGE_DELETE = Endpoint("knowledge.items.delete", ById, Done)
KNOWLEDGE_RETRY = Endpoint("knowledge.items.retry", ById, Item)
KNOWLEDGE_RESYNC = Endpoint("knowledge.items.resync", ById, Item)
KNOWLEDGE_CANCEL = Endpoint("knowledge.items.cancel", ById, Item)
KNOWLEDGE_CHUNKS = Endpoint("knowledge.items.chunks", ListChunks, Page[Chunk])
KNOWLEDGE_SEARCH = Endpoint("knowledge.search", SearchKnowledge, SearchResult)
KNOWLEDGE_USAGE = Endpoint("knowledge.usage.get", NoParameters, KnowledgeUsage)
KNOWLEDGE_ERASE = Endpoint("knowledge.erase", Erase, Erased)
