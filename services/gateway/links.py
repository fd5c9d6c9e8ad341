"""Links that let in once: an invitation, a new password. Mailed where mail is set up."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import quote

from aiohttp import web
from msgspec import Meta

from libs.common.calls import Reply, Request
from libs.common.db import Tx
from services.gateway import login
from services.gateway.call import Call
from services.gateway.door_rules import check_same_site
from services.gateway.errors import LinkExpired
from services.gateway.fields import NewPassword, PersonName
from services.gateway.gateway import Gateway
from services.gateway.store import links as store
from services.gateway.store import users

Kind = Literal["invitation", "reset"]
LASTS: dict[Kind, timedelta] = {"invitation": timedelta(days=7), "reset": timedelta(hours=1)}
# Whom a link is for: not those who have joined or were shut out since it was made.
FOR: dict[Kind, str] = {"invitation": "invited", "reset": "active"}

LinkToken = Annotated[str, Meta(min_length=1, max_length=200)]


class AskReset(Request, frozen=True, kw_only=True):
    email: Annotated[str, Meta(min_length=1, max_length=254)]


class Reset(Request, frozen=True, kw_only=True):
    token: LinkToken
    password: NewPassword


class Accept(Request, frozen=True, kw_only=True):
    token: LinkToken
    password: NewPassword
    name: PersonName | None = None


class Accepted(Reply, frozen=True, kw_only=True):
    accepted: bool = True


async def ask_reset(gateway: Gateway, call: Call, request: AskReset) -> Accepted:
    """The same answer, as fast, whether there is such a user or not."""
    email = request.email.strip().lower()
    await login.throttle(gateway, call, "login_account", f"reset/{email}")
    if gateway.mail.enabled:
        gateway.mail.later(_mail_reset(gateway, email))
    return Accepted()


async def _mail_reset(gateway: Gateway, email: str) -> None:
    async with gateway.db.system() as tx:
        row = await users.by_email(tx, email)
        if row is None or row["status"] != "active":
            return
        link = await make(gateway, tx, row["account_id"], row["id"], "reset")
    gateway.mail.send(
        email,
        "Set a new password",
        f"Someone, probably you, asked to set a new password.\n\n{link}\n\n"
        "The link works once, for an hour. If it wasn't you, do nothing.\n",
    )


async def reset(gateway: Gateway, call: Call, request: Reset) -> web.Response:
    """Set the password a reset link was mailed for; ends all sessions, starts one."""
    return await _use_link(gateway, call, request.token, "reset", request.password, None)


async def accept(gateway: Gateway, call: Call, request: Accept) -> web.Response:
    """Accept an invitation: set a password, start a session."""
    return await _use_link(
        gateway, call, request.token, "invitation", request.password, request.name
    )


async def _use_link(
    gateway: Gateway, call: Call, token: str, kind: Kind, password: str, name: str | None
) -> web.Response:
    check_same_site(call, gateway.settings.public_url)
    password_hash = await gateway.passwords.hash(password)
    async with gateway.db.system() as tx:
        link = await store.take(tx, _digest(token), kind)
        if link is None:
            raise LinkExpired
        account, user = link["account_id"], link["user_id"]
        before = await users.with_account(tx, account, user)
        if before is None or (before["status"], before["account_status"]) != (FOR[kind], "active"):
            raise LinkExpired
        row = before | {"status": "active"}
        await users.update(
            tx, account, user, name=name, status="active", password_hash=password_hash
        )
    await gateway.sessions.end_all(user)
    return await login.enter(gateway, call, row)


async def make(gateway: Gateway, tx: Tx, account: str, user: str, kind: Kind) -> str:
    """A new link; older ones of its kind are worthless from here on."""
    token = secrets.token_urlsafe(32)
    await store.add(
        tx,
        account,
        user,
        digest=_digest(token),
        kind=kind,
        expires_at=datetime.now(UTC) + LASTS[kind],
    )
    # Only the configured address goes into mails: a Host header is whatever the sender says.
    base = gateway.settings.public_url.rstrip("/")
    if not base and gateway.mail.enabled:
        base = f"http://localhost:{gateway.port}"  # of use to who tries it on one machine
    return f"{base}/dashboard#/{kind}?token={quote(token)}"


def mailed(gateway: Gateway, email: str, link: str | None) -> str | None:
    """Mail an invitation; the link itself is returned only where no mail is set up."""
    if link is None or not gateway.mail.enabled:
        return link
    gateway.mail.send(
        email,
        "You are invited to Chattery",
        f"You were invited to answer visitors in Chattery.\n\n{link}\n\n"
        "The link works once, for seven days.\n",
    )
    return None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
