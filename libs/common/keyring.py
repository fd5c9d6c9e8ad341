"""Secrets at rest: AES-256-GCM (NIST SP 800-38D) under keys that can be replaced.

``CHATTERY_KEYRING`` is ``"1:<base64 of 32 bytes>,2:<…>"``. The highest number seals; all of them
open. What is sealed begins with its key's number, so that it can be sealed anew under a newer
key, after which the old one may go. A number followed by ``~`` only opens, so that a new key can
reach every process before the first one seals with it.
"""

import base64
import binascii
import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.common.errors import AppError

NONCE = 12  # bytes
KEY = 32  # bytes
_NUMBER = struct.Struct(">I")


class BadKeyring(AppError):
    """CHATTERY_KEYRING must be numbered 32-byte keys in base64, such as `1:<base64>,2:<base64>`."""

    code = "bad_keyring"


class SealBroken(AppError):
    """A secret can't be opened: its key is not in CHATTERY_KEYRING, or it was changed."""

    code = "seal_broken"


class Keyring:
    def __init__(self, keys: dict[int, bytes], only_open: frozenset[int] = frozenset()) -> None:
        seal = keys.keys() - only_open
        if not seal or any(len(key) != KEY for key in keys.values()):
            raise BadKeyring
        self._keys = {number: AESGCM(key) for number, key in keys.items()}
        self.current = max(seal)

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """Raises `BadKeyring`."""
        keys: dict[int, bytes] = {}
        only_open: set[int] = set()
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, key = part.partition(":")
            try:
                number = int(name.removesuffix("~"))
                found = base64.b64decode(key, validate=True)
            except (ValueError, binascii.Error) as exc:
                raise BadKeyring from exc
            if number in keys or not 0 < number < 1 << 32:
                raise BadKeyring
            keys[number] = found
            if name.endswith("~"):
                only_open.add(number)
        return cls(keys, frozenset(only_open))

    def seal(self, secret: str, owner: str) -> bytes:
        """Encrypted; it opens only for the same ``owner``, the id of what it belongs to."""
        nonce = os.urandom(NONCE)
        sealed = self._keys[self.current].encrypt(nonce, secret.encode(), owner.encode())
        return _NUMBER.pack(self.current) + nonce + sealed

    def open(self, sealed: bytes, owner: str) -> str:
        """Raises `SealBroken`."""
        if len(sealed) <= _NUMBER.size + NONCE:
            raise SealBroken
        (number,) = _NUMBER.unpack_from(sealed)
        nonce, body = sealed[4 : 4 + NONCE], sealed[4 + NONCE :]
        key = self._keys.get(number)
        if key is None:
            raise SealBroken
        try:
            return key.decrypt(nonce, body, owner.encode()).decode()
        except InvalidTag as exc:
            raise SealBroken from exc

    def is_current(self, sealed: bytes) -> bool:
        return sealed[: _NUMBER.size] == _NUMBER.pack(self.current)
