"""What a request carries: the documented signature, and Standard Webhooks' beside it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def documented(body: bytes, secret: str) -> str:
    """``X-Chattery-Signature``: hex HMAC-SHA256 of the raw body, keyed with the secret as shown."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def standard(id: str, timestamp: int, body: bytes, secret: str) -> str:
    """One entry of ``webhook-signature``: ``v1,<base64>``."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers(
    *, event: str, event_id: str, delivery: str, timestamp: int, body: bytes, keys: Sequence[str]
) -> dict[str, str]:
    """All headers of ours. ``keys`` is the secret and, while it is replaced, the one before."""
    made = {
        "Content-Type": "application/json",
        "User-Agent": "Chattery-Webhooks/1",
        "X-Chattery-Event": event,
        "X-Chattery-Delivery": delivery,
        "X-Chattery-Signature": documented(body, keys[0]),
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(standard(event_id, timestamp, body, key) for key in keys),
    }
    if len(keys) > 1:
        made["X-Chattery-Signature-Previous"] = documented(body, keys[1])
    return made
