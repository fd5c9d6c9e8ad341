"""The plan and state of accounts, remembered for a short while: for visitors, who carry neither."""

import time
from collections import OrderedDict

import msgspec

from libs.common.db import Database
from services.gateway.errors import Suspended, TokenExpired
from services.gateway.store import accounts as store

TRUSTED_FOR = 30.0  # seconds
REMEMBERED = 10_000  # accounts


class Tenant(msgspec.Struct, frozen=True):
    plan: str
    status: str
    until: float  # monotonic


class Tenants:
    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: OrderedDict[str, Tenant] = OrderedDict()

    async def plan_of(self, account: str) -> str:
        """Raises `Suspended`, or `TokenExpired` when the account is gone."""
        tenant = self._known.get(account)
        if tenant is None or tenant.until < time.monotonic():
            tenant = await self._look_up(account)
        if tenant.status == "suspended":
            raise Suspended
        if tenant.status != "active":
            raise TokenExpired
        return tenant.plan

    async def _look_up(self, account: str) -> Tenant:
        async with self._db.transaction(account) as tx:
            row = await store.get(tx, account)
        until = time.monotonic() + TRUSTED_FOR
        tenant = Tenant(row["plan"], row["status"], until) if row else Tenant("", "gone", until)
        self._known[account] = tenant
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return tenant

    def forget(self, account: str) -> None:
        self._known.pop(account, None)
