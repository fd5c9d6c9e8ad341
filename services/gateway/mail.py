"""Mails with links, where ``CHATTERY_SMTP_URL`` is set."""

import asyncio
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib

from libs.common.telemetry import log

TIMEOUT = 15.0  # seconds
TRIES = 3


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
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = to
        message["Subject"] = subject
        message.set_content(text)
        task = asyncio.create_task(self._deliver(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, message: EmailMessage) -> None:
        url = self._url
        if url is None:
            return
        for attempt in range(TRIES):
            try:
                await aiosmtplib.send(
                    message,
                    hostname=url.hostname or "localhost",
                    port=url.port or (465 if url.scheme == "smtps" else 587),
                    username=unquote(url.username) if url.username else None,
                    password=unquote(url.password) if url.password else None,
                    use_tls=url.scheme == "smtps",
                    timeout=TIMEOUT,
                )
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as exc:
                log.warning("mail_failed", attempt=attempt + 1, reason=type(exc).__name__)
                await asyncio.sleep(2.0 * 4**attempt)
            else:
                log.info("mail_sent")
                return

    async def drain(self, grace: float) -> None:
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=grace)
