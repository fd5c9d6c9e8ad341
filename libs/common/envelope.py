"""What travels beside every message on the bus: who, for whom, until when, as part of what."""

import time
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote, unquote

import msgspec

from libs.common.ids import new_id

Q = TypeVar("Q")
R = TypeVar("R")

ANY_ACCOUNT = "*"  # work of the platform itself, across accounts


class Endpoint(msgspec.Struct, Generic[Q, R], frozen=True):
    """A subject on the bus with the shapes of its request and its reply."""

    subject: str
    request: type[Q]
    reply: type[R]

    @property
    def service(self) -> str:
        return self.subject.partition(".")[0]

    @property
    def name(self) -> str:
        return self.subject.replace(".", "-")


class Actor(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who acts: an API key, a logged-in user, a visitor of a site, the operator, or ourselves."""

    kind: Literal["key", "user", "visitor", "operator", "system"]
    id: str = ""
    name: str = ""  # shown to visitors as the author of a reply
    role: Literal["owner", "admin", "agent", ""] = ""  # of a user
    scopes: tuple[str, ...] = ()  # of a key
    chatbot: str = ""  # of a visitor: the one chatbot its token is for

    @property
    def is_visitor(self) -> bool:
        return self.kind == "visitor"


SYSTEM = Actor(kind="system")

_encode = msgspec.json.Encoder().encode
_decode_actor = msgspec.json.Decoder(Actor).decode
_ASCII = "".join(chr(code) for code in range(33, 127) if chr(code) != "%")


class Context(msgspec.Struct, frozen=True):
    """The circumstances of one request.

    ``deadline`` is a Unix time in seconds after which nobody waits for the answer any more;
    ``traceparent`` is W3C Trace Context.
    """

    account: str
    actor: Actor = SYSTEM
    request_id: str = ""
    deadline: float = 0.0
    traceparent: str = ""
    ip: str = ""  # of the client, as the gateway decided it
    once: str = ""  # the same for a request that its caller sends again; see Idempotency-Key

    def headers(self) -> dict[str, str]:
        headers = {
            "Chattery-Account": self.account,
            "Chattery-Actor": quote(_encode(self.actor).decode(), safe=_ASCII),
            "Chattery-Request-Id": self.request_id or new_id("req"),
            "Chattery-Deadline": f"{self.deadline:.3f}",
        }
        if self.traceparent:
            headers["traceparent"] = self.traceparent
        if self.ip:
            headers["Chattery-Ip"] = self.ip
        if self.once:
            headers["Chattery-Once"] = self.once
        return headers

    @classmethod
    def of(cls, headers: dict[str, Any] | None) -> "Context":
        """Read it back. A message without these headers acts for nobody."""
        found = headers or {}
        actor = found.get("Chattery-Actor")
        return cls(
            account=found.get("Chattery-Account", ""),
            actor=_decode_actor(unquote(actor)) if actor else SYSTEM,
            request_id=found.get("Chattery-Request-Id", ""),
            deadline=float(found.get("Chattery-Deadline") or 0),
            traceparent=found.get("traceparent", ""),
            ip=found.get("Chattery-Ip", ""),
            once=found.get("Chattery-Once", ""),
        )

    @classmethod
    def system(cls, account: str = ANY_ACCOUNT) -> "Context":
        return cls(account=account, actor=SYSTEM, request_id=new_id("req"))

    def remaining(self, longest: float) -> float:
        """Seconds left, ``longest`` at most; zero or less when it is too late."""
        return min(longest, self.deadline - time.time()) if self.deadline else longest
