"""Everything the gateway derives from its one secret, by purpose and version.

``CHATTERY_SECRET`` is ``1:<hex>`` or, while it is being replaced, ``1:<hex>,2:<hex>``: the
highest version makes, every version listed is still accepted.
"""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken

from libs.common.errors import AppError


class BadSecret(AppError):
    """Set CHATTERY_SECRET to `1:` and at least 32 hexadecimal digits."""

    code = "bad_secret"


class Secrets:
    """Signs and hashes; never shows what it holds."""

    def __init__(self, text: str) -> None:
        self._roots: dict[int, bytes] = {}
        for part in text.split(","):
            version, _, secret = part.strip().partition(":")
            if not version.isdecimal() or len(secret) < 32:
                raise BadSecret
            self._roots[int(version)] = secret.encode()
        self.current = max(self._roots)
        self._keys: dict[tuple[str, int], bytes] = {}  # by purpose and version
        self._fernets = {v: Fernet(self._fernet_key(v)) for v in self._roots}

    def __repr__(self) -> str:
        return f"Secrets(versions={sorted(self._roots)})"

    @property
    def versions(self) -> list[int]:
        """Newest first."""
        return sorted(self._roots, reverse=True)

    def digest(self, purpose: str, text: str | bytes, version: int | None = None) -> bytes:
        """HMAC-SHA256 of ``text`` under a key of this purpose and version."""
        key = self._key(purpose, version or self.current)
        return hmac.digest(key, _bytes(text), "sha256")

    def _key(self, purpose: str, version: int) -> bytes:
        known = self._keys.get((purpose, version))
        if known is None:
            known = hmac.digest(self._roots[version], purpose.encode(), "sha256")
            self._keys[purpose, version] = known
        return known

    def seal(self, data: bytes) -> bytes:
        """Encrypt what rests in Redis."""
        return self._fernets[self.current].encrypt(data)

    def unseal(self, sealed: bytes) -> bytes | None:
        """The data again; None when no secret we still hold sealed it."""
        for fernet in self._fernets.values():
            try:
                return fernet.decrypt(sealed)
            except InvalidToken:
                continue
        return None

    def _fernet_key(self, version: int) -> bytes:
        return base64.urlsafe_b64encode(self.digest("rest", b"", version))


def _bytes(text: str | bytes) -> bytes:
    """Headers are text that need not have been UTF-8: what was not stands as surrogates."""
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text


def fingerprint(*parts: bytes | str) -> str:
    """A hash that stands for these parts in this order."""
    made = hashlib.sha256()
    for part in parts:
        data = _bytes(part)
        made.update(len(data).to_bytes(8, "big") + data)
    return made.hexdigest()
