"""Listening to live subjects, bounded in memory."""

import asyncio

from nats.aio.msg import Msg

from libs.common import errors

LIVE_QUEUE = 1024  # messages a live subscription may be behind


class Live:
    """What arrives on a live subscription. Too slow a reader loses it as a whole, not in part."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Msg] = asyncio.Queue(LIVE_QUEUE)
        self.overflowed = False

    async def put(self, message: Msg) -> None:
        if self.overflowed:
            return
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self.overflowed = True

    async def next(self, timeout: float) -> Msg | None:
        """The next message, or None when ``timeout`` seconds pass without one.

        Raises `Unavailable` once the reader was more than `LIVE_QUEUE` messages behind.
        """
        if self.overflowed and self._queue.empty():
            raise errors.Unavailable("You read too slowly; resume from the last event you have.")
        try:
            async with asyncio.timeout(timeout):
                return await self._queue.get()
        except TimeoutError:
            return None

    def ready(self) -> Msg | None:
        """The next message if there is one already."""
        return None if self._queue.empty() else self._queue.get_nowait()
