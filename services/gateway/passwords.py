"""Passwords: argon2id, worked out in a thread, few at a time."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from libs.common.errors import BadRequest, Unavailable

R = TypeVar("R")

SHORTEST = 10
LONGEST = 256
AT_ONCE = 2  # each takes 64 MiB and a core for a moment
WAITING = 64  # more than these are sent away rather than kept waiting for many seconds


class WeakPassword(BadRequest):
    """A password has 10 to 256 characters."""

    code = "weak_password"


class Passwords:
    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._decoy = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        if not SHORTEST <= len(password) <= LONGEST:
            raise WeakPassword(details={"field": "password"})
        return await self._work(self._hasher.hash, password)

    async def verify(self, known: str | None, password: str) -> bool:
        """Takes as long for a user that does not exist."""
        right = await self._work(self._verify, known or self._decoy, password)
        return right and known is not None

    async def _work(self, work: Callable[..., R], *args: str) -> R:
        if self._waiting >= WAITING:
            raise Unavailable("Too many logins at once; try again shortly.")
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work, *args)
        finally:
            self._waiting -= 1

    def is_outdated(self, known: str) -> bool:
        return self._hasher.check_needs_rehash(known)

    def _verify(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password[: LONGEST + 1])
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False
