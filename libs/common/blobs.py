"""Where uploads rest between the gateway and ingest: an S3-compatible bucket, or a folder.

Keys are ours, never a client's file name. `obstore` speaks both.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.store import LocalStore, S3Store, from_url

from libs.common.errors import NotFound, PayloadTooLarge, Unavailable

CHUNK = 1 << 20  # bytes a part on the way in and out


class Blobs:
    """A blob store: ``file:///var/lib/chattery/blobs`` or ``s3://bucket/prefix``.

    S3 takes the usual ``AWS_*`` variables (``AWS_ENDPOINT_URL`` for other vendors).
    """

    def __init__(self, url: str) -> None:
        self._store: Any = _open(url)

    async def put(self, key: str, parts: AsyncIterable[bytes], *, limit: int) -> int:
        """Store a stream of bytes; returns its size.

        Raises `PayloadTooLarge` past ``limit`` bytes, and then nothing is stored.
        """
        size = 0

        async def bounded() -> AsyncIterator[bytes]:
            nonlocal size
            async for part in parts:
                size += len(part)
                if size > limit:
                    raise PayloadTooLarge(f"The file is larger than {limit >> 20} MB.")
                yield part

        try:
            await obstore.put_async(self._store, key, bounded(), chunk_size=5 << 20)
        except PayloadTooLarge:
            raise
        except Exception as exc:
            if size > limit:
                raise PayloadTooLarge(f"The file is larger than {limit >> 20} MB.") from exc
            raise Unavailable("The file store is away; try again shortly.") from exc
        return size

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """The bytes of a blob, part by part. Raises `NotFound`."""
        try:
            found = await obstore.get_async(self._store, key)
        except FileNotFoundError as exc:
            raise NotFound("This upload is not there any more.") from exc
        async for part in found.stream(min_chunk_size=CHUNK):
            yield bytes(part)

    async def download(self, key: str, target: Path) -> int:
        """Copy a blob into a file; returns its size in bytes."""
        size = 0
        with await asyncio.to_thread(target.open, "wb") as file:
            async for part in self.read(key):
                await asyncio.to_thread(file.write, part)
                size += len(part)
        return size

    async def delete(self, *keys: str) -> None:
        """Remove blobs; those that are not there are no error."""
        for key in keys:
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError:
                continue

    async def list(self, prefix: str) -> list[str]:
        """All keys that start with a prefix (whole path segments)."""
        keys: list[str] = []
        async for batch in obstore.list(self._store, prefix=prefix):
            keys.extend(entry["path"] for entry in batch)
        return keys


def _open(url: str) -> Any:
    parts = urlsplit(url)
    if parts.scheme == "file":
        folder = Path(unquote(parts.path))
        folder.mkdir(parents=True, exist_ok=True)
        return LocalStore(prefix=folder)
    if parts.scheme == "s3":
        return S3Store(parts.netloc, prefix=parts.path.strip("/") or None)
    return from_url(url)
