"""API keys: who a key belongs to, found by the HMAC of the key, remembered for a short while."""

import asyncio
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from nats.aio.msg import Msg

from libs.common.apikeys import SHOWN, is_key, new_key
from libs.common.bus import Bus
from libs.common.db import Database
from libs.common.envelope import Actor
from libs.common.errors import AppError
from libs.common.ids import new_id
from libs.common.telemetry import log
from services.gateway.errors import KeyRevoked, PlanLacksApi, Suspended
from services.gateway.plans import Plans
from services.gateway.principal import ROLE_SCOPES, Principal
from services.gateway.secrets import Secrets
from services.gateway.store import keys as store
from services.gateway.tenants import Tenants

TRUSTED_FOR = 30.0  # seconds a key is believed without looking again
REMEMBERED = 10_000  # keys
NOTE_USE_EVERY = 15.0  # seconds
REVOKED = "gateway.keys.revoked"  # tells every replica to look again


class Revocation(msgspec.Struct, frozen=True, omit_defaults=True):
    """What must not be believed any longer: a key, a user's keys, or all of an account."""

    key: str = ""
    user: str = ""
    account: str = ""

    def covers(self, principal: Principal) -> bool:
        return bool(
            (self.key and principal.actor.id == self.key)
            or (self.user and principal.user == self.user)
            or (self.account and principal.account == self.account)
        )


class _Known(msgspec.Struct, frozen=True):
    principal: Principal
    until: float  # monotonic
    expires: float | None  # Unix time


class Keys:
    def __init__(
        self, db: Database, bus: Bus, secrets: Secrets, plans: Plans, tenants: Tenants
    ) -> None:
        self._db = db
        self._bus = bus
        self._secrets = secrets
        self._plans = plans
        self._tenants = tenants
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._used: dict[str, datetime] = {}
        self._forgotten = 0  # times something was revoked
        self.heard: list[Callable[[Revocation], None]] = []  # told of each, here and elsewhere

    def remembers(self, key: str) -> bool:
        """Whether it is believed without a look."""
        known = self._known.get(self._secrets.digest("api-key", key))
        return known is not None and known.until >= time.monotonic()

    async def identify(self, key: str) -> Principal:
        """Whose key this is. Raises `KeyRevoked`, `PlanLacksApi`, `Suspended`."""
        if not is_key(key):
            raise KeyRevoked
        digest = self._secrets.digest("api-key", key)
        known = self._known.get(digest)
        now = time.monotonic()
        if known is None or known.until < now:
            known = await self._look_up(key, digest, now)
        if known.expires is not None and known.expires <= time.time():
            raise KeyRevoked
        self._used[known.principal.actor.id] = datetime.now(UTC)
        return known.principal

    async def _look_up(self, key: str, digest: bytes, now: float) -> _Known:
        digests = [self._secrets.digest("api-key", key, v) for v in self._secrets.versions]
        forgotten = self._forgotten
        async with self._db.system() as tx:
            row = await store.by_digest(tx, digests)
        if row is None or not any(hmac.compare_digest(bytes(row["digest"]), d) for d in digests):
            self._known.pop(digest, None)
            raise KeyRevoked
        known = _Known(self._judge(row), now + TRUSTED_FOR, _unix(row["expires_at"]))
        if forgotten == self._forgotten:  # else what was read may be what was revoked
            self._known[digest] = known
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return known

    def _judge(self, row: dict[str, Any]) -> Principal:
        if row["account_status"] == "suspended":
            raise Suspended
        if row["account_status"] != "active" or row["user_status"] == "disabled":
            raise KeyRevoked
        if not self._plans.of(row["plan"]).api_access:
            raise PlanLacksApi
        scopes = _granted(row["scopes"], row["role"])
        return Principal(
            account=row["account_id"],
            actor=Actor(kind="key", id=row["id"], name=row["user_name"], scopes=scopes),
            user=row["user_id"],
            role=row["role"],
            plan=row["plan"],
            scopes=frozenset(scopes),
        )

    # -- making and revoking -----------------------------------------------------------------

    def mint(self, *, test: bool) -> str:
        return new_key(test=test)

    def digest(self, key: str) -> bytes:
        return self._secrets.digest("api-key", key)

    async def insert(
        self,
        tx: Any,
        account: str,
        user: str,
        key: str,
        *,
        name: str,
        scopes: list[str],
        test: bool = False,
        expires_at: datetime | None = None,
    ) -> dict[str, Any] | None:
        """Store a key; None when it is stored already."""
        return await store.insert(
            tx,
            account,
            new_id("key"),
            user=user,
            name=name,
            prefix=key[:SHOWN],
            digest=self.digest(key),
            pepper=self._secrets.current,
            scopes=scopes,
            test=test,
            expires_at=expires_at,
        )

    async def revoked(self, revocation: Revocation) -> None:
        """Forget here at once and tell the other replicas."""
        self.forget(revocation)
        try:
            await self._bus.publish(REVOKED, msgspec.json.encode(revocation))
        except AppError:
            log.warning("revocation_not_broadcast", within_seconds=TRUSTED_FOR)

    def forget(self, revocation: Revocation) -> None:
        self._forgotten += 1
        if revocation.account:
            self._tenants.forget(revocation.account)

        for digest, known in list(self._known.items()):
            if revocation.covers(known.principal):
                del self._known[digest]
        for tell in self.heard:
            tell(revocation)

    # -- in the background -------------------------------------------------------------------

    async def listen(self) -> None:
        """Forget what other replicas revoked, until cancelled."""

        async def heard(message: Msg) -> None:
            try:
                self.forget(msgspec.json.decode(message.data, type=Revocation))
            except msgspec.MsgspecError:
                self._forget_all()

        await self._bus.client.subscribe(REVOKED, cb=heard)
        while True:
            reconnects = self._bus.client.stats["reconnects"]
            await asyncio.sleep(1)
            if self._bus.client.stats["reconnects"] != reconnects:
                self._forget_all()  # what was said meanwhile was not heard

    def _forget_all(self) -> None:
        self._forgotten += 1
        self._known.clear()

    async def note_use(self) -> None:
        """Write down when keys were last used, every so often, until cancelled."""
        while True:
            await asyncio.sleep(NOTE_USE_EVERY)
            seen, self._used = self._used, {}
            if not seen:
                continue
            try:
                async with self._db.system() as tx:
                    await store.used(tx, seen)
            except AppError as exc:
                log.warning("key_use_not_noted", reason=exc.message)


def _granted(scopes: list[str], role: str) -> tuple[str, ...]:
    """A key may no more than whose it is may by now."""
    allowed = ROLE_SCOPES[role]
    if "admin" in allowed:
        return tuple(scopes)
    return tuple(s for s in sorted(allowed) if s in scopes or "admin" in scopes)


def _unix(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
