"""Notices by e-mail to an account's owners, where ``CHATTERY_SMTP_URL`` is set."""

import asyncio
import random
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib

from libs.common.bus import Bus
from libs.common.calls import ACCOUNT_OWNERS, Owners
from libs.common.db import Database
from libs.common.envelope import Context
from libs.common.errors import AppError
from libs.common.telemetry import log
from services.webhooks.store import inbox, notices

TIMEOUT = 10.0  # seconds for one mail
LEASE = 300.0  # seconds; one process at a time mails


class Mail:
    """A notice is mailed once it was accepted by the server; until then it is tried for two days."""

    def __init__(
        self, db: Database, bus: Bus, *, owner: str, url: str | None, sender: str, every: float
    ) -> None:
        self._db = db
        self._bus = bus
        self._owner = owner
        self._url = urlsplit(url) if url else None
        self._sender = sender
        self._every = every

    async def run(self) -> None:
        """Mail what was not mailed, until cancelled."""
        while True:
            await asyncio.sleep(self._every * random.uniform(0.8, 1.2))
            if self._url is None:
                continue
            try:
                await self._round()
            except (AppError, TimeoutError) as exc:
                log.warning("notices_wait", reason=str(exc))

    async def _round(self) -> None:
        async with self._db.system() as tx:
            if not await inbox.hold(tx, "mail", self._owner, LEASE):
                return
            waiting = await notices.unmailed(tx)
        for notice in waiting:
            if await self._mail(notice["account_id"], notice["message"]):
                async with self._db.system() as tx:
                    await notices.mailed(tx, [notice["id"]])

    async def _mail(self, account: str, text: str) -> bool:
        owners = await self._bus.request(ACCOUNT_OWNERS, Owners(), Context.system(account))
        try:
            for address in owners.emails:
                await self._send(address, text)
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as exc:
            log.warning("mail_failed", reason=type(exc).__name__)
            return False
        log.info("notice_mailed", account_id=account, count=len(owners.emails))
        return True

    async def _send(self, to: str, text: str) -> None:
        url = self._url
        if url is None:
            return
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = to
        message["Subject"] = "A webhook endpoint was disabled"
        message.set_content(text)
        await aiosmtplib.send(
            message,
            hostname=url.hostname or "localhost",
            port=url.port or (465 if url.scheme == "smtps" else 587),
            username=unquote(url.username) if url.username else None,
            password=unquote(url.password) if url.password else None,
            use_tls=url.scheme == "smtps",
            timeout=TIMEOUT,
        )
