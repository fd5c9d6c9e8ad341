"""The JetStream streams, as data. Each is made, or brought up to date, by whoever starts first."""

import asyncio
import os
from contextlib import suppress
from datetime import UTC, datetime

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

from libs.common.bus import Bus
from libs.common.errors import Unavailable
from libs.common.telemetry import log

DAY = 86_400.0  # seconds

EVENTS = "EVENTS"
INGEST = "INGEST"
ANSWERS = "ANSWERS"
DEAD = "DEAD"

STREAMS: dict[str, StreamConfig] = {
    # Facts. Consumers keep their own inbox, so a week is for late subscribers and for people.
    EVENTS: StreamConfig(
        name=EVENTS,
        subjects=["events.>"],
        storage=StorageType.FILE,
        max_age=7 * DAY,
        max_bytes=4 << 30,
        discard=DiscardPolicy.OLD,
        duplicate_window=120,
        allow_direct=True,
    ),
    # Long work, removed once done. Postgres knows what is due; this only hands it out.
    INGEST: StreamConfig(
        name=INGEST,
        subjects=["ingest.jobs.>"],
        storage=StorageType.FILE,
        retention=RetentionPolicy.WORK_QUEUE,
        max_age=7 * DAY,
        max_bytes=1 << 30,
        duplicate_window=5,
    ),
    # Answers in flight: recorded passively, so that any replica can resume one.
    ANSWERS: StreamConfig(
        name=ANSWERS,
        subjects=["answers.>"],
        storage=StorageType.MEMORY,
        max_age=600,
        max_bytes=256 << 20,
        discard=DiscardPolicy.OLD,
        allow_direct=True,
        duplicate_window=60,
        no_ack=True,
    ),
    # What could not be handled after all tries, for a person to look at:
    # ``dead.<consumer>.<subject it had>``.
    DEAD: StreamConfig(
        name=DEAD,
        subjects=["dead.>"],
        storage=StorageType.FILE,
        max_age=30 * DAY,
        max_bytes=1 << 30,
        discard=DiscardPolicy.OLD,
        duplicate_window=120,
    ),
}


async def ensure(js: JetStreamContext, *names: str, timeout: float = 30.0) -> None:
    """Make the named streams if they are not there; waits while JetStream is starting.

    ``CHATTERY_STREAM_REPLICAS`` (default 1) is how many servers keep each stream.
    """
    replicas = int(os.environ.get("CHATTERY_STREAM_REPLICAS", "1"))
    async with asyncio.timeout(timeout):
        for name in names:
            await _ensure(js, name, replicas)


async def created(js: JetStreamContext, name: str) -> datetime:
    """When this very stream was made: a later time tells that what it held before is lost.

    Makes it where it is missing. Raises `Unavailable`.
    """
    try:
        try:
            info = await js.stream_info(name)
        except nats.js.errors.NotFoundError:
            await ensure(js, name)
            info = await js.stream_info(name)
    except (nats.errors.Error, TimeoutError) as exc:
        raise Unavailable("The event stream is away; try again shortly.") from exc
    return info.created.astimezone(UTC) if info.created else datetime(1970, 1, 1, tzinfo=UTC)


async def _ensure(js: JetStreamContext, name: str, replicas: int) -> None:
    config = STREAMS[name].evolve(num_replicas=replicas)
    while True:
        try:
            await js.add_stream(config)
            return
        except nats.js.errors.BadRequestError:  # there, with other settings
            with suppress(nats.js.errors.BadRequestError):
                await js.update_stream(config)
            return
        except (nats.js.errors.ServiceUnavailableError, nats.errors.Error, TimeoutError) as exc:
            if isinstance(exc, nats.js.errors.APIError) and exc.code not in (None, 503):
                raise Unavailable(f"Stream {name} can't be made: {exc.description}") from exc
            await asyncio.sleep(0.2)


async def forget(js: JetStreamContext, subject: str) -> None:
    """Remove the events under a subject for good, those that nobody could handle as well.

    Raises `Unavailable`.
    """
    for name, theirs in ((EVENTS, subject), (DEAD, f"dead.*.{subject}")):
        try:
            await js.purge_stream(name, subject=theirs)
        except nats.js.errors.NotFoundError:
            continue  # a stream that nobody needed yet
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError) as exc:
            raise Unavailable("The event stream is away; try again shortly.") from exc


async def keep(bus: Bus, *names: str) -> None:
    """Make streams anew after a server lost them, until cancelled.

    One in memory is gone when its only server restarts; what is sent meanwhile isn't recorded.
    """
    reconnects = bus.client.stats["reconnects"]
    while True:
        await asyncio.sleep(0.5)
        if bus.connected and bus.client.stats["reconnects"] != reconnects:
            reconnects = bus.client.stats["reconnects"]
            try:
                await ensure(bus.js, *names)
            except (Unavailable, TimeoutError) as exc:
                log.warning("streams_not_made", reason=str(exc))
                reconnects = -1  # again
