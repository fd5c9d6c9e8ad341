"""The routes, in Qdrant's shapes: ``{"result", "status": "ok", "time"}`` or an error beside it."""

import asyncio
import importlib.metadata
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import qdrant_edge as edge
from aiohttp import web

from deploy.local.vectors import models
from deploy.local.vectors.models import BadRequest, Json
from deploy.local.vectors.shards import CollectionExists, Collections, NoCollection

T = TypeVar("T")
Op = edge.UpdateOperation

FLUSH_INTERVAL = 2.0  # seconds between two flushes of what changed
MAX_BODY = 64 << 20  # bytes
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Engine:
    """The collections behind a single thread."""

    def __init__(self, folder: Path) -> None:
        self.collections = Collections(folder)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")

    async def run(self, work: Callable[[Collections], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, work, self.collections)

    async def lifetime(self, _: web.Application) -> AsyncIterator[None]:
        await self.run(lambda all_: all_.load())
        flushing = asyncio.create_task(self._flush())
        yield
        flushing.cancel()
        await self.run(lambda all_: all_.close())

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_INTERVAL)
            await self.run(lambda all_: all_.flush())


def make_app(folder: Path) -> web.Application:
    """The server's application, with its data under ``folder``."""
    engine = Engine(folder)
    app = web.Application(client_max_size=MAX_BODY, middlewares=[_envelope])
    app.cleanup_ctx.append(engine.lifetime)
    Routes(engine).add_to(app)
    return app


@web.middleware
async def _envelope(
    request: web.Request, handler: Callable[[web.Request], Awaitable[Any]]
) -> web.StreamResponse:
    started = time.perf_counter()
    status, body = 200, {}
    try:
        result = await handler(request)
        if isinstance(result, web.StreamResponse):
            return result
        body = {"result": result, "status": "ok"}
    except NoCollection as exc:
        status, body = 404, _error(f"Not found: Collection `{exc}` doesn't exist!")
    except CollectionExists as exc:
        status, body = 409, _error(f"Wrong input: Collection `{exc}` already exists!")
    except web.HTTPException as exc:
        status, body = exc.status, _error(exc.reason)
    except (BadRequest, KeyError, TypeError, ValueError, OverflowError) as exc:
        status, body = 400, _error(f"Bad request: {type(exc).__name__}: {exc}")
    except Exception as exc:  # the engine's own
        status, body = 500, _error(f"Service internal error: {exc}")
    body["time"] = time.perf_counter() - started
    return web.Response(body=_encode(body), status=status, content_type="application/json")


def _error(message: str) -> Json:
    return {"status": {"error": message}}


async def _body(request: web.Request) -> Json:
    try:
        body = _decode(await request.read() or b"{}")
    except msgspec.DecodeError as exc:
        raise BadRequest(str(exc)) from exc
    if not isinstance(body, dict):
        raise BadRequest("expected an object")
    return body


def _update(body: Json) -> list[edge.UpdateOperation]:
    """One operation of ``/points/batch``."""
    ((name, value),) = body.items()
    if name not in OPERATIONS:
        raise BadRequest(f"unknown operation {name}")
    return [OPERATIONS[name](value)]


def _delete(body: Json) -> edge.UpdateOperation:
    if "filter" in body:
        return Op.delete_points_by_filter(models.filter_of(body["filter"]) or edge.Filter())
    return Op.delete_points(body["points"])


def _set_payload(body: Json) -> edge.UpdateOperation:
    if body.get("filter") is not None:
        wanted = models.filter_of(body["filter"]) or edge.Filter()
        return Op.set_payload_by_filter(wanted, body["payload"], body.get("key"))
    return Op.set_payload(body["points"], body["payload"], body.get("key"))


def _overwrite_payload(body: Json) -> edge.UpdateOperation:
    if body.get("filter") is not None:
        wanted = models.filter_of(body["filter"]) or edge.Filter()
        return Op.overwrite_payload_by_filter(wanted, body["payload"], body.get("key"))
    return Op.overwrite_payload(body["points"], body["payload"], body.get("key"))


def _delete_payload(body: Json) -> edge.UpdateOperation:
    if body.get("filter") is not None:
        wanted = models.filter_of(body["filter"]) or edge.Filter()
        return Op.delete_payload_by_filter(wanted, body["keys"])
    return Op.delete_payload(body["points"], body["keys"])


def _clear_payload(body: Json) -> edge.UpdateOperation:
    if body.get("filter") is not None:
        return Op.clear_payload_by_filter(models.filter_of(body["filter"]) or edge.Filter())
    return Op.clear_payload(body["points"])


def _vectors(body: Json) -> edge.UpdateOperation:
    return Op.update_vectors(
        [edge.PointVectors(p["id"], models.vector(p["vector"])) for p in body["points"]]
    )


def _delete_vectors(body: Json) -> edge.UpdateOperation:
    if body.get("filter") is not None:
        wanted = models.filter_of(body["filter"]) or edge.Filter()
        return Op.delete_vectors_by_filter(wanted, body["vector"])
    return Op.delete_vectors(body["points"], body["vector"])


OPERATIONS: dict[str, Callable[[Json], edge.UpdateOperation]] = {
    "upsert": lambda body: Op.upsert_points(models.points(body)),
    "delete": _delete,
    "set_payload": _set_payload,
    "overwrite_payload": _overwrite_payload,
    "delete_payload": _delete_payload,
    "clear_payload": _clear_payload,
    "update_vectors": _vectors,
    "delete_vectors": _delete_vectors,
}


class Routes:
    def __init__(self, engine: Engine) -> None:
        self._run = engine.run

    def add_to(self, app: web.Application) -> None:
        c, p = "/collections/{name}", "/collections/{name}/points"
        for method, path, handler in (
            ("GET", "/", self.root),
            ("GET", "/healthz", self.health),
            ("GET", "/livez", self.health),
            ("GET", "/readyz", self.health),
            ("GET", "/collections", self.list),
            ("GET", "/aliases", self.aliases),
            ("POST", "/collections/aliases", self.change_aliases),
            ("GET", c, self.describe),
            ("PUT", c, self.create),
            ("PATCH", c, self.patch),
            ("DELETE", c, self.delete),
            ("GET", c + "/exists", self.exists),
            ("GET", c + "/aliases", self.aliases),
            ("PUT", c + "/index", self.index),
            ("DELETE", c + "/index/{field}", self.drop_index),
            ("PUT", p, self.update("upsert")),
            ("POST", p, self.retrieve),
            ("GET", p + "/{id}", self.point),
            ("POST", p + "/delete", self.update("delete")),
            ("POST", p + "/payload", self.update("set_payload")),
            ("PUT", p + "/payload", self.update("overwrite_payload")),
            ("POST", p + "/payload/delete", self.update("delete_payload")),
            ("POST", p + "/payload/clear", self.update("clear_payload")),
            ("PUT", p + "/vectors", self.update("update_vectors")),
            ("POST", p + "/vectors/delete", self.update("delete_vectors")),
            ("POST", p + "/batch", self.batch),
            ("POST", p + "/scroll", self.scroll),
            ("POST", p + "/count", self.count),
            ("POST", p + "/query", self.query),
            ("POST", p + "/query/batch", self.query_batch),
        ):
            app.router.add_route(method, path, handler)

    async def root(self, _: web.Request) -> web.Response:
        version = importlib.metadata.version("qdrant-client")
        return web.json_response(
            {"title": "qdrant - vector search engine (embedded)", "version": version}
        )

    async def health(self, _: web.Request) -> web.Response:
        return web.Response(text="all shards are ready")

    async def list(self, _: web.Request) -> Any:
        names = await self._run(lambda all_: sorted(all_.collections))
        return {"collections": [{"name": name} for name in names]}

    async def aliases(self, request: web.Request) -> Any:
        wanted = request.match_info.get("name")
        pairs = await self._run(lambda all_: list(all_.aliases.items()))
        return {
            "aliases": [
                {"alias_name": alias, "collection_name": name}
                for alias, name in pairs
                if wanted in (None, name)
            ]
        }

    async def change_aliases(self, request: web.Request) -> Any:
        body = await _body(request)
        await self._run(lambda all_: all_.change_aliases(body["actions"]))
        return True

    async def describe(self, request: web.Request) -> Any:
        name = request.match_info["name"]
        return await self._run(lambda all_: _describe(all_, name))

    async def create(self, request: web.Request) -> Any:
        name, body = request.match_info["name"], await _body(request)
        await self._run(lambda all_: all_.create(name, body))
        return True

    async def patch(self, request: web.Request) -> Any:
        name = request.match_info["name"]
        await self._run(lambda all_: all_.get(name))
        return True

    async def delete(self, request: web.Request) -> Any:
        name = request.match_info["name"]
        return await self._run(lambda all_: all_.delete(name))

    async def exists(self, request: web.Request) -> Any:
        name = request.match_info["name"]
        known = await self._run(lambda all_: all_.aliases.get(name, name) in all_.collections)
        return {"exists": known}

    async def index(self, request: web.Request) -> Any:
        name, body = request.match_info["name"], await _body(request)
        field, wanted = body["field_name"], body.get("field_schema") or "keyword"
        await self._run(lambda all_: all_.index(name, field, wanted))
        return _done()

    async def drop_index(self, request: web.Request) -> Any:
        name, field = request.match_info["name"], request.match_info["field"]
        await self._run(lambda all_: all_.drop_index(name, field))
        return _done()

    def update(self, operation: str) -> Callable[[web.Request], Awaitable[Any]]:
        async def handler(request: web.Request) -> Any:
            name, body = request.match_info["name"], await _body(request)
            await self._run(lambda all_: all_.update(name, OPERATIONS[operation](body)))
            return _done()

        return handler

    async def batch(self, request: web.Request) -> Any:
        name, body = request.match_info["name"], await _body(request)
        operations = [op for one in body["operations"] for op in _update(one)]
        await self._run(lambda all_: all_.update(name, *operations))
        return [_done() for _ in operations]

    async def retrieve(self, request: web.Request) -> Any:
        name, body = request.match_info["name"], await _body(request)
        return await self._run(lambda all_: _retrieve(all_, name, body))

    async def point(self, request: web.Request) -> Any:
        text = request.match_info["id"]
        ids = [int(text) if text.isdigit() else text]
        body = {"ids": ids, "with_payload": True, "with_vector": True}
        found = await self._run(lambda all_: _retrieve(all_, request.match_info["name"], body))
        if not found:
            raise web.HTTPNotFound(reason=f"Not found: Point with id {text} does not exists!")
        return found[0]

    async def scroll(self, request: web.Request) -> Any:
        name, body = request.match_info["name"], await _body(request)

        def work(all_: Collections) -> Any:
            records, after = all_.get(name).shard.scroll(models.scroll(body))
            return {
                "points": [models.record_json(r) for r in records],
                "next_page_offset": models.offset_json(after),
            }

        return await self._run(work)

    async def count(self, request: web.Request) -> Any:
        name, body = request.match_info["name"], await _body(request)
        wanted = edge.CountRequest(exact=True, filter=models.filter_of(body.get("filter")))
        return {"count": await self._run(lambda all_: all_.get(name).shard.count(wanted))}

    async def query(self, request: web.Request) -> Any:
        name, body = request.match_info["name"], await _body(request)
        wanted = models.query(body)
        points = await self._run(lambda all_: all_.get(name).shard.query(wanted))
        return {"points": [models.scored_json(point) for point in points]}

    async def query_batch(self, request: web.Request) -> Any:
        name, body = request.match_info["name"], await _body(request)
        wanted = edge.QueryBatchRequest([models.query(one) for one in body["searches"]])
        lists = await self._run(lambda all_: all_.get(name).shard.query_batch(wanted))
        return [{"points": [models.scored_json(point) for point in points]} for points in lists]


def _retrieve(all_: Collections, name: str, body: Json) -> list[Json]:
    records = all_.get(name).shard.retrieve(
        body["ids"],
        with_payload=models.selector(body.get("with_payload"), default=True),
        with_vector=body.get("with_vector", False),
    )
    return [models.record_json(record) for record in records]


def _describe(all_: Collections, name: str) -> Json:
    collection = all_.get(name)
    info = collection.shard.info()
    asked = collection.settings["config"]
    return {
        "status": "green",
        "optimizer_status": "ok",
        "points_count": info.points_count,
        "indexed_vectors_count": info.indexed_vectors_count,
        "segments_count": info.segments_count,
        "config": {
            "params": {
                "vectors": asked.get("vectors") or {},
                "sparse_vectors": asked.get("sparse_vectors"),
                "shard_number": 1,
                "replication_factor": 1,
                "on_disk_payload": bool(asked.get("on_disk_payload", True)),
            },
            "hnsw_config": {
                "m": 16,
                "ef_construct": 100,
                "full_scan_threshold": 10000,
                **(asked.get("hnsw_config") or {}),
            },
            "optimizer_config": {
                "deleted_threshold": 0.2,
                "vacuum_min_vector_number": 1000,
                "default_segment_number": 0,
                "flush_interval_sec": int(FLUSH_INTERVAL),
            },
            "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
            "metadata": asked.get("metadata"),
        },
        "payload_schema": {
            field: {
                "data_type": body if isinstance(body, str) else body["type"],
                "params": None if isinstance(body, str) else body,
                "points": info.payload_schema[field].points if field in info.payload_schema else 0,
            }
            for field, body in collection.settings["indexes"].items()
        },
    }


def _done() -> Json:
    return {"operation_id": 0, "status": "completed"}
