"""``Idempotency-Key`` (draft-ietf-httpapi-idempotency-key-header): a POST repeated has one effect.

A record in Redis by account, client and key holds the fingerprint of the request and, once there is one,
its answer, sealed. The same request gets the same answer for 24 hours; another request under
the key gets 422; a repeat while the first is being worked on gets 409.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import redis.exceptions
from redis.asyncio import Redis

from libs.common.errors import BadRequest, IdempotencyMismatch, Unavailable
from services.gateway.errors import InFlight
from services.gateway.secrets import Secrets, fingerprint

KEPT = 86_400  # seconds an answer is replayed
LEASE = 120  # seconds after which a request that never ended is forgotten
LONGEST = 255  # characters of a key
LARGEST = 1 << 20  # bytes of an answer that is kept
_PREFIX = "idempotency:"


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes = b""
    answer_id: str = ""  # of a streamed answer, which is resumed rather than replayed
    headers: list[tuple[str, str]] = []


class _Record(msgspec.Struct, frozen=True):
    request: str
    answer: Answer | None = None


class Idempotency:
    def __init__(self, redis: "Redis", secrets: Secrets) -> None:
        self._redis: Any = redis
        self._secrets = secrets

    async def begin(self, client: str, key: str, request: str) -> Answer | None:
        """None when this is the first; the kept answer when it is a repeat.

        Raises `InFlight`, `IdempotencyMismatch`, `BadRequest` (the key itself) or
        `Unavailable`: without the record nobody could promise one effect.
        """
        if not 0 < len(key) <= LONGEST or not (key.isascii() and key.isprintable()):
            raise BadRequest(
                f"An Idempotency-Key has 1 to {LONGEST} printable ASCII characters.",
                details={"field": "Idempotency-Key"},
            )
        name = _name(client, key)
        async with _away():
            fresh = await self._redis.set(name, self._seal(_Record(request)), nx=True, ex=LEASE)
            if fresh:
                return None
            found = await self._redis.get(name)
        record = self._unseal(found)
        if record is None:
            raise InFlight(retry_after=1)
        if record.request != request:
            raise IdempotencyMismatch
        if record.answer is None:
            raise InFlight(retry_after=1)
        return record.answer

    async def finish(self, client: str, key: str, request: str, answer: Answer) -> None:
        """Keep the answer. Errors of ours are not kept: the repeat may do better."""
        if len(answer.body) > LARGEST:
            answer = msgspec.structs.replace(answer, body=b"")
        async with _away():
            await self._redis.set(_name(client, key), self._seal(_Record(request, answer)), ex=KEPT)

    async def forget(self, client: str, key: str) -> None:
        async with _away():
            await self._redis.delete(_name(client, key))

    async def forget_account(self, account: str) -> None:
        """All of an account, whoever of it sent them."""
        async with _away():
            async for name in self._redis.scan_iter(match=f"{_PREFIX}{account}:*", count=1_000):
                await self._redis.delete(name)

    def _seal(self, record: _Record) -> bytes:
        return self._secrets.seal(msgspec.msgpack.encode(record))

    def _unseal(self, data: bytes | None) -> _Record | None:
        opened = self._secrets.unseal(data) if data else None
        return msgspec.msgpack.decode(opened, type=_Record) if opened else None


def _name(client: str, key: str) -> str:
    account = client.partition("/")[0]
    return f"{_PREFIX}{account}:{fingerprint(client, key)}"


@asynccontextmanager
async def _away() -> AsyncIterator[None]:
    try:
        yield
    except (redis.exceptions.RedisError, OSError, TimeoutError) as exc:
        raise Unavailable(
            "Idempotency keys can't be kept at the moment; try again shortly."
        ) from exc
