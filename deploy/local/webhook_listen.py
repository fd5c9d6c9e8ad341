"""``make webhook-listen``: a receiver for trying webhooks on this machine.

Prints each event, verifies both signatures, and answers as told. Without ``--secret`` it adds
itself as an endpoint to the stack of ``make run`` and removes itself at the end.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from rich.console import Console
from standardwebhooks import Webhook, WebhookVerificationError

HANG = 60.0  # seconds; longer than a delivery waits
LARGEST = 1 << 20  # bytes of a request


class CannotListen(Exception):
    """It can't be started, and why."""


def verify(headers: Any, body: bytes, secret: str) -> list[str]:
    """What is wrong with a request; empty when both signatures hold and it is fresh."""
    wrong: list[str] = []
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    given = [
        headers.get(name, "") for name in ("X-Chattery-Signature", "X-Chattery-Signature-Previous")
    ]
    if not any(hmac.compare_digest(expected.encode(), one.encode()) for one in given):
        wrong.append("X-Chattery-Signature does not match")
    try:
        Webhook(secret).verify(body, dict(headers))
    except WebhookVerificationError as exc:
        wrong.append(f"webhook-signature: {exc}")
    return wrong


class Listener:
    def __init__(self, answers: list[str], delay: float, retry_after: str | None) -> None:
        self.secret = ""
        self._answers = _forever(answers)
        self._delay = delay
        self._retry_after = retry_after
        self._times: Counter[str] = Counter()
        self._console = Console(highlight=False)

    def say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self._show(request, body)
        answer = next(self._answers)
        self.say(f"  [dim]answered[/] {answer}\n")
        await asyncio.sleep(HANG if answer == "hang" else self._delay)
        if answer in ("drop", "hang"):
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        headers = {"Retry-After": self._retry_after} if self._retry_after else {}
        return web.Response(status=int(answer), headers=headers)

    def _show(self, request: web.Request, body: bytes) -> None:
        id = request.headers.get("webhook-id", "?")
        self._times[id] += 1
        again = f" [yellow](time {self._times[id]})[/]" if self._times[id] > 1 else ""
        event = request.headers.get("X-Chattery-Event", "?")
        self.say(f"[bold]{event}[/] [dim]{id}[/]{again}")
        wrong = verify(request.headers, body, self.secret)
        self.say("  [green]✓ verified[/]" if not wrong else f"  [red]✗ {'; '.join(wrong)}[/]")
        try:
            self._console.print_json(body.decode(), indent=2)
        except ValueError:
            self.say(f"  [red]not JSON:[/] {body[:200]!r}")


def _forever(answers: list[str]) -> Iterator[str]:
    yield from answers
    while True:
        yield answers[-1]


@asynccontextmanager
async def registered(url: str, events: list[str] | None) -> AsyncGenerator[str]:
    """The listener as an endpoint of the running stack, for the length of the block; its secret."""
    dev = Path(os.environ.get("CHATTERY_DATA") or ".chattery") / "dev.json"
    if not dev.exists():
        raise CannotListen("No stack is running here: start `make run`, or give --secret.")
    stack = json.loads(dev.read_text())
    headers = {"Authorization": f"Bearer {stack['apiKey']}"}
    wanted = {"url": url, "description": "make webhook-listen", "events": events}
    async with aiohttp.ClientSession(stack["baseUrl"], headers=headers) as client:
        async with client.post(
            "/api/webhooks", json={k: v for k, v in wanted.items() if v}
        ) as reply:
            made = await reply.json()
        if reply.status != 201:
            raise CannotListen(f"The stack refused: {made['error']['message']}")
        try:
            yield made["secret"]
        finally:
            (await client.delete(f"/api/webhooks/{made['id']}")).release()


async def listen(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    listener = Listener(options.answer, options.delay, options.retry_after)
    app = web.Application(client_max_size=LARGEST)
    app.router.add_post("/{path:.*}", listener.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", options.port).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        listener.say(f"Listening on [bold]{url}[/]; Ctrl-C ends it")
        if options.secret:
            listener.secret = options.secret
            await stop.wait()
            return
        async with registered(url, options.events) as listener.secret:
            listener.say("Added to the running stack as an endpoint; try it: make demo\n")
            await stop.wait()
    finally:
        await runner.cleanup()


def _answer(text: str) -> list[str]:
    answers = [part.strip() for part in text.split(",")]
    for one in answers:
        if one not in ("hang", "drop") and not (one.isdecimal() and 200 <= int(one) <= 599):
            raise argparse.ArgumentTypeError(f"{one!r} is not a status (200-599), hang or drop")
    return answers


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make webhook-listen", description=__doc__)
    parser.add_argument("--port", type=int, default=9000, help="0 picks a free one")
    parser.add_argument("--secret", help="whsec_…: verify with it, and add no endpoint")
    parser.add_argument("--events", type=lambda text: text.split(","), help="only these, by comma")
    parser.add_argument(
        "--answer",
        type=_answer,
        default=["200"],
        help="what to answer, one after the other, the last for ever: 500,hang,drop,200",
    )
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before an answer")
    parser.add_argument("--retry-after", help="sent as Retry-After")
    return parser.parse_args(argv)


def main() -> int:
    options = _options(sys.argv[1:])
    try:
        asyncio.run(listen(options))
    except (CannotListen, OSError, aiohttp.ClientError) as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
