"""The vector store: Qdrant through its stock client.

How a new version of an item replaces the old one, in one step for readers: all points of the
new generation are written with ``state: building``, which no search sees. Then one ordered batch
turns them live and removes the other generations. A search that falls between those two
operations sees both and keeps the newest generation of each item (`newest`), so a reader never
sees both and never none. Point ids are derived from item, generation and ordinal, so every
step may be repeated after a crash.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx
import msgspec
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from libs.common.errors import Unavailable
from libs.common.telemetry import VECTORS_SECONDS, log, timed
from libs.retrieval import collection as schema
from libs.retrieval.collection import DENSE, SPARSE, Collection, VectorSettings
from libs.retrieval.embed import Vector
from libs.retrieval.passages import StoredPassage, point_id
from libs.retrieval.queries import Hit, Queries, Refused
from libs.retrieval.scope import match, scope
from libs.retrieval.terms import Terms

WRITE_BATCH = 128  # points a request
ALIAS_TTL = 5.0  # seconds that the live collection is remembered
CANDIDATES = 50  # hits from each side


class Found(msgspec.Struct, frozen=True):
    """What one question found, best first; ``unembedded`` are hits whose vector is to come."""

    dense: list[Hit]
    sparse: list[Hit]
    unembedded: frozenset[str] = frozenset()


class VectorStoreAway(Unavailable):
    """The vector store is away; try again shortly."""

    code = "vectors_unavailable"


class NewPoint(msgspec.Struct, frozen=True):
    """A passage with its vectors; the dense one may follow later."""

    passage: StoredPassage
    terms: Terms
    dense: Vector | None = None

    @property
    def id(self) -> str:
        return point_id(self.passage.item, self.passage.generation, self.passage.ordinal)


class PointRef(msgspec.Struct, frozen=True):
    """A stored point as the reconciler sees it."""

    id: str
    account: str
    chatbot: str
    item: str
    generation: int
    state: str


class VectorStore:
    """Reads and writes of one alias' collections. Raises `VectorStoreAway`."""

    def __init__(
        self, client: AsyncQdrantClient, queries: Queries, settings: VectorSettings
    ) -> None:
        self._client = client
        self._queries = queries
        self._settings = settings
        self._live: tuple[float, Collection] | None = None
        self._looking = asyncio.Lock()  # one asks which collection is read, the others wait

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: VectorSettings) -> AsyncIterator["VectorStore"]:
        key = settings.qdrant_api_key
        client = AsyncQdrantClient(
            url=settings.qdrant_url,
            api_key=key.get_secret_value() if key else None,
            timeout=settings.vector_timeout,
            check_compatibility=False,
        )
        try:
            async with Queries.open(settings) as queries:
                yield cls(client, queries, settings)
        finally:
            await client.close()

    # -- collections -------------------------------------------------------------------------

    async def ensure(self, model: str, dimensions: int) -> Collection:
        """The collection of a model, made if it is not there; live if no other is."""
        wanted = schema.named(self._settings.collection, model, dimensions)
        with _away():
            if not await self._client.collection_exists(wanted.name):
                await self._create(wanted)
            if await self.live() is None:
                await self.switch(wanted)
        return wanted

    async def _create(self, wanted: Collection) -> None:
        try:
            await self._client.create_collection(
                wanted.name,
                vectors_config=schema.vectors_config(self._settings, wanted.dimensions),
                sparse_vectors_config=schema.sparse_config(),
                hnsw_config=schema.HNSW,
                on_disk_payload=True,
                shard_number=self._settings.vector_shards,
                replication_factor=self._settings.vector_replicas,
            )
        except UnexpectedResponse as exc:
            if exc.status_code != 409:  # another replica was faster
                raise
        for field, kind in schema.PAYLOAD_INDEXES.items():
            await self._client.create_payload_index(wanted.name, field, field_schema=kind)

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

    async def _look(self) -> Collection | None:
        with _away():
            aliases = (await self._client.get_aliases()).aliases
        for alias in aliases:
            if alias.alias_name == self._settings.collection:
                found = schema.parse(self._settings.collection, alias.collection_name)
                if found:
                    self._live = (time.monotonic(), found)
                    return found
        return None

    async def switch(self, to: Collection) -> None:
        """Let searches read ``to`` from now on, in one step."""
        alias = self._settings.collection
        actions: list[Any] = []
        if await self.live(fresh=True) is not None:
            actions.append(
                models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
            )
        actions.append(
            models.CreateAliasOperation(
                create_alias=models.CreateAlias(collection_name=to.name, alias_name=alias)
            )
        )
        with _away():
            await self._client.update_collection_aliases(actions)
        self._live = (time.monotonic(), to)

    async def collections(self) -> list[Collection]:
        """All collections of this alias, whatever their model."""
        with _away():
            names = [c.name for c in (await self._client.get_collections()).collections]
        found = (schema.parse(self._settings.collection, name) for name in names)
        return [c for c in found if c]

    async def drop(self, collection: Collection) -> None:
        with _away():
            await self._client.delete_collection(collection.name)

    async def ready(self) -> None:
        """Raise unless the store answers."""
        with _away():
            await self._client.get_aliases()

    # -- writing -----------------------------------------------------------------------------

    async def write(self, to: Collection, points: Sequence[NewPoint]) -> None:
        """Store points; a repeat overwrites."""
        for start in range(0, len(points), WRITE_BATCH):
            batch = [_struct(point) for point in points[start : start + WRITE_BATCH]]
            with _away():
                await self._client.upsert(to.name, batch, wait=True)

    async def add_dense(self, to: Collection, vectors: dict[str, Vector]) -> None:
        """Dense vectors for points that are there; ids that are gone are ignored."""
        points = [
            models.PointVectors(id=id, vector={DENSE: vector.tolist()})
            for id, vector in vectors.items()
        ]
        for start in range(0, len(points), WRITE_BATCH):
            batch = points[start : start + WRITE_BATCH]
            with _away():
                try:
                    await self._client.update_vectors(to.name, batch, wait=True)
                except UnexpectedResponse as exc:
                    left = await self._still_there(to, batch)
                    if exc.status_code not in (400, 404) or len(left) == len(batch):
                        raise
                    if left:
                        await self._client.update_vectors(to.name, left, wait=True)

    async def _still_there(
        self, in_: Collection, points: list[models.PointVectors]
    ) -> list[models.PointVectors]:
        """A batch with a point that was removed meanwhile is refused as a whole."""
        there = await self.present(in_, [str(point.id) for point in points])
        return [point for point in points if str(point.id) in there]

    async def publish(
        self, to: Collection, account: str, chatbot: str, item: str, generation: int
    ) -> None:
        """Make a generation the one that is found and remove the others (see the module)."""
        of_item = [*scope(account, chatbot), match("item", item)]
        new = models.Filter(must=[*of_item, match("generation", generation)])
        old = models.Filter(must=of_item, must_not=[match("generation", generation)])
        operations: list[Any] = [
            models.SetPayloadOperation(
                set_payload=models.SetPayload(payload={"state": "live"}, filter=new)
            ),
            models.DeleteOperation(delete=models.FilterSelector(filter=old)),
        ]
        with _away():
            await self._client.batch_update_points(to.name, operations, wait=True)

    async def remove(
        self,
        from_: Collection,
        account: str,
        chatbot: str | None,
        *,
        items: Sequence[str] | None = None,
    ) -> None:
        """Remove items, or all of a chatbot (``items`` None), or all of an account."""
        conditions = scope(account, chatbot)
        if items is not None:
            conditions.append(
                models.FieldCondition(key="item", match=models.MatchAny(any=list(items)))
            )
        with _away():
            await self._client.delete(
                from_.name,
                models.FilterSelector(filter=models.Filter(must=conditions)),
                wait=True,
            )

    async def remove_points(self, from_: Collection, ids: Sequence[str]) -> None:
        with _away():
            await self._client.delete(from_.name, models.PointIdsList(points=list(ids)), wait=True)

    # -- reading -----------------------------------------------------------------------------

    async def search(
        self,
        in_: Collection,
        account: str,
        chatbot: str,
        queries: Sequence[tuple[Vector | None, Terms]],
        *,
        limit: int = CANDIDATES,
    ) -> list["Found"]:
        """For each question (dense, words): the nearest live points of one chatbot, one trip."""
        only = _filter(models.Filter(must=[*scope(account, chatbot), match("state", "live")]))
        waiting = {**only, "must_not": [{"has_vector": DENSE}]}
        searches: list[dict[str, Any]] = []
        for dense, terms in queries:
            words = {"indices": terms.ids, "values": terms.values}
            searches.append(_search(words, SPARSE, only, limit))
            if dense is not None:
                searches.append(_search(dense.tolist(), DENSE, only, limit))
                searches.append(_search(words, SPARSE, waiting, limit, with_payload=False))
        with _away():
            lists = iter(await self._queries.batch(in_.name, searches))
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

    async def scan(
        self, in_: Collection, *, account: str | None = None, chatbot: str | None = None
    ) -> AsyncIterator[list[PointRef]]:
        """All points, page by page, as the reconciler compares them; no vectors, no texts."""
        only = models.Filter(must=scope(account, chatbot)) if account else None
        offset: Any = None
        while True:
            with _away():
                records, offset = await self._client.scroll(
                    in_.name,
                    scroll_filter=only,
                    limit=1000,
                    offset=offset,
                    with_payload=["account", "chatbot", "item", "generation", "state"],
                )
            yield [PointRef(id=str(r.id), **(r.payload or {})) for r in records]
            if offset is None:
                return

    async def present(self, in_: Collection, ids: Sequence[str]) -> set[str]:
        """Which of these points are there."""
        found: set[str] = set()
        for start in range(0, len(ids), 1000):
            with _away():
                records = await self._client.retrieve(
                    in_.name, list(ids[start : start + 1000]), with_payload=False
                )
            found |= {str(record.id) for record in records}
        return found

    async def count(self, in_: Collection, account: str, chatbot: str | None) -> int:
        with _away():
            found = await self._client.count(
                in_.name,
                count_filter=models.Filter(must=scope(account, chatbot)),
                exact=True,
            )
        return found.count


def newest(hits: Iterable[Hit]) -> dict[str, int]:
    """The newest generation of each item among hits."""
    found: dict[str, int] = {}
    for hit in hits:
        payload = hit.payload or {}
        item, generation = payload["item"], payload["generation"]
        found[item] = max(found.get(item, generation), generation)
    return found


def _struct(point: NewPoint) -> models.PointStruct:
    vector: dict[str, Any] = {
        SPARSE: models.SparseVector(indices=point.terms.ids, values=point.terms.values)
    }
    if point.dense is not None:
        vector[DENSE] = point.dense.tolist()
    return models.PointStruct(
        id=point.id, vector=vector, payload=msgspec.to_builtins(point.passage)
    )


def _filter(only: models.Filter) -> dict[str, Any]:
    return only.model_dump(mode="json", exclude_none=True)


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


_AWAY = (ApiException, httpx.HTTPError, aiohttp.ClientError, Refused, OSError, TimeoutError)


class _away:  # noqa: N801  (reads as what it does)
    """Measures, and turns the client's errors into ours; plain, since it wraps every request.

    A refusal (a collection that is gone, a quota) is no bug of the request: the caller waits and
    tries again, as it does while the store is away.
    """

    def __init__(self) -> None:
        self._timed = timed(VECTORS_SECONDS)

    def __enter__(self) -> None:
        self._timed.__enter__()

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        self._timed.__exit__(kind, exc, trace)
        if isinstance(exc, UnexpectedResponse) and (exc.status_code or 500) < 500:
            log.warning("vectors_refused", status=exc.status_code, reason=exc.content[:300])
        if isinstance(exc, Refused):
            log.warning("vectors_refused", status=exc.status, reason=str(exc))
        if isinstance(exc, _AWAY):
            raise VectorStoreAway from exc
