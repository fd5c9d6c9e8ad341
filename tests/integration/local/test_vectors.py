"""The vectors server as the stock client sees it."""

import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from deploy.local import servers
from deploy.local.programs import stop

NAME = "things"
WORDS = "terms"
MEANING = "meaning"


class VectorsServer:
    def __init__(self, folder: Path) -> None:
        self.port = servers.free_port()
        self.program = servers.vectors(folder, self.port)
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self.process: subprocess.Popen[bytes] = self.program.start()
        end = time.monotonic() + 30
        while not self.program.ready():
            assert self.process.poll() is None, self.program.last_words(5)
            assert time.monotonic() < end
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def server() -> Iterator[VectorsServer]:
    with tempfile.TemporaryDirectory() as folder:
        running = VectorsServer(Path(folder))
        yield running
        stop(running.process, running.program.stop_signal, 5)


@pytest.fixture
async def client(server: VectorsServer) -> AsyncIterator[AsyncQdrantClient]:
    client = AsyncQdrantClient(url=server.url)
    yield client
    for collection in (await client.get_collections()).collections:
        await client.delete_collection(collection.name)
    await client.close()


@pytest.fixture
async def things(client: AsyncQdrantClient) -> AsyncQdrantClient:
    """Six points: a dense vector that turns, words, an owner and a number."""
    await client.create_collection(
        NAME,
        vectors_config={MEANING: models.VectorParams(size=2, distance=models.Distance.COSINE)},
        sparse_vectors_config={WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        hnsw_config=models.HnswConfigDiff(m=0, payload_m=16),
        on_disk_payload=True,
    )
    tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    await client.create_payload_index(NAME, "owner", tenant)
    await client.create_payload_index(NAME, "n", models.PayloadSchemaType.INTEGER)
    await client.upsert(
        NAME,
        [
            models.PointStruct(
                id=n,
                vector={
                    MEANING: [1.0, n / 2],
                    WORDS: models.SparseVector(indices=[1, 10 + n], values=[1.0, 1.0]),
                },
                payload={
                    "owner": "even" if n % 2 == 0 else "odd",
                    "n": n,
                    **({"note": None} if n == 5 else {}),
                },
            )
            for n in range(6)
        ],
        wait=True,
    )
    return client


def ids(points) -> list:
    return [point.id for point in points]


def only(*must: models.Condition, **more) -> models.Filter:
    return models.Filter(must=list(must), **more)


def field(key: str, **condition) -> models.FieldCondition:
    return models.FieldCondition(key=key, **condition)


async def test_a_collection_is_made_described_and_removed(things: AsyncQdrantClient) -> None:
    assert await things.collection_exists(NAME)
    info = await things.get_collection(NAME)
    assert info.points_count == 6
    assert info.config.params.vectors[MEANING].size == 2
    assert set(info.payload_schema) == {"owner", "n"}

    with pytest.raises(UnexpectedResponse) as refused:
        await things.create_collection(NAME, vectors_config={})
    assert refused.value.status_code == 409

    await things.delete_collection(NAME)
    assert not await things.collection_exists(NAME)
    with pytest.raises(UnexpectedResponse) as missing:
        await things.count(NAME)
    assert missing.value.status_code == 404


async def test_an_alias_is_switched_in_one_step(things: AsyncQdrantClient) -> None:
    config = {MEANING: models.VectorParams(size=2, distance=models.Distance.COSINE)}
    await things.create_collection("newer", vectors_config=config)
    create = models.CreateAlias(collection_name=NAME, alias_name="live")
    await things.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])
    assert (await things.count("live")).count == 6

    await things.update_collection_aliases(
        [
            models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name="live")),
            models.CreateAliasOperation(
                create_alias=models.CreateAlias(collection_name="newer", alias_name="live")
            ),
        ]
    )

    assert (await things.count("live")).count == 0
    aliases = (await things.get_aliases()).aliases
    assert [(a.alias_name, a.collection_name) for a in aliases] == [("live", "newer")]
    with pytest.raises(UnexpectedResponse):
        await things.update_collection_aliases(
            [
                models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name="live")),
                models.CreateAliasOperation(
                    create_alias=models.CreateAlias(collection_name="none", alias_name="live")
                ),
            ]
        )
    assert len((await things.get_aliases()).aliases) == 1


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (only(field("owner", match=models.MatchValue(value="even"))), [0, 2, 4]),
        (only(field("n", match=models.MatchAny(any=[1, 2]))), [1, 2]),
        (only(field("n", match=models.MatchExcept(**{"except": [1, 2]}))), [0, 3, 4, 5]),
        (only(field("n", range=models.Range(gte=2, lt=4))), [2, 3]),
        (only(models.HasIdCondition(has_id=[5, 1])), [1, 5]),
        (models.Filter(must_not=[field("n", range=models.Range(gt=0))]), [0]),
        (
            models.Filter(
                should=[
                    field("n", match=models.MatchValue(value=1)),
                    field("n", match=models.MatchValue(value=4)),
                ]
            ),
            [1, 4],
        ),
        (only(models.IsNullCondition(is_null=models.PayloadField(key="note"))), [5]),
        (
            only(models.IsEmptyCondition(is_empty=models.PayloadField(key="note"))),
            [0, 1, 2, 3, 4, 5],
        ),
        (
            only(models.Filter(must_not=[field("owner", match=models.MatchValue(value="odd"))])),
            [0, 2, 4],
        ),
        (None, [0, 1, 2, 3, 4, 5]),
    ],
)
async def test_a_filter_finds_what_it_says(
    things: AsyncQdrantClient, wanted: models.Filter | None, found: list[int]
) -> None:
    records, _ = await things.scroll(NAME, scroll_filter=wanted, limit=10)
    assert ids(records) == found
    assert (await things.count(NAME, count_filter=wanted, exact=True)).count == len(found)


async def test_a_scroll_goes_page_by_page_to_the_end(things: AsyncQdrantClient) -> None:
    first, after = await things.scroll(NAME, limit=4, with_payload=["n"])
    rest, end = await things.scroll(NAME, limit=4, offset=after)
    assert ids(first) + ids(rest) == list(range(6))
    assert end is None
    assert first[1].payload == {"n": 1}
    falling, _ = await things.scroll(
        NAME, limit=2, order_by=models.OrderBy(key="n", direction=models.Direction.DESC)
    )
    assert ids(falling) == [5, 4]


async def test_dense_and_sparse_are_searched_in_one_trip(things: AsyncQdrantClient) -> None:
    odd = only(field("owner", match=models.MatchValue(value="odd")))
    rare = models.SparseVector(indices=[1, 13], values=[1.0, 1.0])

    dense, sparse = await things.query_batch_points(
        NAME,
        [
            models.QueryRequest(query=[1.0, 0.5], using=MEANING, filter=odd, limit=2),
            models.QueryRequest(query=rare, using=WORDS, filter=odd, limit=3, with_payload=True),
        ],
    )

    assert ids(dense.points) == [1, 3]
    assert sparse.points[0].id == 3
    assert sparse.points[0].payload["owner"] == "odd"
    assert sparse.points[0].score > sparse.points[1].score


@pytest.mark.parametrize("fusion", list(models.Fusion))
async def test_two_searches_are_fused(things: AsyncQdrantClient, fusion: models.Fusion) -> None:
    found = await things.query_points(
        NAME,
        prefetch=[
            models.Prefetch(query=[1.0, 1.5], using=MEANING, limit=4),
            models.Prefetch(
                query=models.SparseVector(indices=[13], values=[1.0]), using=WORDS, limit=4
            ),
        ],
        query=models.FusionQuery(fusion=fusion),
        limit=3,
    )
    assert found.points[0].id == 3


async def test_a_score_threshold_cuts_off(things: AsyncQdrantClient) -> None:
    found = await things.query_points(NAME, query=[1.0, 0.0], using=MEANING, score_threshold=0.99)
    assert ids(found.points) == [0]


async def test_a_dense_vector_may_follow_later(things: AsyncQdrantClient) -> None:
    late = str(uuid.uuid4())
    words = models.SparseVector(indices=[77], values=[2.0])
    await things.upsert(NAME, [models.PointStruct(id=late, vector={WORDS: words}, payload={})])
    await things.update_vectors(
        NAME, [models.PointVectors(id=late, vector={MEANING: [0.0, 1.0]})], wait=True
    )

    (record,) = await things.retrieve(NAME, [late], with_vectors=True)

    assert record.id == late
    assert record.vector[MEANING] == [0.0, 1.0]
    assert record.vector[WORDS].indices == [77]
    found = await things.query_points(NAME, query=[0.0, 1.0], using=MEANING, limit=1)
    assert ids(found.points) == [late]


async def test_payloads_are_changed_and_points_removed_in_order(things: AsyncQdrantClient) -> None:
    odd = only(field("owner", match=models.MatchValue(value="odd")))
    even = only(field("owner", match=models.MatchValue(value="even")))
    await things.batch_update_points(
        NAME,
        [
            models.SetPayloadOperation(
                set_payload=models.SetPayload(payload={"live": True}, filter=odd)
            ),
            models.DeleteOperation(delete=models.FilterSelector(filter=even)),
        ],
        wait=True,
    )
    records, _ = await things.scroll(NAME)
    assert ids(records) == [1, 3, 5]
    assert all(record.payload["live"] for record in records)

    await things.delete(NAME, models.PointIdsList(points=[1]), wait=True)
    await things.overwrite_payload(NAME, {"only": 1}, points=[3], wait=True)
    await things.delete_payload(NAME, ["live"], points=[5], wait=True)
    records, _ = await things.scroll(NAME)
    assert [record.payload.get("only") for record in records] == [1, None]
    assert "live" not in records[1].payload


async def test_what_was_acknowledged_survives_sigkill(
    server: VectorsServer, things: AsyncQdrantClient
) -> None:
    create = models.CreateAlias(collection_name=NAME, alias_name="live")
    await things.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])
    for number in range(100, 160):
        await things.upsert(
            NAME,
            [models.PointStruct(id=number, vector={MEANING: [0.0, 1.0]}, payload={"n": number})],
            wait=True,
        )
    await things.delete(NAME, models.PointIdsList(points=[100]), wait=True)

    for _ in range(2):
        server.kill()
        server.start()

    assert (await things.count("live", exact=True)).count == 65
    assert set((await things.get_collection(NAME)).payload_schema) == {"owner", "n"}
    found = await things.query_points(NAME, query=[0.0, 1.0], using=MEANING, limit=1)
    assert found.points[0].id > 100


async def test_an_unknown_route_is_told_in_qdrants_shape(server: VectorsServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404")
    assert b'{"status":{"error":' in answer
