"""Writing to the vector store: points over plain HTTP as they are searched (`reader`), all else
through Qdrant's stock client.

How a new version of an item replaces the old one, in one step for readers: all points of the
new generation are written with ``state: building``, which no search sees. Then one ordered batch
turns them live and removes the other generations. A search that falls between those two
operations sees both and keeps the newest generation of each item, so a reader never
sees both and never none. Point ids are derived from item, generation and ordinal, so every
step may be repeated after a crash.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import httpx
import msgspec
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from libs.common.telemetry import log
from libs.retrieval import collection as collections
from libs.retrieval import reader, schema
from libs.retrieval.collection import DENSE, SPARSE, Collection, VectorSettings
from libs.retrieval.embed import Vector
from libs.retrieval.passages import StoredPassage, point_id
from libs.retrieval.reader import Refused, VectorReader
from libs.retrieval.scope import Condition, match, scope
from libs.retrieval.terms import Terms

WRITE_BATCH = 128  # points a request

_encode = msgspec.json.Encoder().encode


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


class VectorStore(VectorReader):
    """Reads and writes of one alias' collections. Raises `VectorStoreAway`."""

    def __init__(
        self, http: aiohttp.ClientSession, settings: VectorSettings, client: AsyncQdrantClient
    ) -> None:
        super().__init__(http, settings)
        self._client = client

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: VectorSettings) -> AsyncIterator[Self]:
        key = settings.qdrant_api_key
        client = AsyncQdrantClient(
            url=settings.qdrant_url,
            api_key=key.get_secret_value() if key else None,
            timeout=settings.vector_timeout,
            check_compatibility=False,
        )
        try:
            async with reader.session(settings) as http:
                yield cls(http, settings, client)
        finally:
            await client.close()

    # -- collections -------------------------------------------------------------------------

    async def ensure(self, model: str, dimensions: int) -> Collection:
        """The collection of a model, made if it is not there; live if no other is."""
        wanted = collections.named(self._settings.collection, model, dimensions)
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
        self._remember(to)

    async def collections(self) -> list[Collection]:
        """All collections of this alias, whatever their model."""
        with _away():
            names = [c.name for c in (await self._client.get_collections()).collections]
        found = (collections.parse(self._settings.collection, name) for name in names)
        return [c for c in found if c]

    async def drop(self, collection: Collection) -> None:
        with _away():
            await self._client.delete_collection(collection.name)

    # -- writing -----------------------------------------------------------------------------

    async def write(self, to: Collection, points: Sequence[NewPoint]) -> None:
        """Store points; a repeat overwrites."""
        for start in range(0, len(points), WRITE_BATCH):
            batch = [_as_json(point) for point in points[start : start + WRITE_BATCH]]
            with _away():
                await self._put(to, "", batch)

    async def add_dense(self, to: Collection, vectors: dict[str, Vector]) -> None:
        """Dense vectors for points that are there; ids that are gone are ignored."""
        points = [{"id": id, "vector": {DENSE: one.tolist()}} for id, one in vectors.items()]
        for start in range(0, len(points), WRITE_BATCH):
            batch = points[start : start + WRITE_BATCH]
            with _away():
                try:
                    await self._put(to, "/vectors", batch)
                except Refused as exc:  # as a whole, when one of its points was removed meanwhile
                    there = await self.present(to, [point["id"] for point in batch])
                    left = [point for point in batch if point["id"] in there]
                    if exc.status not in (400, 404) or len(left) == len(batch):
                        raise
                    if left:
                        await self._put(to, "/vectors", left)

    async def _put(self, to: Collection, what: str, points: list[dict[str, Any]]) -> None:
        """Without the stock client, which takes longer to look at a vector than all else takes."""
        path = f"/collections/{quote(to.name, safe='')}/points{what}?wait=true"
        await self._send("PUT", path, _encode({"points": points}))

    async def publish(
        self, to: Collection, account: str, chatbot: str, item: str, generation: int
    ) -> None:
        """Make a generation the one that is found and remove the others (see the module)."""
        of_item = [*scope(account, chatbot), match("item", item)]
        new = _of([*of_item, match("generation", generation)])
        old = _of(of_item, must_not=[match("generation", generation)])
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
            conditions.append({"key": "item", "match": {"any": list(items)}})
        with _away():
            await self._client.delete(
                from_.name,
                models.FilterSelector(filter=_of(conditions)),
                wait=True,
            )

    async def remove_points(self, from_: Collection, ids: Sequence[str]) -> None:
        with _away():
            await self._client.delete(from_.name, models.PointIdsList(points=list(ids)), wait=True)

    # -- reading -----------------------------------------------------------------------------

    async def scan(
        self, in_: Collection, *, account: str | None = None, chatbot: str | None = None
    ) -> AsyncIterator[list[PointRef]]:
        """All points, page by page, as the reconciler compares them; no vectors, no texts."""
        only = _of(scope(account, chatbot)) if account else None
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
                count_filter=_of(scope(account, chatbot)),
                exact=True,
            )
        return found.count


def _as_json(point: NewPoint) -> dict[str, Any]:
    vector: dict[str, Any] = {SPARSE: {"indices": point.terms.ids, "values": point.terms.values}}
    if point.dense is not None:
        vector[DENSE] = point.dense.tolist()
    return {"id": point.id, "vector": vector, "payload": point.passage}


def _of(must: list[Condition], must_not: list[Condition] | None = None) -> models.Filter:
    return models.Filter.model_validate({"must": must, "must_not": must_not})


class _away(reader.away):  # noqa: N801
    """The same for what the stock client raises."""

    errors = (*reader.away.errors, ApiException, httpx.HTTPError)

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        if isinstance(exc, UnexpectedResponse) and (exc.status_code or 500) < 500:
            log.warning("vectors_refused", status=exc.status_code, reason=exc.content[:300])
        super().__exit__(kind, exc, trace)
