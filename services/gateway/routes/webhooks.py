"""Webhooks and the notices they cause."""

from typing import Any

from libs.common import calls
from libs.common.envelope import Endpoint
from services.gateway.row import Route

_TAG = "Webhooks"


def _row(
    method: str,
    path: str,
    summary: str,
    call: Endpoint[Any, Any],
    status: int = 200,
    limits: tuple[str, ...] = ("api",),
    errors: tuple[int, ...] = (),
) -> Route:
    return Route(
        method=method,
        path=path,
        summary=summary,
        tag=_TAG,
        call=call,
        scope="webhooks",
        status=status,
        limits=limits,
        errors=errors,
    )


WEBHOOKS = (
    _row("GET", "/api/webhooks", "List webhook endpoints", calls.WEBHOOKS_LIST),
    _row(
        "POST", "/api/webhooks", "Add a webhook endpoint", calls.WEBHOOK_CREATE, 201, errors=(404,)
    ),
    _row("GET", "/api/webhooks/{id}", "Read a webhook endpoint", calls.WEBHOOK_GET),
    _row("PATCH", "/api/webhooks/{id}", "Change a webhook endpoint", calls.WEBHOOK_UPDATE),
    _row("DELETE", "/api/webhooks/{id}", "Delete a webhook endpoint", calls.WEBHOOK_DELETE, 204),
    _row("GET", "/api/webhooks/{id}/secret", "Read the signing secret", calls.WEBHOOK_SECRET),
    _row("POST", "/api/webhooks/{id}/rotate", "Replace the signing secret", calls.WEBHOOK_ROTATE),
    _row(
        "POST",
        "/api/webhooks/{id}/test",
        "Send a sample event",
        calls.WEBHOOK_TEST,
        202,
        ("webhook_test",),
    ),
    _row("GET", "/api/webhooks/{id}/deliveries", "List deliveries", calls.DELIVERIES_LIST),
    _row("GET", "/api/webhooks/{id}/stats", "Read delivery statistics", calls.WEBHOOK_STATS),
    _row(
        "POST",
        "/api/webhooks/{id}/replay",
        "Deliver the events of a stretch of time again",
        calls.WEBHOOK_REPLAY,
        202,
    ),
    _row("GET", "/api/webhooks/deliveries/{id}", "Read a delivery", calls.DELIVERY_GET),
    _row(
        "POST",
        "/api/webhooks/deliveries/{id}/redeliver",
        "Deliver an event again",
        calls.DELIVERY_REDELIVER,
        202,
    ),
    Route(
        method="GET",
        path="/api/notices",
        summary="List what the account's people should know",
        tag="Account",
        call=calls.NOTICES_LIST,
    ),
)
