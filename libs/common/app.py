"""The frame of a service process: settings, signals, health, metrics, ordered drain.

``run("services.name.service")`` is all a service's ``__main__`` does. The module has the
service's ``Settings`` and ``build``, which acquires what the service needs on an exit stack, one
thing a line, and returns a `Service`. On SIGTERM or SIGINT
readiness goes red, `Service.drain` finishes what runs, background tasks are cancelled, and the
stack closes in reverse order, all within ``drain_seconds``.
"""

import asyncio
import ctypes
import gc
import importlib
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from aiohttp import web
from prometheus_client import REGISTRY, Gauge
from prometheus_client.exposition import choose_encoder
from pydantic import ValidationError

from libs.common.bus import Bus
from libs.common.config import CommonSettings, DatabaseSettings
from libs.common.errors import AppError
from libs.common.telemetry import configure, flush_traces, log

S = TypeVar("S", bound=CommonSettings)
Check = Callable[[], Awaitable[None]]
Build = Callable[[S, AsyncExitStack], Awaitable["Service"]]
Job = Callable[[S], Coroutine[Any, Any, None]]

AGAIN = 1.0  # seconds between two cancellations of a task that goes on
GC_EVERY = 10_000  # new objects between two looks for garbage among the youngest
READY_TIMEOUT = 3.0  # seconds for all readiness checks together
LOOP_LAG = Gauge("chattery_event_loop_lag_seconds", "How late the event loop runs a timer")


@dataclass
class Service:
    """A built service. ``checks`` raise while a dependency is away; ``tasks`` run for ever."""

    name: str
    checks: dict[str, Check] = field(default_factory=dict[str, Check])
    tasks: dict[str, Coroutine[Any, Any, None]] = field(
        default_factory=dict[str, Coroutine[Any, Any, None]]
    )
    drain: Callable[[float], Awaitable[None]] | None = None  # seconds of grace


def run(module: str, *, migrations: Path | None = None) -> None:
    """Run a service until it is told to stop.

    With an argument, do that and end: ``migrate``, or one of the module's ``JOBS``.
    To migrate takes the database's settings alone, as a Job has no others, and none of what a
    service takes seconds of CPU to load: the module is imported to serve only.
    """
    name = module.split(".")[-2]
    main: Coroutine[Any, Any, None]
    asked = sys.argv[1] if len(sys.argv) > 1 else None
    if asked == "migrate":
        database = _read(name, DatabaseSettings)
        configure(name, database)
        main = _migrate(name, database, migrations)
    else:
        service = importlib.import_module(module)
        settings = _read(name, service.Settings)
        configure(name, settings)
        main = _job(name, service, asked, settings) if asked else serve(settings, service.build)
    try:
        _run(main)
    except AppError as exc:
        log.error("start_failed", reason=exc.message)
        raise SystemExit(1) from None


def _job(name: str, service: ModuleType, asked: str, settings: Any) -> Coroutine[Any, Any, None]:
    jobs: Mapping[str, Job[Any]] = getattr(service, "JOBS", {})
    if asked not in jobs:
        print(f"{name} has no job {asked}; it has {['migrate', *jobs]}.", file=sys.stderr)  # noqa: T201
        raise SystemExit(64)  # EX_USAGE
    return jobs[asked](settings)


def _read(name: str, settings_type: type[S]) -> S:
    try:
        return settings_type()
    except ValidationError as exc:
        for error in exc.errors(include_input=False):
            place = ".".join(str(part) for part in error["loc"])
            print(f"{name}: setting {place}: {error['msg']}", file=sys.stderr)  # noqa: T201
        raise SystemExit(78) from None  # EX_CONFIG


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)


async def _migrate(name: str, settings: DatabaseSettings, folder: Path | None) -> None:
    if folder is None:
        raise AppError(f"{name} has no database.")
    if settings.database_admin_url is None:
        raise AppError("Set DATABASE_ADMIN_URL to a role that may create the schema and the role.")
    from libs.common.migrations import migrate  # ratelimit has no database, and no driver for one

    password = settings.db_password.get_secret_value() if settings.db_password else None
    ran = await migrate(
        settings.database_admin_url.get_secret_value(),
        schema=name,
        folder=folder,
        role=name,
        password=password,
    )
    log.info("migrated", files=ran)


async def serve(settings: S, build: Build[S]) -> None:
    """Build, serve health and work until SIGTERM or SIGINT, then drain."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        health = await stack.enter_async_context(Health.open(settings))
        service = await build(settings, stack)
        health.service = service
        _settle()
        log.info("started", ms=round((time.monotonic() - started) * 1000), port=health.port)
        await _work(service, stop, health, settings.drain_seconds)
    await asyncio.to_thread(flush_traces)
    log.info("stopped")


def _settle() -> None:
    """What is loaded by now stays: the collector need not look at it again and again, and what
    loading left behind goes back to the system.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_EVERY)
    with suppress(AttributeError):  # glibc's alone keeps what loading has freed
        ctypes.CDLL(None).malloc_trim(0)


async def _work(service: Service, stop: asyncio.Event, health: "Health", grace: float) -> None:
    tasks = {asyncio.create_task(task, name=name) for name, task in service.tasks.items()}
    tasks.add(asyncio.create_task(_watch_lag(), name="loop-lag"))
    stopped = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopped}:
            log.critical("task_ended", task=task.get_name(), exc_info=task.exception())
            raise SystemExit(70)  # EX_SOFTWARE: better restarted than half alive
        health.draining = True
        log.info("draining", grace=grace)
        if service.drain is not None:
            await service.drain(grace)
    finally:
        await end({*tasks, stopped}, within=grace)


async def end(tasks: Iterable[asyncio.Task[Any]], *, within: float) -> None:
    """Cancel tasks until they have ended, for ``within`` seconds at most.

    It is said again until it is heard: Python 3.11's `asyncio.wait_for`, which the NATS client
    waits with, may swallow a cancellation (python/cpython#86296).
    """
    waiting = set(tasks)
    until = time.monotonic() + within
    while waiting and time.monotonic() < until:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=AGAIN)


async def _watch_lag(interval: float = 0.5) -> None:
    while True:
        before = time.monotonic()
        await asyncio.sleep(interval)
        LOOP_LAG.set(max(0.0, time.monotonic() - before - interval))


class Health:
    """``/livez`` (the loop turns), ``/readyz`` (dependencies answer), ``/metrics``."""

    def __init__(self) -> None:
        self.service: Service | None = None
        self.draining = False
        self.port = 0

    @classmethod
    def open(cls, settings: CommonSettings) -> "_HealthServer":
        return _HealthServer(cls(), settings)

    async def live(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(self, request: web.Request) -> web.Response:
        """``?exclude=NAME`` leaves a check out, as Kubernetes' own servers do."""
        failed = await self.failing(exclude=request.query.getall("exclude", []))
        text = "ok\n" if not failed else "".join(f"{n}: {why}\n" for n, why in failed.items())
        return web.Response(text=text, status=503 if failed else 200)

    async def failing(self, exclude: Sequence[str] = ()) -> dict[str, str]:
        """What keeps this process from taking work; empty when it is ready."""
        if self.service is None:
            return {"service": "starting"}
        if self.draining:
            return {"service": "draining"}

        async def ask(name: str, check: Check) -> tuple[str, str] | None:
            try:
                async with asyncio.timeout(READY_TIMEOUT):
                    await check()
            except Exception as exc:
                return name, type(exc).__name__
            return None

        checks = [(n, c) for n, c in self.service.checks.items() if n not in exclude]
        answers = await asyncio.gather(*(ask(n, c) for n, c in checks))
        return dict(answer for answer in answers if answer)

    async def metrics(self, request: web.Request) -> web.Response:
        """In Prometheus' own format, or as OpenMetrics, with exemplars, to who asks for it."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        body = await asyncio.to_thread(encode, REGISTRY)
        return web.Response(body=body, headers={"content-type": content_type})


class _HealthServer:
    def __init__(self, health: Health, settings: CommonSettings) -> None:
        self._health = health
        self._settings = settings
        app = web.Application()
        app.add_routes(
            [
                web.get("/livez", health.live),
                web.get("/readyz", health.ready),
                web.get("/metrics", health.metrics),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)

    async def __aenter__(self) -> Health:
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._settings.health_host, self._settings.health_port)
        await site.start()
        self._health.port = self._runner.addresses[0][1]
        return self._health

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


def bus_check(bus: Bus) -> Check:
    """A readiness check: connected to NATS."""

    async def check() -> None:
        if not bus.connected:
            raise ConnectionError

    return check
