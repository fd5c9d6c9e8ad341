"""Who is asking, and what they may do."""

from typing import Literal

import msgspec

from libs.common.envelope import Actor

Scope = Literal["chat", "knowledge", "conversations", "webhooks", "admin"]
SCOPES: tuple[Scope, ...] = ("chat", "knowledge", "conversations", "webhooks", "admin")

ROLE_SCOPES: dict[str, frozenset[str]] = {
    "owner": frozenset(SCOPES),
    "admin": frozenset(SCOPES),
    "agent": frozenset({"conversations"}),
}


class Principal(msgspec.Struct, frozen=True):
    """Credentials that were checked. ``user`` is the person, of a key its owner."""

    account: str
    actor: Actor
    user: str = ""
    role: str = ""
    plan: str = ""
    scopes: frozenset[str] = frozenset()
    session: str = ""  # the session's id, where there is one

    @property
    def is_visitor(self) -> bool:
        return self.actor.kind == "visitor"

    def may(self, scope: str) -> bool:
        """``admin`` includes all; an empty scope is for anyone of the account."""
        return not scope or scope in self.scopes or "admin" in self.scopes


NOBODY = Principal(account="", actor=Actor(kind="system"))
OPERATOR = Principal(account="", actor=Actor(kind="operator"), scopes=frozenset({"admin"}))
