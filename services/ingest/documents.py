"""A source read and cut: what is indexed of it, and by what a change is noticed."""

import asyncio
from hashlib import sha256

import msgspec

from libs.retrieval.embed import Embedder
from libs.retrieval.passages import plain
from services.ingest.chunk import Chunk, chunks, question_chunks
from services.ingest.extract.blocks import Extracted, ExtractionFailed, no_text
from services.ingest.simhash import numbers, simhash

MOST_CHUNKS = 50_000  # of one item


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What an item becomes. ``digest`` is of title and text, whatever the markup was."""

    title: str
    chunks: list[Chunk]
    digest: bytes
    fingerprint: int | None = None  # near-duplicates differ in few bits
    numbers: int | None = None  # of all numbers in it, in order of size
    size: int
    url: str | None = None
    etag: str | None = None
    last_modified: str | None = None


def digest_of(title: str, texts: list[str]) -> bytes:
    state = sha256(title.encode("utf-8", "replace"))
    for text in texts:
        state.update(b"\x00" + text.encode("utf-8", "replace"))
    return state.digest()


async def from_extracted(extracted: Extracted, title: str, embedder: Embedder) -> Document:
    """Cut in a thread: a long document takes seconds."""

    def tokens(text: str) -> int:
        return embedder.count_tokens(plain(text))

    def cut() -> Document:
        texts = [block.text for block in extracted.blocks]
        said = plain(" ".join(texts))
        found = chunks(title, extracted.blocks, tokens)
        if not found:
            raise no_text()
        if len(found) > MOST_CHUNKS:
            message = f"The document makes {len(found)} passages; up to {MOST_CHUNKS} are taken."
            raise ExtractionFailed("too_large", message)
        return Document(
            title=title,
            chunks=found,
            digest=digest_of(title, texts),
            fingerprint=simhash(said),
            numbers=numbers(said),
            size=sum(len(text.encode("utf-8", "replace")) for text in texts),
        )

    return await asyncio.to_thread(cut)


def from_question(question: str, answer: str, title: str, embedder: Embedder) -> Document:
    return Document(
        title=title,
        chunks=question_chunks(question, answer, embedder.count_tokens),
        digest=digest_of(title, [question, answer]),
        size=len(question.encode()) + len(answer.encode()),
    )
