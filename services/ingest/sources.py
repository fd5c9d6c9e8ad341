"""Getting at an item's source: the text it holds, the file it names, the page it points to."""

import asyncio
import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from libs.common.blobs import Blobs
from libs.common.errors import NotFound
from libs.common.fetch import Fetched, Fetcher, FetchError
from libs.retrieval.embed import Embedder
from services.ingest.documents import Document, from_extracted, from_question
from services.ingest.extract.blocks import Extracted, ExtractionFailed, Job, Limits
from services.ingest.extract.plain import extract_text
from services.ingest.extract.pool import Extractor, scratch_file
from services.ingest.store.rows import ItemRow

PAGE_BYTES = 30 << 20  # of a page, or of a document behind a link
PAGE_LIMITS = Limits(seconds=60.0)
_MARKDOWN = re.compile(r"^(#{1,6} \S|\|.+\|\s*$)", re.MULTILINE)

Stage = Callable[[str], Any]


class Unchanged(Exception):
    """The source is what it was. Carries what to remember of the answer."""

    def __init__(self, etag: str | None = None, last_modified: str | None = None) -> None:
        super().__init__("unchanged")
        self.etag = etag
        self.last_modified = last_modified


class Page:
    """A fetched page as extracted, with what HTTP said of it."""

    def __init__(self, fetched: Fetched, extracted: Extracted) -> None:
        self.fetched = fetched
        self.extracted = extracted

    @property
    def url(self) -> str:
        return self.fetched.url


class Sources:
    def __init__(
        self, fetcher: Fetcher, blobs: Blobs, extractor: Extractor, embedder: Embedder
    ) -> None:
        self.fetcher = fetcher
        self._blobs = blobs
        self._extractor = extractor
        self._embedder = embedder

    async def document(self, item: ItemRow, stage: Stage) -> Document:
        """Read and cut an item's source.

        Raises `ExtractionFailed` and `FetchError` with what to tell the owner, `Unchanged`
        when there is nothing to do.
        """
        if item.type == "qa":
            content = item.content
            title = item.title or content["question"]
            return await asyncio.to_thread(
                from_question, content["question"], content["answer"], title, self._embedder
            )
        if item.type == "text":
            extracted = await self._text(item)
        elif item.type == "document":
            extracted = await self._upload(item, stage)
        else:
            await stage("fetching")
            page = await self.page(item.source or "", item)
            return await self.of_page(item, page)
        await stage("chunking")
        title = item.title if item.own_title else extracted.title
        return await from_extracted(extracted, title, self._embedder)

    async def page(self, url: str, known: ItemRow | None = None) -> Page:
        """Fetch and extract one page; conditionally where a version is known."""
        headers = {"Accept": "text/html,application/xhtml+xml,application/pdf;q=0.9,*/*;q=0.5"}
        if known is not None and known.generation > 0 and known.status != "failed":
            headers |= _conditions(known)
        fetched = await self.fetcher.get(url, headers=headers, max_bytes=PAGE_BYTES)
        if fetched.status == 304:
            raise Unchanged(*_validators(fetched))
        path = unquote(urlsplit(fetched.url).path)
        job = Job(
            name=PurePosixPath(path).name or urlsplit(fetched.url).hostname or "page",
            data=fetched.body,
            kind="html" if _is_html(fetched) else None,
            charset=_charset(fetched),
            url=fetched.url,
            limits=PAGE_LIMITS,
        )
        return Page(fetched, await self._extractor.extract(job))

    async def of_page(self, item: ItemRow, page: Page) -> Document:
        title = item.title if item.own_title else page.extracted.title
        document = await from_extracted(page.extracted, title, self._embedder)
        etag, last_modified = _validators(page.fetched)
        return replace(document, url=page.url, etag=etag, last_modified=last_modified)

    async def _text(self, item: ItemRow) -> Extracted:
        text, title = str(item.content), item.title or item.source or _first_line(str(item.content))
        if _MARKDOWN.search(text):
            job = Job(name=title, data=text.encode("utf-8", "replace"), kind="md")
            return replace(await self._extractor.extract(job), title=title)
        return await asyncio.to_thread(extract_text, text, title)

    async def _upload(self, item: ItemRow, stage: Stage) -> Extracted:
        await stage("fetching")
        name = item.content["filename"]
        async with scratch_file() as path:
            try:
                await self._blobs.download(upload_key(item.account_id, item.source or ""), path)
            except NotFound as exc:
                message = "The uploaded file is not there any more; upload it again."
                raise ExtractionFailed("upload_missing", message) from exc
            await stage("extracting")
            return await self._extractor.extract(Job(name=name, path=str(path)))


def upload_key(account: str, upload: str) -> str:
    """Where the gateway put an upload."""
    return f"uploads/{account}/{upload}"


def _first_line(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "Text")
    return line if len(line) <= 100 else line[:97].rstrip() + "…"


def _conditions(known: ItemRow) -> dict[str, str]:
    conditions: dict[str, str] = {}
    if known.etag:
        conditions["If-None-Match"] = known.etag
    if known.last_modified:
        conditions["If-Modified-Since"] = known.last_modified
    return conditions


def _validators(fetched: Fetched) -> tuple[str | None, str | None]:
    etag, modified = fetched.headers.get("etag"), fetched.headers.get("last-modified")
    return (etag[:500] if etag else None, modified[:100] if modified else None)


def _is_html(fetched: Fetched) -> bool:
    """By the header where it says HTML; anything else is told by content."""
    return fetched.content_type in ("text/html", "application/xhtml+xml")


def _charset(fetched: Fetched) -> str | None:
    found = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", fetched.headers.get("content-type", ""))
    return found.group(1) if found else None


__all__ = ["FetchError", "Page", "Sources", "Unchanged", "upload_key"]
