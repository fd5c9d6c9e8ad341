"""Telling: the dashboard, live, and the other services, durably."""

import msgspec

from libs.common import events
from libs.common.bus import Bus
from libs.common.db import Tx
from libs.common.errors import AppError
from libs.common.events import KnowledgeIndexed
from libs.common.outbox import Outbox
from services.ingest.store.rows import ItemRow

_encode = msgspec.json.Encoder().encode

JOBS = "ingest.jobs"


class Notices:
    def __init__(self, bus: Bus, outbox: Outbox) -> None:
        self._bus = bus
        self._outbox = outbox

    async def changed(self, item: ItemRow) -> None:
        """Whoever watches the account sees the item as it is now. Lost when nobody does."""
        body = _encode({"event": "knowledge", "data": item.public()})
        try:
            await self._bus.publish(f"live.{item.account_id}.knowledge", body)
        except AppError:
            return

    async def wake(self, item: ItemRow) -> None:
        """A worker somewhere has work. Without the bus the workers' own look finds it."""
        kind = "crawl" if item.type == "crawl" else "item"
        try:
            await self._bus.publish_durable(
                f"{JOBS}.{kind}", b"", message_id=f"{item.id}.{item.version}", timeout=2.0
            )
        except AppError:
            return

    async def indexed(self, tx: Tx, item: ItemRow) -> None:
        """Part of the transaction that finished the item."""
        fact = KnowledgeIndexed(
            knowledge_id=item.id, chatbot_id=item.chatbot_id, status=item.status, title=item.title
        )
        event = events.make(fact, account=item.account_id, chatbot=item.chatbot_id, key=item.id)
        await self._outbox.add(tx, event)
