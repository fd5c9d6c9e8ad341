"""Reading the event stream by number, without a consumer on the server.

A durable consumer hands messages out again after a crash, later than those that came after
them; here order within a conversation is a promise. So one process at a time reads on from the
number that Postgres holds, which moves in the transaction that stores the events.
"""

from contextlib import suppress
from datetime import UTC

import msgspec
import nats.errors
import nats.js.errors
from nats.aio.msg import Msg

from libs.common import streams
from libs.common.bus import Bus
from libs.common.errors import Unavailable

BATCH = 256  # messages in one read
TIMEOUT = 5.0  # seconds


class Feed:
    def __init__(self, bus: Bus, stream: str) -> None:
        self._bus = bus
        self._stream = stream

    async def state(self) -> tuple[str, int]:
        """When the stream was made, which tells it from one made anew, and its last number."""
        try:
            info = await self._bus.js.stream_info(self._stream)
        except nats.js.errors.NotFoundError:
            await streams.ensure(self._bus.js, self._stream)
            info = await self._bus.js.stream_info(self._stream)
        except (nats.errors.Error, TimeoutError) as exc:
            raise Unavailable("The event stream is away.") from exc
        created = info.created.astimezone(UTC).isoformat() if info.created else ""
        return created, info.state.last_seq

    async def read(self, after: int, limit: int = BATCH) -> list[tuple[int, Msg]]:
        """The messages after a number, oldest first, with their numbers (direct get)."""
        client = self._bus.client
        inbox = client.new_inbox()
        subscription = await client.subscribe(inbox)
        query = {"batch": limit, "seq": after + 1, "next_by_subj": "events.>"}
        found: list[tuple[int, Msg]] = []
        try:
            subject = f"$JS.API.DIRECT.GET.{self._stream}"
            await client.publish(subject, msgspec.json.encode(query), reply=inbox)
            while True:
                message = await subscription.next_msg(timeout=TIMEOUT)
                headers = message.headers or {}
                if "Nats-Sequence" not in headers:  # 204 the end, 404 nothing, 503 no stream
                    return found
                found.append((int(headers["Nats-Sequence"]), message))
        except (nats.errors.Error, TimeoutError) as exc:
            raise Unavailable("The event stream is away.") from exc
        finally:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()
