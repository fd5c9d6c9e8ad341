"""Tells those who watch a conversation what happens in it: kept in the transaction, sent after."""

import msgspec

from libs.common.bus import Bus
from libs.common.calls import Conversation, LiveEvent, Message
from libs.common.db import Tx
from libs.common.errors import AppError
from libs.common.telemetry import log
from services.chat.store import live, messages
from services.chat.store.messages import NewMessage

_encode = msgspec.json.Encoder().encode


class Watchers:
    """Events of one unit of work: kept within the transaction, sent once it committed."""

    def __init__(self, bus: Bus, account: str) -> None:
        self._bus = bus
        self._account = account
        self._kept: list[live.Added] = []

    async def said(self, tx: Tx, new: NewMessage) -> Message:
        """Store a message, and tell of it."""
        ((message, added),) = await messages.add(tx, self._account, new)
        self.keep(added)
        return message

    def keep(self, added: live.Added) -> None:
        """Tell of what was stored."""
        self._kept.append(added)

    async def message(self, tx: Tx, message: Message) -> None:
        """Tell of one that was there and has changed."""
        await self._keep(tx, message.conversation_id, "message", message, internal=message.internal)

    async def status(self, tx: Tx, conversation: Conversation) -> None:
        await self._keep(tx, conversation.id, "status", conversation, internal=False)

    async def _keep(
        self, tx: Tx, conversation: str, event: str, data: object, *, internal: bool
    ) -> None:
        self.keep(await live.add(tx, self._account, conversation, event, data, internal=internal))

    async def send(self) -> None:
        """Those who are not there now read them later: losing one here loses nothing."""
        for added in self._kept:
            await tell(self._bus, self._account, await added.numbered())
        self._kept.clear()


async def tell(bus: Bus, account: str, event: LiveEvent) -> None:
    try:
        await bus.publish(f"live.{account}.{event.conversation_id}", _encode(event))
    except AppError as exc:
        log.warning("live_event_not_sent", seq=event.seq, reason=exc.message)
