"""CORS for the widget: which sites may call, per chatbot, from the chat service, remembered.

This is asked before anybody has shown credentials. So an address may only have so many chatbots
looked up, and made-up ids don't push out what is known.
"""

import time
from collections import OrderedDict
from urllib.parse import urlsplit

from libs.common.bus import Bus
from libs.common.calls import WIDGET_ORIGINS, ById, WidgetOrigins
from libs.common.envelope import Context
from libs.common.errors import AppError, NotFound, RateLimited
from libs.common.limits import Policy
from services.gateway.clientip import counted
from services.gateway.locallimits import LocalLimits

TRUSTED_FOR = 10.0  # seconds
UNKNOWN_FOR = 2.0  # seconds
REMEMBERED = 5_000  # chatbots
LOOKUPS = Policy(limit=120, window=60, scope="ip")

ALLOW_HEADERS = "authorization, content-type, idempotency-key, last-event-id, traceparent"
EXPOSE_HEADERS = (
    "x-conversation-id, x-answer-id, x-request-id, retry-after, ratelimit, ratelimit-policy"
)


class Origins:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: OrderedDict[str, tuple[float, WidgetOrigins]] = OrderedDict()
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._lookups = LocalLimits()

    async def may_call(self, chatbot: str, origin: str, ip: str) -> bool:
        """Whether pages of this origin may talk to this chatbot; that there is none is told later.

        Raises `RateLimited` when this address asks about too many.
        """
        found = await self._of(chatbot, ip)
        return found is None or (found.enabled and matches(origin, found.allowed_origins))

    async def _of(self, chatbot: str, ip: str) -> WidgetOrigins | None:
        """What a chatbot allows; None when there is no such chatbot.

        What was known holds on while the chat service is away.
        """
        now = time.monotonic()
        until, known = self._known.get(chatbot, (0.0, None))
        if until > now:
            return known
        if self._unknown.get(chatbot, 0.0) > now:
            return None
        self._count(counted(ip))
        try:
            found = await self._bus.request(
                WIDGET_ORIGINS, ById(id=chatbot), Context.system(), timeout=5.0
            )
        except AppError as exc:
            if exc.wire_status != NotFound.status:
                if known is not None:
                    return known
                raise
            found = None
        self._remember(chatbot, found, now)
        return found

    def _count(self, ip: str) -> None:
        wait = self._lookups.wait("origins", ip, LOOKUPS)
        if wait > 0:
            raise RateLimited(retry_after=wait)
        self._lookups.add("origins", ip, LOOKUPS)

    def _remember(self, chatbot: str, found: WidgetOrigins | None, now: float) -> None:
        if found is None:
            self._known.pop(chatbot, None)
            self._unknown[chatbot] = now + UNKNOWN_FOR
            if len(self._unknown) > REMEMBERED:
                self._unknown.popitem(last=False)
            return
        self._known[chatbot] = (now + TRUSTED_FOR, found)
        self._known.move_to_end(chatbot)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def matches(origin: str, allowed: list[str]) -> bool:
    """An empty list allows any. ``https://*.example.com`` allows every subdomain; an entry
    without a scheme allows both."""
    if not allowed:
        return True
    scheme, host = _parts(origin)
    for entry in allowed:
        want_scheme, want_host = _parts(entry)
        if want_scheme and want_scheme != scheme:
            continue
        if want_host == host or entry == "*":
            return True
        if want_host.startswith("*.") and host.endswith(want_host[1:]):
            return True
    return False


def _parts(origin: str) -> tuple[str, str]:
    text = origin.strip().lower().rstrip("/")
    if "://" not in text:
        return "", text
    parts = urlsplit(text)
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return parts.scheme, parts.netloc.removesuffix(default)


def allowing(origin: str) -> dict[str, str]:
    """Headers that let a page of ``origin`` read the answer."""
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": EXPOSE_HEADERS,
        "Cross-Origin-Resource-Policy": "cross-origin",
    }


def preflight(origin: str, methods: list[str]) -> dict[str, str]:
    return allowing(origin) | {
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Allow-Headers": ALLOW_HEADERS,
        "Access-Control-Max-Age": "600",
    }
