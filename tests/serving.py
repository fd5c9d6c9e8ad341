"""A web server of a test's own: a host page, a site, a receiver."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web

from libs.common.app import Service, end


@asynccontextmanager
async def serving(app: web.Application) -> AsyncGenerator[str]:
    """The address of an application on a free port of loopback, without a slash at its end."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def tasks_of(service: Service) -> AsyncGenerator[None]:
    """A built service's background tasks, until the block ends; one that broke fails the test."""
    tasks = [asyncio.create_task(task, name=name) for name, task in service.tasks.items()]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        await end(tasks, within=20)
