"""Puts every secret under the newest key, so that older ones may leave the keyring."""

import asyncio

from libs.common.db import Database
from libs.common.errors import AppError
from libs.common.keyring import Keyring
from libs.common.telemetry import log
from services.webhooks import private
from services.webhooks.store import upkeep


class Resealing:
    def __init__(self, db: Database, keyring: Keyring) -> None:
        self._db = db
        self._keyring = keyring

    async def run(self) -> int:
        """All of them, a page at a time. How many could not be opened, and stay as they are."""
        after, done, broken = "", 0, 0
        while True:
            async with self._db.system() as tx:
                rows = await upkeep.sealed(tx, after)
                for row in rows:
                    sealed = [bytes(secret) for secret in (row["secret"], *row["previous_secrets"])]
                    if all(self._keyring.is_current(secret) for secret in sealed) and (
                        private.is_current(self._keyring, row["headers"])
                    ):
                        continue
                    try:
                        secret, *previous = [self._again(one, row["id"]) for one in sealed]
                        opened = private.unseal(self._keyring, row["headers"], row["id"])
                    except AppError as exc:
                        log.error("secret_not_resealed", endpoint_id=row["id"], reason=exc.message)
                        broken += 1
                        continue
                    headers = private.seal(self._keyring, opened, row["id"])
                    await upkeep.reseal(tx, row["id"], secret, previous, headers)
                    done += 1
            if not rows:
                log.info("secrets_resealed", count=done, broken=broken, key=self._keyring.current)
                return broken
            after = rows[-1]["id"]

    def _again(self, sealed: bytes, owner: str) -> bytes:
        return self._keyring.seal(self._keyring.open(sealed, owner), owner)

    async def at_start(self) -> None:
        """After a start, for a keyring that got a new key; then rest."""
        try:
            await self.run()
        except AppError as exc:
            log.error("secrets_not_resealed", reason=str(exc))
        await asyncio.Event().wait()
