"""Passwords: argon2id, worked out in a thread, few at a time."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from libs.common.errors import BadRequest

SHORTEST = 10
LONGEST = 256
AT_ONCE = 2  # each takes 64 MiB and a core for a moment


class WeakPassword(BadRequest):
    """A password has 10 to 256 characters."""

    code = "weak_password"


class Passwords:
    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._decoy = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        if not SHORTEST <= len(password) <= LONGEST:
            raise WeakPassword(details={"field": "password"})
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, known: str | None, password: str) -> bool:
        """Takes as long for a user that does not exist."""
        async with self._slots:
            right = await asyncio.to_thread(self._verify, known or self._decoy, password)
        return right and known is not None

    def is_outdated(self, known: str) -> bool:
        return self._hasher.check_needs_rehash(known)

    def _verify(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password[: LONGEST + 1])
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False
