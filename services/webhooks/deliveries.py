"""Deliveries: read, tried out, sent again."""

from typing import Any

from libs.common.calls import (
    ById,
    Delivery,
    EventIds,
    ListDeliveries,
    Listing,
    Notice,
    Page,
    Replay,
    ReplayCount,
    TestWebhook,
    WebhookStats,
)
from libs.common.db import Database, Tx
from libs.common.envelope import Context
from libs.common.errors import BadRequest
from services.webhooks.dispatcher import Dispatcher
from services.webhooks.errors import EndpointDisabled, NoDelivery, NoEndpoint
from services.webhooks.samples import sample
from services.webhooks.store import deliveries, endpoints, inbox, notices


class Deliveries:
    def __init__(self, db: Database, dispatcher: Dispatcher) -> None:
        self._db = db
        self._dispatcher = dispatcher

    async def page(self, context: Context, request: ListDeliveries) -> Page[Delivery]:
        async with self._db.transaction(context.account) as tx:
            await _endpoint(tx, context.account, request.id)
            return await deliveries.page(tx, context.account, request)

    async def get(self, context: Context, request: ById) -> Delivery:
        async with self._db.transaction(context.account) as tx:
            return await _delivery(tx, context.account, request.id)

    async def test(self, context: Context, request: TestWebhook) -> Delivery:
        """Send an example of an event, whatever the endpoint subscribed to."""
        async with self._db.transaction(context.account) as tx:
            endpoint = await _enabled(tx, context.account, request.id)
            event = sample(request.event, context.account, endpoint["chatbot_id"] or "bot_example")
            await inbox.add(tx, [event], sample=True)
            id = await deliveries.add(tx, context.account, request.id, event.name, event.id)
            made = await _delivery(tx, context.account, id)
        self._dispatcher.wake([request.id])
        return made

    async def redeliver(self, context: Context, request: ById) -> Delivery:
        """Send it again now. One that is being sent is left alone."""
        async with self._db.transaction(context.account) as tx:
            found = await _delivery(tx, context.account, request.id)
            await _enabled(tx, context.account, found.webhook_id)
            await deliveries.again(tx, context.account, request.id)
            queued = await _delivery(tx, context.account, request.id)
        self._dispatcher.wake([found.webhook_id])
        return queued

    async def replay(self, context: Context, request: Replay) -> ReplayCount:
        if request.to <= request.from_:
            raise BadRequest("`to` must be later than `from`.", details={"field": "to"})
        async with self._db.transaction(context.account) as tx:
            await _enabled(tx, context.account, request.id)
            count = await deliveries.replay(
                tx,
                context.account,
                request.id,
                request.from_,
                request.to,
                everything=request.status == "all",
            )
        self._dispatcher.wake([request.id])
        return ReplayCount(count=count)

    async def stats(self, context: Context, request: ById) -> WebhookStats:
        async with self._db.transaction(context.account) as tx:
            endpoint = await endpoints.get(tx, context.account, request.id)
            if endpoint is None:
                raise NoEndpoint
            hours = await deliveries.hours(tx, context.account, request.id)
        return WebhookStats(total=endpoint.stats, hours=hours)

    async def notices(self, context: Context, request: Listing) -> Page[Notice]:
        async with self._db.transaction(context.account) as tx:
            return await notices.page(tx, context.account, request)

    async def seen(self, _: Context, request: EventIds) -> EventIds:
        """Which of these events the inbox has; the others are published again."""
        async with self._db.system() as tx:
            return EventIds(ids=await inbox.seen(tx, request.ids))


async def _endpoint(tx: Tx, account: str, id: str) -> dict[str, Any]:
    found = await endpoints.brief(tx, account, id)
    if found is None:
        raise NoEndpoint
    return found


async def _enabled(tx: Tx, account: str, id: str) -> dict[str, Any]:
    found = await _endpoint(tx, account, id)
    if not found["enabled"]:
        raise EndpointDisabled
    return found


async def _delivery(tx: Tx, account: str, id: str) -> Delivery:
    found = await deliveries.get(tx, account, id)
    if found is None:
        raise NoDelivery
    return found
