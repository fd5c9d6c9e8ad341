"""A crawler's manners: never more than some requests to a host at once, and a pause between."""

import asyncio
import time

from services.ingest.crawl.manners import AT_ONCE, Manners
from services.ingest.crawl.robots import LONGEST_DELAY, Robots

DELAY = 0.05  # seconds


async def test_a_host_is_asked_a_few_times_at_once_and_others_meanwhile() -> None:
    manners, inside, most = Manners(0.0), 0, 0
    gate = asyncio.Event()

    async def ask(url: str) -> None:
        nonlocal inside, most
        async with manners.turn(url):
            inside += 1
            most = max(most, inside)
            await gate.wait()
            inside -= 1

    asking = [asyncio.create_task(ask(f"https://a.example/{n}")) for n in range(3 * AT_ONCE)]
    await asyncio.sleep(0.05)
    assert most == AT_ONCE
    asking.append(asyncio.create_task(ask("https://b.example/")))
    await asyncio.sleep(0.05)
    assert most == AT_ONCE + 1
    gate.set()
    await asyncio.gather(*asking)


async def test_two_requests_to_a_host_are_as_far_apart_as_it_asks() -> None:
    robots = Robots(f"User-agent: *\nCrawl-delay: {DELAY}\n")
    assert robots.delay == DELAY
    manners, begun = Manners(0.0), []

    async def ask() -> None:
        async with manners.turn("https://a.example/", robots.delay):
            begun.append(time.monotonic())

    start = time.monotonic()
    await asyncio.gather(*(ask() for _ in range(4)))
    assert all(at - start >= 0.99 * n * DELAY for n, at in enumerate(begun))
    assert Robots("User-agent: *\nCrawl-delay: 86400\n").delay == LONGEST_DELAY
