"""Notices by e-mail to an account's owners, where ``CHATTERY_SMTP_URL`` is set."""

import asyncio
import random
from typing import Any
from urllib.parse import urlsplit

import aiosmtplib

from libs.common import smtp
from libs.common.bus import Bus
from libs.common.calls import ACCOUNT_OWNERS, Owners
from libs.common.db import Database
from libs.common.envelope import Context
from libs.common.errors import AppError
from libs.common.telemetry import log
from services.webhooks.store import inbox, notices

TIMEOUT = 10.0  # seconds for one mail
LEASE = 600.0  # seconds; one process at a time mails, a round is shorter
FIRST_PAUSE = 60.0  # seconds before a mail is tried again; doubles
LONGEST_PAUSE = 3_600.0  # seconds


class Mail:
    """Each owner is mailed once; what the server does not take yet is tried for two days."""

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
            done = await self._mail(notice)
            async with self._db.system() as tx:
                if done:
                    await notices.mailed(tx, notice["id"])
                else:
                    pause = min(FIRST_PAUSE * 2 ** notice["mail_tries"], LONGEST_PAUSE)
                    await notices.mail_later(tx, notice["id"], pause * random.uniform(0.8, 1.2))

    async def _mail(self, notice: dict[str, Any]) -> bool:
        """To each owner once. False when somebody is to be tried again."""
        context = Context.system(notice["account_id"])
        try:
            owners = await self._bus.request(ACCOUNT_OWNERS, Owners(), context)
        except AppError as exc:
            log.warning("mail_failed", account_id=notice["account_id"], reason=exc.message)
            return exc.wire_status == 404  # an account that is gone has nobody to be told
        left = [address for address in owners.emails if address not in notice["mailed_to"]]
        return all([await self._mail_one(notice, address) for address in left])

    async def _mail_one(self, notice: dict[str, Any], address: str) -> bool:
        try:
            await self._send(address, notice["message"])
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as exc:
            log.warning("mail_failed", notice_id=notice["id"], reason=type(exc).__name__)
            if not _for_good(exc):
                return False
        else:
            log.info("notice_mailed", notice_id=notice["id"], account_id=notice["account_id"])
        async with self._db.system() as tx:
            await notices.mailed_to(tx, notice["id"], address)
        return True

    async def _send(self, to: str, text: str) -> None:
        url = self._url
        if url is None:
            return
        subject = "A webhook endpoint was disabled"
        await smtp.send(
            url, sender=self._sender, to=to, subject=subject, text=text, timeout=TIMEOUT
        )


def _for_good(exc: Exception) -> bool:
    """Whether the server refused this address or mail, rather than us or for now (RFC 5321, 4.2.1)."""
    if isinstance(exc, aiosmtplib.SMTPRecipientsRefused):
        return all(refused.code >= 500 for refused in exc.recipients)
    refusals = (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError)
    return isinstance(exc, ValueError) or (isinstance(exc, refusals) and exc.code >= 500)
