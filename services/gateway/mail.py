"""Mails with links, where ``CHATTERY_SMTP_URL`` is set."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlsplit

import aiosmtplib

from libs.common import smtp
from libs.common.errors import AppError
from libs.common.telemetry import log

TIMEOUT = 15.0  # seconds
TRIES = 3
FIRST_PAUSE = 2.0  # seconds before the second try; four times that before the third
MOST_WAITING = 500  # mails under way at once


class Mail:
    """Sends in the background; who asked does not wait, and does not learn who has an account."""

    def __init__(self, url: str | None, sender: str) -> None:
        self._url = urlsplit(url) if url else None
        self._sender = sender
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def enabled(self) -> bool:
        return self._url is not None

    def send(self, to: str, subject: str, text: str) -> None:
        self.later(self._deliver(to, subject, text))

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """What leads to a mail, in the background; a bound keeps a flood from piling up."""
        if len(self._tasks) >= MOST_WAITING:
            work.close()
            log.warning("mail_dropped", waiting=len(self._tasks))
            return
        task = asyncio.create_task(self._quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except AppError as exc:
            log.warning("mail_not_made", reason=exc.message)
        except Exception as exc:
            log.error("mail_crashed", exc_info=exc)

    async def _deliver(self, to: str, subject: str, text: str) -> None:
        url = self._url
        if url is None:
            return
        for attempt in range(TRIES):
            try:
                await smtp.send(
                    url, sender=self._sender, to=to, subject=subject, text=text, timeout=TIMEOUT
                )
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as exc:
                log.warning("mail_failed", attempt=attempt + 1, reason=type(exc).__name__)
                if attempt + 1 < TRIES:
                    await asyncio.sleep(FIRST_PAUSE * 4**attempt * random.uniform(0.75, 1.25))
            else:
                log.info("mail_sent")
                return
        log.error("mail_given_up", tries=TRIES)

    async def drain(self, grace: float) -> None:
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=grace)
