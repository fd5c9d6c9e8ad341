"""What the gateway is made of."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from aiohttp import web
from redis.asyncio import BlockingConnectionPool, Redis

from libs.common.app import Service, bus_check
from libs.common.blobs import Blobs
from libs.common.bus import Bus
from libs.common.calls import ACCOUNT_OWNERS, OwnerAddresses, Owners
from libs.common.db import Database
from libs.common.envelope import Context
from libs.common.limits import PolicyFile
from libs.common.telemetry import log
from libs.common.valkey import Valkey
from services.gateway import bootstrap, clientip, deletion
from services.gateway.audit import Audit
from services.gateway.door import Door
from services.gateway.gateway import Gateway
from services.gateway.guesses import Guesses
from services.gateway.idempotency import Idempotency
from services.gateway.keys import Keys
from services.gateway.limits import Limits
from services.gateway.mail import Mail
from services.gateway.origins import Origins
from services.gateway.pages import Pages
from services.gateway.passwords import Passwords
from services.gateway.plans import Plans
from services.gateway.routes import TABLE
from services.gateway.secrets import Secrets
from services.gateway.server import Server
from services.gateway.sessions import Sessions
from services.gateway.settings import Settings
from services.gateway.store import users
from services.gateway.streams import Streams
from services.gateway.tenants import Tenants
from services.gateway.upkeep import Upkeep
from services.gateway.usage import Usage
from services.gateway.visitors import VisitorTokens

REDIS_TIMEOUT = 1.0  # seconds
BACKLOG = 1_024  # connections that wait to be accepted
NEEDED = ("chat", "ingest", "webhooks")  # without these the gateway is not ready

__all__ = ["Settings", "build"]


async def build(settings: Settings, stack: AsyncExitStack) -> Service:
    gateway = await assemble(settings, stack)
    await bootstrap.run(gateway)
    return await serve(gateway, stack)


async def assemble(settings: Settings, stack: AsyncExitStack) -> Gateway:
    """Everything the door needs, connected."""
    secrets = Secrets(settings.secret.get_secret_value())
    policies = PolicyFile(settings.rate_limits)
    plans = Plans.load(settings.plans)
    bus = await stack.enter_async_context(Bus.open(settings, "gateway"))
    db = await stack.enter_async_context(
        Database.open(
            settings.database_url.get_secret_value(),
            schema="gateway",
            service="gateway",
            size=settings.db_pool,
        )
    )
    redis = await stack.enter_async_context(_redis(settings))
    tenants = Tenants(db)
    keys = Keys(db, bus, secrets, plans, tenants)
    streams = Streams(settings.max_streams, settings.max_streams_per_ip)
    keys.heard.append(streams.revoked)
    return Gateway(
        settings=settings,
        bus=bus,
        db=db,
        redis=redis,
        blobs=Blobs(settings.blobs),
        secrets=secrets,
        plans=plans,
        keys=keys,
        guesses=Guesses(policies),
        tenants=tenants,
        sessions=Sessions(redis, db),
        visitors=VisitorTokens(secrets),
        origins=Origins(bus),
        policies=policies,
        limits=Limits(bus, policies, budget=settings.limiter_budget),
        idempotency=Idempotency(redis, secrets),
        streams=streams,
        audit=Audit(db),
        usage=Usage(bus, plans, redis),
        passwords=Passwords(),
        mail=Mail(
            settings.smtp_url.get_secret_value() if settings.smtp_url else None, settings.mail_from
        ),
        pages=Pages(),
        trusted=clientip.networks(settings.trusted_proxies),
    )


async def serve(gateway: Gateway, stack: AsyncExitStack) -> Service:
    """Open the door."""
    gateway.checks.update(bus=bus_check(gateway.bus), database=gateway.db.ready)
    gateway.checks.update({name: _answers(gateway.bus, name) for name in NEEDED})
    service = Service(
        "gateway",
        checks=gateway.checks,
        tasks={
            "revocations": gateway.keys.listen(),
            "key-use": gateway.keys.note_use(),
            "policies": gateway.policies.watch(),
            "account-jobs": deletion.work(gateway),
            "streams": gateway.streams.watch(),
            "upkeep": Upkeep(gateway.db, gateway.settings.audit_days).run(),
        },
    )
    await gateway.bus.serve(ACCOUNT_OWNERS, _owners(gateway.db))
    server, runner = await _listen(gateway, stack)
    service.tasks["connections"] = server.sweep()
    service.drain = _drain(gateway, server, runner)
    return service


def _owners(db: Database) -> Callable[[Context, Owners], Awaitable[OwnerAddresses]]:
    """Whom another service may write to about an account."""

    async def answer(context: Context, _: Owners) -> OwnerAddresses:
        async with db.transaction(context.account) as tx:
            return OwnerAddresses(emails=await users.owners(tx, context.account))

    return answer


def _redis(settings: Settings) -> Redis:
    pool = BlockingConnectionPool.from_url(
        settings.redis_url.get_secret_value(),
        max_connections=64,
        timeout=REDIS_TIMEOUT,
        socket_timeout=REDIS_TIMEOUT,
        socket_connect_timeout=REDIS_TIMEOUT,
    )
    return Valkey(connection_pool=pool)


async def _listen(gateway: Gateway, stack: AsyncExitStack) -> tuple[Server, web.ServerRunner]:
    settings = gateway.settings
    server = Server(Door(gateway, TABLE).handle, most_connections=settings.max_connections)
    runner = web.ServerRunner(server, shutdown_timeout=2)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(
        runner,
        settings.host,
        settings.port,
        backlog=BACKLOG,
        reuse_port=settings.reuse_port or None,
    )
    await site.start()
    gateway.port = runner.addresses[0][1]
    log.info("listening", host=settings.host, port=gateway.port)
    return server, runner


def _drain(
    gateway: Gateway, server: Server, runner: web.ServerRunner
) -> Callable[[float], Awaitable[None]]:
    async def drain(grace: float) -> None:
        """Refuse new streams and let the open ones finish; those left end resumable.

        Connections are taken until then, so that who comes too late hears where to go. Other
        requests have the rest of the same time to end.
        """
        until = time.monotonic() + grace * 0.8
        await gateway.streams.drain(grace * 0.8)
        for site in list(runner.sites):
            await site.stop()
        await server.finish(max(until - time.monotonic(), 0.0))
        await gateway.mail.drain(grace * 0.1)

    return drain


def _answers(bus: Bus, name: str) -> Callable[[], Awaitable[None]]:
    """A readiness check: at least one replica of a service is there."""

    async def check() -> None:
        async with asyncio.timeout(1.5):
            await bus.client.request(f"$SRV.PING.chattery-{name}", b"", timeout=1.5)

    return check
