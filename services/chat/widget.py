"""Who a visitor is: believed from a token, proven by the owner's server, or made new."""

import hashlib
import hmac
from urllib.parse import urlsplit

import jwt

from libs.common.calls import Chatbot, OpenWidget
from services.chat.errors import IdentityInvalid, OriginRefused, WidgetDisabled

JWT_LEEWAY = 60  # seconds two clocks may differ


def check_origin(chatbot: Chatbot, origin: str | None) -> None:
    """Raises `WidgetDisabled` or `OriginRefused`."""
    if not chatbot.widget.enabled:
        raise WidgetDisabled
    if not origin_allowed(chatbot.widget.allowed_origins, origin):
        raise OriginRefused


def origin_allowed(allowed: list[str], origin: str | None) -> bool:
    """Any when the list is empty; ``https://*.example.com`` stands for its subdomains."""
    if not allowed:
        return True
    if not origin or origin == "null":
        return False
    return any(_matches(pattern.rstrip("/").lower(), origin.lower()) for pattern in allowed)


def _matches(pattern: str, origin: str) -> bool:
    if "://" not in pattern:  # a host alone: either scheme
        pattern = f"{urlsplit(origin).scheme}://{pattern}"
    if "*." not in pattern:
        return pattern == origin
    scheme, _, suffix = pattern.partition("*")
    return origin.startswith(scheme) and origin.endswith(suffix) and len(origin) > len(pattern) - 1


def proven_user(request: OpenWidget, secret: str) -> str | None:
    """The user id that the owner's server vouches for; None when nothing was claimed.

    Hex HMAC-SHA256 of the user id, or a JWT signed with HS256 whose ``sub`` is the user id and
    which has an ``exp``. Raises `IdentityInvalid` for a claim without a valid proof.
    """
    if request.jwt is not None:
        return _from_jwt(request.jwt, secret)
    if request.user_id is None:
        return None
    expected = hmac.new(secret.encode(), request.user_id.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, (request.user_hash or "").lower()):
        raise IdentityInvalid
    return request.user_id


def _from_jwt(token: str, secret: str) -> str:
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            leeway=JWT_LEEWAY,
            options={"require": ["exp", "sub"]},
        )
    except jwt.PyJWTError as exc:
        raise IdentityInvalid from exc
    return str(claims["sub"])
