"""Entry points: what comes over the bus, handed to the domain."""

from libs.common import calls
from libs.common.bus import Bus
from libs.common.envelope import Context
from services.webhooks.deliveries import Deliveries
from services.webhooks.endpoints import Endpoints


class Handlers:
    def __init__(self, endpoints: Endpoints, deliveries: Deliveries) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries

    async def serve(self, bus: Bus) -> None:
        endpoints, deliveries = self._endpoints, self._deliveries
        await bus.serve(calls.WEBHOOKS_LIST, endpoints.page)
        await bus.serve(calls.WEBHOOK_CREATE, endpoints.create)
        await bus.serve(calls.WEBHOOK_GET, endpoints.get)
        await bus.serve(calls.WEBHOOK_UPDATE, endpoints.update)
        await bus.serve(calls.WEBHOOK_DELETE, self.delete)
        await bus.serve(calls.WEBHOOK_ROTATE, endpoints.rotate)
        await bus.serve(calls.WEBHOOK_SECRET, endpoints.secret)
        await bus.serve(calls.WEBHOOKS_ERASE, endpoints.erase)
        await bus.serve(calls.WEBHOOKS_FORGET, endpoints.forget)
        await bus.serve(calls.WEBHOOK_TEST, deliveries.test)
        await bus.serve(calls.WEBHOOK_STATS, deliveries.stats)
        await bus.serve(calls.WEBHOOK_REPLAY, deliveries.replay)
        await bus.serve(calls.DELIVERIES_LIST, deliveries.page)
        await bus.serve(calls.DELIVERY_GET, deliveries.get)
        await bus.serve(calls.DELIVERY_REDELIVER, deliveries.redeliver)
        await bus.serve(calls.NOTICES_LIST, deliveries.notices)
        await bus.serve(calls.EVENTS_SEEN, deliveries.seen)

    async def delete(self, context: Context, request: calls.ById) -> calls.Done:
        await self._endpoints.delete(context, request)
        return calls.Done()
