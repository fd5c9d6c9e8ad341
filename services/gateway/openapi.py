"""The contract, OpenAPI 3.1, made from the table of routes: it can't say what the door doesn't do."""

import inspect
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import inspect as shapes

from libs.common import errors
from libs.common.bus import VERSION
from services.gateway import body, passwords
from services.gateway import errors as door_errors
from services.gateway.examples import EXAMPLES
from services.gateway.row import Route

REF = "#/components/schemas/{name}"
FORM = {
    "type": "object",
    "required": ["chatbotId", "file"],
    "additionalProperties": False,
    "properties": {
        "chatbotId": {"type": "string"},
        "title": {"type": "string", "maxLength": 500},
        "file": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "contentMediaType": "application/octet-stream"},
            "description": "PDF, DOCX, TXT or MD; the part may be repeated.",
        },
    },
}
EVENT = {
    "type": "object",
    "description": "One event of the stream; there are many.",
    "required": ["data"],
    "properties": {
        "id": {"type": "string", "description": "What to send as Last-Event-ID to go on after it."},
        "event": {"type": "string"},
        "data": {"type": "string", "description": "JSON; the last one of an answer is `[DONE]`."},
    },
}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string", "description": "Stable, for programs."},
                "message": {"type": "string", "description": "One sentence that says what to do."},
                "details": {"type": "object"},
            },
        }
    },
}
IDEMPOTENCY_KEY = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"}
REQUEST_ID: dict[str, Any] = {
    "x-request-id": {
        "description": "Quote it when something is wrong.",
        "required": True,
        "schema": {"type": "string"},
    }
}
LIMIT_HEADERS: dict[str, Any] = {
    "RateLimit-Policy": {
        "description": "The limits in force: quota `q` in `w` seconds (IETF draft).",
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": "What is left of them: `r`, until `t` seconds from now (IETF draft).",
        "schema": {"type": "string"},
    },
    "X-RateLimit-Limit": {"schema": {"type": "integer"}},
    "X-RateLimit-Remaining": {"schema": {"type": "integer"}},
    "X-RateLimit-Reset": {"description": "Unix time.", "schema": {"type": "integer"}},
}
NO_NUL = "^[^\\u0000]*$"
STATUS_TEXT = {
    200: "Done",
    201: "Created",
    202: "Accepted; it is worked on",
    204: "Done",
    304: "Not changed",
    400: "The request is not valid",
    401: "No credentials, or bad ones",
    403: "The plan, the scope or the origin does not allow this",
    404: "There is nothing here under this id",
    405: "This path does not take this method",
    408: "The body did not arrive in time",
    409: "The object is not in a state that allows this",
    412: "The object changed since you read it",
    413: "The body is too large",
    415: "The body is of another type",
    422: "This Idempotency-Key was used with another request",
    429: "A rate limit is exceeded",
    500: "Something went wrong on our side",
    503: "Temporarily away; try again after Retry-After",
}
SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "none": [],
    "account": [{"apiKey": []}, {"session": []}],
    "session": [{"session": []}],
    "operator": [{"operatorToken": []}],
}


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The whole document as JSON-ready values."""
    rows = [route for route in routes if route.tag != "Site" or route.path.startswith("/openapi")]
    components = _components(route.answer for route in rows)
    requests = _Requests(rows)
    paths: dict[str, dict[str, Any]] = {}
    for route in rows:
        operation = _operation(route, requests)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Chattery",
            "version": VERSION,
            "summary": "AI support chatbots for your site, on your own servers",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": (
                "Unknown request fields are refused. Unknown response fields are to be ignored: "
                "more may be added. Every answer carries `x-request-id`."
            ),
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in rows)],
        "paths": paths,
        "components": {
            "schemas": {**components, "Error": ERROR},
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


_SECURITY_SCHEMES = {
    "apiKey": {"type": "http", "scheme": "bearer", "description": "`ck_live_...`"},
    "visitorToken": {"type": "http", "scheme": "bearer", "description": "`vt_...`, a widget's"},
    "operatorToken": {"type": "http", "scheme": "bearer"},
    "session": {"type": "apiKey", "in": "cookie", "name": "chattery_session"},
}


def _operation(route: Route, requests: "_Requests") -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "security": SECURITY[route.auth] + ([{"visitorToken": []}] if route.visitor else []),
        "parameters": _parameters(route, requests),
        "responses": _responses(route),
    }
    if route.scope and route.auth == "account":
        operation["description"] = f"Needs the scope `{route.scope}`."
    if (taken := _body(route, requests)) is not None:
        operation["requestBody"] = taken
    if route.limits:
        operation["x-rate-limits"] = list(route.limits)
    return operation


# -- requests --------------------------------------------------------------------------------


def _parameters(route: Route, requests: "_Requests") -> list[dict[str, Any]]:
    properties = requests.properties(route)
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _plain(properties.get(name, {"type": "string"})),
        }
        for name in route.parameters
    ]
    if route.shape is not None:
        required = requests.required(route)
        found += [
            {
                "name": name,
                "in": "query",
                "allowEmptyValue": True,  # as good as left out
                "required": name in required,
                "schema": _plain(properties[name]),
            }
            for name in sorted(route.shape.query)
        ]
    if route.method == "POST":
        found.append(_header("Idempotency-Key", IDEMPOTENCY_KEY))
    if route.kind == "stream" and route.method == "GET":
        found.append(_header("Last-Event-ID", {"type": "string"}))
    if route.etag and route.method == "PATCH":
        found.append(_header("If-Match", {"type": "string"}))
    return found


def _header(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": schema}


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is text: absent rather than null."""
    options = schema.get("anyOf")
    if options is None:
        return schema
    left = [option for option in options if option.get("type") != "null"]
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    return {**left[0], **rest} if len(left) == 1 else {"anyOf": left, **rest}


def _body(route: Route, requests: "_Requests") -> dict[str, Any] | None:
    if route.kind == "upload":
        return {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}
    if route.shape is None or not route.shape.body:
        return None
    properties = requests.properties(route)
    required = sorted(requests.required(route) & route.shape.body)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: properties[name] for name in properties if name in route.shape.body},
        "additionalProperties": False,
    }
    if required:
        schema["required"] = required
    media: dict[str, Any] = {"schema": schema}
    if route.name in EXAMPLES:
        media["example"] = EXAMPLES[route.name]
    return {"required": bool(required), "content": {"application/json": media}}


class _Requests:
    """Schemas of request structs, whole and closed: what they don't name is refused."""

    def __init__(self, routes: list[Route]) -> None:
        self._found = _components(r.shape.request for r in routes if r.shape is not None)

    def properties(self, route: Route) -> dict[str, Any]:
        return self._of(route).get("properties", {})

    def required(self, route: Route) -> set[str]:
        return set(self._of(route).get("required", []))

    def _of(self, route: Route) -> dict[str, Any]:
        if route.shape is None:
            return {}
        return self._closed(self._found[_name(route.shape.request)])

    def _closed(self, schema: Any) -> Any:
        """References written out, objects closed, NUL characters ruled out."""
        if isinstance(schema, list):
            return [self._closed(part) for part in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            return self._closed(self._found[schema["$ref"].rpartition("/")[2]])
        made = {
            name: part if name in ("default", "enum", "required") else self._closed(part)
            for name, part in schema.items()
            if name not in ("title", "description")
        }
        if made.get("type") == "object" and "properties" in made:
            made["additionalProperties"] = False
        if made.get("type") == "string" and not made.keys() & {"pattern", "format"}:
            made["pattern"] = NO_NUL
        return made


# -- responses -------------------------------------------------------------------------------


def _responses(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = {str(route.status): _success(route)}
    if route.etag and route.method == "GET":
        found["304"] = {"description": STATUS_TEXT[304]}
    for status in sorted(_statuses(route)):
        found[str(status)] = {
            "description": STATUS_TEXT[status],
            "headers": _error_headers(status),
            "content": {
                "application/json": {
                    "schema": {"$ref": REF.format(name="Error")},
                    "examples": _error_examples(status),
                }
            },
        }
    return found


def _success(route: Route) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": STATUS_TEXT[route.status],
        "headers": _headers(route),
    }
    content: dict[str, Any] = {}
    if route.kind == "stream":
        content["text/event-stream"] = {"schema": EVENT}
    if route.answer is not None:
        schema = msgspec.json.schema_components([route.answer], ref_template=REF)[0][0]
        content["application/json"] = {"schema": schema}
    elif route.kind == "file":
        content = {kind: {"schema": {}} for kind in ("application/json", "text/csv", "text/plain")}
    if content:
        answer["content"] = content
    return answer


def _headers(route: Route) -> dict[str, Any]:
    """Headers of a success, beside those that every answer of the web has."""
    found: dict[str, Any] = {**REQUEST_ID}
    if route.limits:
        found |= LIMIT_HEADERS
    if route.etag:
        found["ETag"] = _told("Send it as If-Match with a PATCH, as If-None-Match with a GET.")
    if route.method == "POST":
        found["Idempotency-Replayed"] = _told("`true` where this is the answer of a repeat.")
    if route.kind == "stream" and route.tag == "Chat":
        found["x-answer-id"] = _told("To resume or stop the answer.")
        found["x-conversation-id"] = _told("To go on with the conversation.")
    return found


def _told(text: str, kind: str = "string") -> dict[str, Any]:
    return {"description": text, "schema": {"type": kind}}


def _statuses(route: Route) -> set[int]:
    found = {500, 503, *route.errors}
    if route.shape is not None or route.kind == "upload":
        found.add(400)
    if route.auth != "none":
        found |= {401, 403}
    if route.visitor:
        found.add(403)
    if route.parameters:
        found.add(404)
    if route.takes_body and route.shape is not None:
        found |= {408, 413, 415}
    if route.method == "POST":
        found |= {409, 422}
    if route.limits:
        found.add(429)
    return found


def _error_headers(status: int) -> dict[str, Any]:
    headers: dict[str, Any] = {**REQUEST_ID}
    if status == 429:
        headers |= LIMIT_HEADERS
    if status in (429, 503):
        headers["Retry-After"] = {
            "description": "Seconds to wait.",
            "required": True,
            "schema": {"type": "integer", "minimum": 1},
        }
    if status == 401:
        headers["WWW-Authenticate"] = _told("Bearer")
    return headers


def _error_examples(status: int) -> dict[str, Any]:
    """Every error with this status that a client may meet."""
    classes: list[type[errors.AppError]] = [
        kind
        for module in (errors, door_errors, body, passwords)
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, errors.AppError) and kind.status == status
    ]
    return {
        kind.code: {
            "value": {
                "error": {
                    "code": kind.code,
                    "message": " ".join((kind.__doc__ or "").split()),
                    "details": {},
                }
            }
        }
        for kind in classes
        if kind.code != "internal" or status == 500
    }


# -- schemas ---------------------------------------------------------------------------------


def _components(types: Iterable[Any]) -> dict[str, Any]:
    _, found = msgspec.json.schema_components(
        [kind for kind in types if kind is not None], ref_template=REF
    )
    for schema in found.values():
        schema.pop("title", None)
    return found


def _name(kind: type[Any]) -> str:
    info = shapes.type_info(kind)
    assert isinstance(info, shapes.StructType)
    return info.cls.__name__
