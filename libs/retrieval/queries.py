"""The search itself, which every answer makes: Qdrant's batch query over plain HTTP and JSON.

The stock client checks each request and each hit as an object and takes longer for it than the
store takes to search. Everything else goes through the stock client (`vectors`).
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from libs.retrieval.collection import VectorSettings

CONNECTIONS = 32  # searches at once in a process; further ones wait their turn


class Hit(msgspec.Struct, frozen=True):
    """A point that was found."""

    id: str | int
    score: float
    payload: dict[str, Any] | None = None


class _Points(msgspec.Struct):
    points: list[Hit]


class _Reply(msgspec.Struct):
    result: list[_Points]


class Refused(Exception):
    """The store answered with an error, or with what is no answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Reply).decode


class Queries:
    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url.rstrip("/")

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: VectorSettings) -> AsyncIterator["Queries"]:
        key = settings.qdrant_api_key
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            timeout=aiohttp.ClientTimeout(total=settings.vector_timeout),
            headers={"api-key": key.get_secret_value()} if key else None,
        ) as http:
            yield cls(http, settings.qdrant_url)

    async def batch(self, collection: str, searches: Sequence[dict[str, Any]]) -> list[list[Hit]]:
        """The hits of each search, best first.

        Raises `Refused`, and `aiohttp.ClientError` or `TimeoutError` when the store is away.
        """
        url = f"{self._url}/collections/{quote(collection, safe='')}/points/query/batch"
        body = _encode({"searches": searches})
        headers = {"content-type": "application/json"}
        async with self._http.post(url, data=body, headers=headers) as response:
            raw = await response.read()
            if response.status != 200:
                raise Refused(response.status, raw[:300].decode(errors="replace"))
        try:
            return [found.points for found in _decode(raw).result]
        except msgspec.MsgspecError as exc:
            raise Refused(response.status, str(exc)) from exc
