"""The vector store as a search needs it: two requests of Qdrant's REST API, over plain HTTP.

The stock client checks each request and each hit as an object, takes longer for it than the
store takes to search, and 50 MB of memory. What is asked for seldom goes through it (`vectors`);
whoever only searches has no use for it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import msgspec

from libs.common.errors import Unavailable
from libs.common.telemetry import VECTORS_SECONDS, log, timed
from libs.retrieval import collection as collections
from libs.retrieval.collection import DENSE, SPARSE, Collection, VectorSettings
from libs.retrieval.embed import Vector
from libs.retrieval.scope import match, scope
from libs.retrieval.terms import Terms

CONNECTIONS = 32  # requests at once in a process; further ones wait their turn
ALIAS_TTL = 5.0  # seconds that the live collection is remembered
CANDIDATES = 50  # hits from each side


class Hit(msgspec.Struct, frozen=True):
    """A point that was found."""

    id: str | int
    score: float
    payload: dict[str, Any] | None = None


class Found(msgspec.Struct, frozen=True):
    """What one question found, best first; ``unembedded`` are hits whose vector is to come."""

    dense: list[Hit]
    sparse: list[Hit]
    unembedded: frozenset[str] = frozenset()


class VectorStoreAway(Unavailable):
    """The vector store is away; try again shortly."""

    code = "vectors_unavailable"


class Refused(Exception):
    """The store answered with an error, or with what is no answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Points(msgspec.Struct):
    points: list[Hit]


class _Found(msgspec.Struct):
    result: list[_Points]


class _Alias(msgspec.Struct):
    alias_name: str
    collection_name: str


class _AliasList(msgspec.Struct):
    aliases: list[_Alias]


class _Aliases(msgspec.Struct):
    result: _AliasList


_encode = msgspec.json.Encoder().encode
_read_found = msgspec.json.Decoder(_Found).decode
_read_aliases = msgspec.json.Decoder(_Aliases).decode


class VectorReader:
    """Asks one alias' collections. Raises `VectorStoreAway`."""

    def __init__(self, http: aiohttp.ClientSession, settings: VectorSettings) -> None:
        self._http = http
        self._url = settings.qdrant_url.rstrip("/")
        self._settings = settings
        self._live: tuple[float, Collection] | None = None
        self._looking = asyncio.Lock()  # one asks which collection is read, the others wait

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: VectorSettings) -> AsyncIterator[Self]:
        async with session(settings) as http:
            yield cls(http, settings)

    async def ready(self) -> None:
        """Raise unless the store answers."""
        await self._aliases()

    async def live(self, *, fresh: bool = False) -> Collection | None:
        """The collection that searches read; None before there is one."""
        if not fresh and (known := self._known()):
            return known
        async with self._looking:
            return (not fresh and self._known()) or await self._look()

    def _known(self) -> Collection | None:
        if self._live and time.monotonic() - self._live[0] < ALIAS_TTL:
            return self._live[1]
        return None

    def _remember(self, live: Collection) -> None:
        self._live = (time.monotonic(), live)

    async def _look(self) -> Collection | None:
        for alias in await self._aliases():
            if alias.alias_name == self._settings.collection:
                found = collections.parse(self._settings.collection, alias.collection_name)
                if found:
                    self._remember(found)
                    return found
        return None

    async def search(
        self,
        in_: Collection,
        account: str,
        chatbot: str,
        queries: Sequence[tuple[Vector | None, Terms]],
        *,
        limit: int = CANDIDATES,
    ) -> list[Found]:
        """For each question (dense, words): the nearest live points of one chatbot, one trip."""
        only = {"must": [*scope(account, chatbot), match("state", "live")]}
        waiting = {**only, "must_not": [{"has_vector": DENSE}]}
        searches: list[dict[str, Any]] = []
        for dense, terms in queries:
            words = {"indices": terms.ids, "values": terms.values}
            searches.append(_search(words, SPARSE, only, limit))
            if dense is not None:
                searches.append(_search(dense.tolist(), DENSE, only, limit))
                searches.append(_search(words, SPARSE, waiting, limit, with_payload=False))
        path = f"/collections/{quote(in_.name, safe='')}/points/query/batch"
        with away():
            raw = await self._send("POST", path, _encode({"searches": searches}))
            lists = iter([found.points for found in _decoded(_read_found, raw).result])
        found: list[Found] = []
        for dense, _ in queries:
            sparse_hits = next(lists)
            if dense is None:
                found.append(Found([], sparse_hits))
            else:
                found.append(
                    Found(next(lists), sparse_hits, frozenset(str(h.id) for h in next(lists)))
                )
        return found

    async def _aliases(self) -> list[_Alias]:
        with away():
            return _decoded(_read_aliases, await self._send("GET", "/aliases")).result.aliases

    async def _send(self, method: str, path: str, body: bytes | None = None) -> bytes:
        headers = {"content-type": "application/json"}
        url = self._url + path
        async with self._http.request(method, url, data=body, headers=headers) as response:
            raw = await response.read()
            if response.status != 200:
                raise Refused(response.status, raw[:300].decode(errors="replace"))
            return raw


@asynccontextmanager
async def session(settings: VectorSettings) -> AsyncIterator[aiohttp.ClientSession]:
    key = settings.qdrant_api_key
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        timeout=aiohttp.ClientTimeout(total=settings.vector_timeout),
        headers={"api-key": key.get_secret_value()} if key else None,
    ) as http:
        yield http


def _search(
    query: Any, using: str, only: dict[str, Any], limit: int, *, with_payload: bool = True
) -> dict[str, Any]:
    return {
        "query": query,
        "using": using,
        "filter": only,
        "limit": limit,
        "with_payload": with_payload,
    }


def _decoded(read: Any, raw: bytes) -> Any:
    try:
        return read(raw)
    except msgspec.MsgspecError as exc:
        raise Refused(200, str(exc)) from exc


class away:  # noqa: N801  (reads as what it does)
    """Measures, and turns a client's errors into ours; plain, since it wraps every request.

    A refusal (a collection that is gone, a quota) is no bug of the request: the caller waits and
    tries again, as it does while the store is away.
    """

    errors: tuple[type[Exception], ...] = (aiohttp.ClientError, Refused, OSError, TimeoutError)

    def __init__(self) -> None:
        self._timed = timed(VECTORS_SECONDS)

    def __enter__(self) -> None:
        self._timed.__enter__()

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        self._timed.__exit__(kind, exc, trace)
        if isinstance(exc, Refused):
            log.warning("vectors_refused", status=exc.status, reason=str(exc))
        if isinstance(exc, self.errors):
            raise VectorStoreAway from exc
