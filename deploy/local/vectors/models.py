"""Qdrant's REST shapes (JSON) translated to the engine's, and back.

Raises `BadRequest` on anything the engine or this server does not take.
"""

from typing import Any

import qdrant_edge as edge

Json = dict[str, Any]

RRF_K = 2  # Qdrant's default
DISTANCES = {
    "Cosine": edge.Distance.Cosine,
    "Dot": edge.Distance.Dot,
    "Euclid": edge.Distance.Euclid,
    "Manhattan": edge.Distance.Manhattan,
}
SCHEMAS = {
    "keyword": edge.PayloadSchemaType.Keyword,
    "integer": edge.PayloadSchemaType.Integer,
    "float": edge.PayloadSchemaType.Float,
    "bool": edge.PayloadSchemaType.Bool,
    "datetime": edge.PayloadSchemaType.Datetime,
    "uuid": edge.PayloadSchemaType.Uuid,
    "text": edge.PayloadSchemaType.Text,
}


class BadRequest(Exception):
    """The request can't be understood."""


SEARCH_THREADS = 1  # of a collection; handing a search to more takes longer than a small one


def config(body: Json) -> edge.EdgeConfig:
    """The engine's configuration for a ``PUT /collections/{name}`` body."""
    vectors = body.get("vectors") or {}
    if "size" in vectors:
        vectors = {"": vectors}
    dense = {name: _dense(params) for name, params in vectors.items()}
    sparse = {
        name: edge.EdgeSparseVectorParams(
            modifier=edge.Modifier.Idf if (params or {}).get("modifier") == "idf" else None
        )
        for name, params in (body.get("sparse_vectors") or {}).items()
    }
    return edge.EdgeConfig(
        vectors=dense or None,
        sparse_vectors=sparse or None,
        max_search_threads=SEARCH_THREADS,
        wal_enabled=True,
    )


def _dense(params: Json) -> edge.EdgeVectorParams:
    distance = DISTANCES.get(params.get("distance", ""))
    if distance is None:
        raise BadRequest(f"unknown distance {params.get('distance')!r}")
    return edge.EdgeVectorParams(size=int(params["size"]), distance=distance)


def vector(value: Any) -> Any:
    """A dense, sparse or named vector."""
    if isinstance(value, dict):
        if set(value) == {"indices", "values"}:
            return edge.SparseVector(indices=value["indices"], values=value["values"])
        return {name: vector(part) for name, part in value.items()}
    return value


def vector_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: vector_json(part) for name, part in value.items()}
    if isinstance(value, edge.SparseVector):
        return {"indices": list(value.indices), "values": list(value.values)}
    return value


def points(body: Json) -> list[edge.Point]:
    """The points of an upsert, given as a list or as a batch of columns."""
    if "batch" in body:
        batch = body["batch"]
        ids = batch["ids"]
        payloads = batch.get("payloads") or [None] * len(ids)
        vectors = batch["vectors"]
        if isinstance(vectors, dict):
            rows: list[Any] = [
                {n: column[i] for n, column in vectors.items()} for i in range(len(ids))
            ]
        else:
            rows = vectors
        return [edge.Point(i, vector(v), p) for i, v, p in zip(ids, rows, payloads, strict=True)]
    return [edge.Point(p["id"], vector(p["vector"]), p.get("payload")) for p in body["points"]]


def filter_of(body: Json | None) -> edge.Filter | None:
    """A filter with ``must``, ``should``, ``must_not`` and ``min_should``."""
    if not body:
        return None
    unknown = set(body) - {"must", "should", "must_not", "min_should"}
    if unknown:
        raise BadRequest(f"unknown part of a filter: {', '.join(sorted(unknown))}")
    least = body.get("min_should")
    return edge.Filter(
        must=_conditions(body.get("must")),
        should=_conditions(body.get("should")),
        must_not=_conditions(body.get("must_not")),
        min_should=edge.MinShould(_conditions(least["conditions"]) or [], least["min_count"])
        if least
        else None,
    )


def _conditions(body: Any) -> list[Any] | None:
    if body is None:
        return None
    return [_condition(one) for one in (body if isinstance(body, list) else [body])]


def _condition(body: Json) -> Any:
    if "has_id" in body:
        return edge.HasIdCondition(set(body["has_id"]))
    if "has_vector" in body:
        return edge.HasVectorCondition(body["has_vector"])
    if "is_empty" in body:
        return edge.IsEmptyCondition(body["is_empty"]["key"])
    if "is_null" in body:
        return edge.IsNullCondition(body["is_null"]["key"])
    if "nested" in body:
        nested = filter_of(body["nested"]["filter"]) or edge.Filter()
        return edge.NestedCondition(body["nested"]["key"], nested)
    if "key" not in body:
        return filter_of(body)
    return edge.FieldCondition(
        body["key"],
        match=_match(body["match"]) if body.get("match") else None,
        range=_range(body["range"]) if body.get("range") else None,
        is_empty=body.get("is_empty"),
        is_null=body.get("is_null"),
    )


def _match(body: Json) -> Any:
    if "value" in body:
        return edge.MatchValue(body["value"])
    if "any" in body:
        return edge.MatchAny(body["any"])
    if "except" in body:
        return edge.MatchExcept(body["except"])
    if "text" in body:
        return edge.MatchText(body["text"])
    raise BadRequest(f"unknown match: {', '.join(body)}")


def _range(body: Json) -> Any:
    bounds = {name: body[name] for name in ("gt", "gte", "lt", "lte") if body.get(name) is not None}
    if any(isinstance(value, str) for value in bounds.values()):
        return edge.RangeDateTime(**bounds)
    return edge.RangeFloat(**bounds)


def query(body: Json) -> edge.QueryRequest:
    """One request of ``/points/query``."""
    return edge.QueryRequest(
        limit=int(body.get("limit") or 10),
        offset=body.get("offset"),
        query=_scoring(body.get("query"), body.get("using")),
        prefetches=_prefetches(body.get("prefetch")),
        filter=filter_of(body.get("filter")),
        score_threshold=body.get("score_threshold"),
        with_payload=selector(body.get("with_payload"), default=False),
        with_vector=body.get("with_vector", False),
        params=_params(body.get("params")),
    )


def _prefetches(body: Any) -> list[edge.Prefetch] | None:
    if not body:
        return None
    return [
        edge.Prefetch(
            limit=int(one.get("limit") or 10),
            query=_scoring(one.get("query"), one.get("using")),
            prefetches=_prefetches(one.get("prefetch")),
            filter=filter_of(one.get("filter")),
            score_threshold=one.get("score_threshold"),
            params=_params(one.get("params")),
        )
        for one in (body if isinstance(body, list) else [body])
    ]


def _params(body: Json | None) -> edge.SearchParams | None:
    if not body:
        return None
    return edge.SearchParams(hnsw_ef=body.get("hnsw_ef"), exact=bool(body.get("exact")))


def _scoring(body: Any, using: str | None) -> Any:
    if body is None:
        return None
    if isinstance(body, list):
        return edge.Query.Nearest(body, using=using)
    if "indices" in body:
        return edge.Query.Nearest(vector(body), using=using)
    if "nearest" in body:
        return edge.Query.Nearest(vector(body["nearest"]), using=using)
    if "fusion" in body:
        return edge.Fusion.Rrf(RRF_K) if body["fusion"] == "rrf" else edge.Fusion.Dbsf()
    if "order_by" in body:
        return _order(body["order_by"])
    if "sample" in body:
        return edge.Sample.Random
    raise BadRequest(f"unknown query: {', '.join(body)}")


def _order(body: Any) -> edge.OrderBy:
    if isinstance(body, str):
        return edge.OrderBy(body)
    falling = body.get("direction") == "desc"
    direction = edge.Direction.Desc if falling else edge.Direction.Asc
    return edge.OrderBy(body["key"], direction=direction, start_from=body.get("start_from"))


def scroll(body: Json) -> edge.ScrollRequest:
    return edge.ScrollRequest(
        offset=body.get("offset"),
        limit=int(body.get("limit") or 10),
        filter=filter_of(body.get("filter")),
        with_payload=selector(body.get("with_payload"), default=True),
        with_vector=body.get("with_vector", False),
        order_by=_order(body["order_by"]) if body.get("order_by") else None,
    )


def selector(body: Any, *, default: bool) -> Any:
    """What of the payload to give back."""
    if body is None:
        return default
    if isinstance(body, dict):
        if body.get("include") is not None:
            return edge.PayloadSelector.Include(body["include"])
        return edge.PayloadSelector.Exclude(body.get("exclude") or [])
    return body


def schema(body: Any) -> Any:
    """A payload index' type; tenants and the rest of the parameters where there are any."""
    if isinstance(body, str):
        kind, params = body, {}
    else:
        kind, params = body["type"], body
    if kind not in SCHEMAS:
        raise BadRequest(f"unknown index type {kind!r}")
    if kind == "keyword" and params.get("is_tenant"):
        return edge.KeywordIndexParams(is_tenant=True)
    return SCHEMAS[kind]


def record_json(record: Any) -> Json:
    out: Json = {"id": _id(record.id), "payload": record.payload}
    if record.vector is not None:
        out["vector"] = vector_json(record.vector)
    if getattr(record, "order_value", None) is not None:
        out["order_value"] = record.order_value
    return out


def scored_json(point: Any) -> Json:
    return {**record_json(point), "version": point.version, "score": point.score}


def _id(value: Any) -> int | str:
    return value if isinstance(value, int) else str(value)


def offset_json(value: Any) -> int | str | None:
    return None if value is None else _id(value)
