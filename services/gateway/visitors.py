"""Visitor tokens: what a widget holds instead of an API key.

``vt_`` + base64url of ``{"v": secret version, "a": account, "c": chatbot, "s": visitor,
"e": expiry}`` + ``.`` + base64url of its HMAC-SHA256. Good for one visitor of one chatbot.
"""

import base64
import binascii
import hmac
import time
from datetime import UTC, datetime

import msgspec

from libs.common.envelope import Actor
from services.gateway.errors import TokenExpired
from services.gateway.principal import Principal
from services.gateway.secrets import Secrets

PREFIX = "vt_"
LIFETIME = 3_600.0  # seconds
RENEWABLE = 30 * 86_400.0  # seconds after expiry in which it still says which visitor this was


class _Claims(msgspec.Struct, frozen=True):
    v: int
    a: str
    c: str
    s: str
    e: int


class VisitorTokens:
    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def make(self, account: str, chatbot: str, visitor: str) -> tuple[str, datetime]:
        """A token and when it expires."""
        expires = int(time.time() + LIFETIME)
        claims = _Claims(self._secrets.current, account, chatbot, visitor, expires)
        body = _encode(msgspec.json.encode(claims))
        token = f"{PREFIX}{body}.{_encode(self._sign(body, claims.v))}"
        return token, datetime.fromtimestamp(expires, UTC)

    def identify(self, token: str) -> Principal:
        """Whose token this is. Raises `TokenExpired`."""
        claims = self._read(token)
        if claims is None or claims.e < time.time():
            raise TokenExpired
        actor = Actor(kind="visitor", id=claims.s, chatbot=claims.c)
        return Principal(account=claims.a, actor=actor, user=claims.s)

    def chatbot(self, token: str) -> str | None:
        """The chatbot of a genuine token, fresh or not."""
        claims = self._read(token)
        return claims.c if claims else None

    def renewable(self, token: str, chatbot: str) -> str | None:
        """The visitor of a genuine token of this chatbot that is not too old to renew."""
        claims = self._read(token)
        if claims is None or claims.c != chatbot or claims.e + RENEWABLE < time.time():
            return None
        return claims.s

    def _read(self, token: str) -> _Claims | None:
        body, dot, signature = token.removeprefix(PREFIX).partition(".")
        if not token.startswith(PREFIX) or not dot or len(token) > 2_048:
            return None
        try:
            claims = msgspec.json.decode(_decode(body), type=_Claims)
            given = _decode(signature)
        except (msgspec.MsgspecError, binascii.Error, ValueError):
            return None
        if claims.v not in self._secrets.versions:
            return None
        return claims if hmac.compare_digest(given, self._sign(body, claims.v)) else None

    def _sign(self, body: str, version: int) -> bytes:
        return self._secrets.digest("visitor-token", body, version)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
