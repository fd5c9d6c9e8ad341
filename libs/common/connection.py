"""The connection to NATS: made with patience, kept for ever, watched by a metric."""

import asyncio
import random
import time
from contextlib import suppress

import nats.errors
from nats.aio.client import Client

from libs.common import errors
from libs.common.config import CommonSettings
from libs.common.telemetry import BUS_CONNECTED, BUS_RECONNECTS, log

CONNECT_TIMEOUT = 30.0  # seconds to the first connection, then the process gives up


async def connect(settings: CommonSettings, service: str) -> Client:
    """A client of the service's own user, which connects again for ever. Raises `Unavailable`."""

    async def disconnected() -> None:
        BUS_CONNECTED.set(0)
        log.warning("bus_disconnected")

    async def reconnected() -> None:
        BUS_CONNECTED.set(1)
        BUS_RECONNECTS.inc()
        log.warning("bus_reconnected")

    async def failed(exc: Exception) -> None:
        log.warning("bus_error", error=type(exc).__name__, reason=str(exc))

    end = time.monotonic() + CONNECT_TIMEOUT
    while True:
        client = Client()
        try:
            await client.connect(
                settings.nats_url.split(","),
                name=f"chattery-{service}",
                user_credentials=str(settings.nats_credentials)
                if settings.nats_credentials
                else None,
                inbox_prefix=f"_INBOX.{service}",
                connect_timeout=2,
                reconnect_time_wait=0.25,  # type: ignore[arg-type]  # seconds, used as a float
                max_reconnect_attempts=-1,
                ping_interval=5,
                max_outstanding_pings=3,
                pending_size=16 << 20,
                error_cb=failed,
                disconnected_cb=disconnected,
                reconnected_cb=reconnected,
            )
        except (OSError, nats.errors.Error, TimeoutError) as exc:
            with suppress(Exception):
                await client.close()
            if time.monotonic() > end:
                raise errors.Unavailable("No connection to NATS; check NATS_URL.") from exc
            await asyncio.sleep(random.uniform(0.1, 0.4))
        else:
            BUS_CONNECTED.set(1)
            return client
