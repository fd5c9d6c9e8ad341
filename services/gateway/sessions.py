"""Sessions of the dashboard: a random token in a cookie, its hash and facts in Redis."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import redis.exceptions
from redis.asyncio import Redis

from libs.common.db import Database
from libs.common.envelope import Actor
from libs.common.errors import Unavailable
from libs.common.ids import new_id
from services.gateway.errors import SessionEnded, Suspended
from services.gateway.principal import ROLE_SCOPES, Principal
from services.gateway.secrets import fingerprint
from services.gateway.store import users as store

COOKIE = "chattery_session"
IDLE = 14 * 86_400  # seconds without a request until a session ends
LONGEST = 90 * 86_400  # seconds until it ends in any case
REFRESH = 300  # seconds between two notes of its use
MOST = 50  # of a user; the oldest end when there are more


class Session(msgspec.Struct, frozen=True):
    """As it rests in Redis; times are Unix seconds."""

    id: str
    user: str
    account: str
    created: float
    seen: float
    ip: str
    agent: str


class Sessions:
    def __init__(self, redis: "Redis", db: Database) -> None:
        self._redis: Any = redis
        self._db = db

    async def start(self, account: str, user: str, ip: str, agent: str) -> str:
        """A new session; returns its token for the cookie."""
        token = secrets.token_urlsafe(32)
        now = time.time()
        session = Session(new_id("ses"), user, account, now, now, ip, agent[:300])
        await self._save(token, session)
        return token

    async def identify(self, token: str) -> Principal:
        """Whose session this is. Raises `SessionEnded`, `Suspended`, `Unavailable`."""
        async with _away():
            found = await self._redis.get(_key(token))
        if found is None:
            raise SessionEnded
        session = msgspec.json.decode(found, type=Session)
        if time.time() - session.created > LONGEST:
            raise SessionEnded
        async with self._db.transaction(session.account) as tx:
            row = await store.with_account(tx, session.account, session.user)
        if row is None or row["status"] != "active" or row["account_status"] == "deleting":
            raise SessionEnded
        if row["account_status"] == "suspended":
            raise Suspended
        if time.time() - session.seen > REFRESH:
            await self._seen(token, msgspec.structs.replace(session, seen=time.time()))
        return Principal(
            account=row["account_id"],
            actor=Actor(kind="user", id=row["id"], name=row["name"], role=row["role"]),
            user=row["id"],
            role=row["role"],
            plan=row["plan"],
            scopes=ROLE_SCOPES[row["role"]],
            session=session.id,
        )

    async def of(self, user: str) -> list[Session]:
        """All of a user, newest first."""
        async with _away():
            keys = await self._redis.smembers(_user_key(user))
            found = await self._redis.mget(*keys) if keys else []
        sessions = [msgspec.json.decode(data, type=Session) for data in found if data]
        return sorted(sessions, key=lambda s: s.created, reverse=True)

    async def end(self, user: str, session_id: str) -> bool:
        """Whether there was such a session of this user."""
        return await self._end(user, lambda session: session.id == session_id)

    async def end_all(self, user: str, *, but: str = "") -> None:
        await self._end(user, lambda session: session.id != but)

    async def _end(self, user: str, chosen: Any) -> bool:
        async with _away():
            ended = False
            for key in await self._redis.smembers(_user_key(user)):
                data = await self._redis.get(key)
                if data is None or chosen(msgspec.json.decode(data, type=Session)):
                    await self._redis.delete(key)
                    await self._redis.srem(_user_key(user), key)
                    ended = ended or data is not None
            return ended

    async def _seen(self, token: str, session: Session) -> None:
        """Only where it is still there: one that was ended meanwhile stays so."""
        async with _away():
            if await self._redis.set(_key(token), msgspec.json.encode(session), ex=IDLE, xx=True):
                await self._redis.expire(_user_key(session.user), IDLE)

    async def _save(self, token: str, session: Session) -> None:
        async with _away():
            await self._redis.set(_key(token), msgspec.json.encode(session), ex=IDLE)
            await self._redis.sadd(_user_key(session.user), _key(token))
            await self._redis.expire(_user_key(session.user), IDLE)
            await self._trim(session.user)

    async def _trim(self, user: str) -> None:
        """Forget those that are over, and end the oldest of too many."""
        keys = list(await self._redis.smembers(_user_key(user)))
        found = zip(keys, await self._redis.mget(*keys), strict=True)
        began = {
            key: msgspec.json.decode(data, type=Session).created if data else 0.0
            for key, data in found
        }
        newest = sorted(began, key=began.__getitem__, reverse=True)
        ended = [key for n, key in enumerate(newest) if n >= MOST or not began[key]]
        if ended:
            await self._redis.delete(*ended)
            await self._redis.srem(_user_key(user), *ended)


@asynccontextmanager
async def _away() -> AsyncIterator[None]:
    try:
        yield
    except (redis.exceptions.RedisError, OSError, TimeoutError) as exc:
        raise Unavailable("Sessions are away for the moment; try again shortly.") from exc


def _key(token: str) -> str:
    return "session:" + fingerprint(token)


def _user_key(user: str) -> str:
    return f"sessions:{user}"
