"""People of an account: logging in and out, users, invitations, passwords."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import quote

from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from libs.common.calls import ById, Id, Listing, Page, Reply, Request, Timestamp
from libs.common.db import Tx
from libs.common.envelope import Actor
from libs.common.errors import Conflict, Forbidden, NotFound
from libs.common.ids import new_id
from services.gateway.accounts import Email, NewPassword, Password, cut, decode_cursor
from services.gateway.call import Call
from services.gateway.door_rules import check_same_site
from services.gateway.errors import (
    BadCredentials,
    EmailTaken,
    LastOwner,
    LinkExpired,
    PlanLimit,
    SessionEnded,
    Suspended,
)
from services.gateway.gateway import Gateway
from services.gateway.keys import Revocation
from services.gateway.limits import Charge, refuse
from services.gateway.principal import ROLE_SCOPES, Principal
from services.gateway.secrets import fingerprint
from services.gateway.sessions import COOKIE, IDLE
from services.gateway.store import users as store

INVITATION_LASTS = timedelta(days=7)
RESET_LASTS = timedelta(hours=1)

Role = Literal["owner", "admin", "agent"]
PersonName = Annotated[str, Meta(max_length=200)]
LinkToken = Annotated[str, Meta(min_length=1, max_length=200)]


class User(Reply, frozen=True, kw_only=True):
    id: str
    email: str
    name: str
    role: Role
    status: Literal["invited", "active", "disabled"]
    created_at: Timestamp
    last_login_at: Timestamp | None


class InvitedUser(Reply, frozen=True, kw_only=True):
    """``invitation`` is the link to pass on, where no mail is set up."""

    id: str
    email: str
    name: str
    role: Role
    status: Literal["invited", "active", "disabled"]
    created_at: Timestamp
    last_login_at: Timestamp | None
    invitation: str | None = None


class Me(Reply, frozen=True, kw_only=True):
    account_id: str
    account_name: str
    plan: str
    kind: Literal["user", "key"]
    user: User
    scopes: list[str]
    session_id: str | None


class Here(Reply, frozen=True, kw_only=True):
    """``me`` is None where nobody is logged in: to ask is no mistake."""

    me: Me | None


class Login(Request, frozen=True, kw_only=True):
    email: Annotated[str, Meta(min_length=1, max_length=254)]
    password: Password


class CreateUser(Request, frozen=True, kw_only=True):
    """Without a password the user is invited: by mail, or by the link in the answer."""

    email: Email
    name: PersonName = ""
    role: Role = "agent"
    password: NewPassword | None = None


class UpdateUser(Request, frozen=True, kw_only=True):
    id: Id
    name: PersonName | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    status: Literal["active", "disabled"] | UnsetType = UNSET


class ChangePassword(Request, frozen=True, kw_only=True):
    current: Password
    password: NewPassword


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


class SessionInfo(Reply, frozen=True, kw_only=True):
    id: str
    current: bool
    ip: str
    agent: str
    created_at: Timestamp
    seen_at: Timestamp


class SessionList(Reply, frozen=True, kw_only=True):
    data: list[SessionInfo]


# -- in and out ------------------------------------------------------------------------------


async def login(gateway: Gateway, call: Call, request: Login) -> web.Response:
    check_same_site(call, gateway.settings.public_url)
    email = request.email.strip().lower()
    await _throttle(gateway, call, "login_account", email)
    async with gateway.db.system() as tx:
        row = await store.by_email(tx, email)
    known = row["password_hash"] if row and row["status"] == "active" else None
    if not await gateway.passwords.verify(known, request.password) or row is None:
        raise BadCredentials
    if row["account_status"] == "suspended":
        raise Suspended
    if row["account_status"] != "active":
        raise BadCredentials
    fresh = None
    if gateway.passwords.is_outdated(row["password_hash"]):
        fresh = await gateway.passwords.hash(request.password)
    return await _enter(gateway, call, row, fresh)


async def _enter(
    gateway: Gateway, call: Call, row: dict[str, Any], fresh_hash: str | None = None
) -> web.Response:
    """Start a session; answers with who it is, and the cookie."""
    account, user = row["account_id"], row["id"]
    agent = call.request.headers.get("User-Agent", "")
    token = await gateway.sessions.start(account, user, call.ip, agent)
    async with gateway.db.transaction(account) as tx:
        await store.logged_in(tx, account, user, fresh_hash)
    call.principal = Principal(
        account=account,
        actor=Actor(kind="user", id=user, role=row["role"]),
        user=user,
        role=row["role"],
        scopes=ROLE_SCOPES[row["role"]],
    )
    call.target = user
    response = call.reply(await me(gateway, call, None))
    response.set_cookie(
        COOKIE,
        token,
        max_age=IDLE,
        httponly=True,
        samesite="Lax",
        secure=gateway.settings.is_https,
        path="/",
    )
    return response


async def logout(gateway: Gateway, call: Call, _: Any) -> web.Response:
    await gateway.sessions.end(call.principal.user, call.principal.session)
    response = call.empty()
    response.del_cookie(COOKIE, path="/", httponly=True, samesite="Lax")
    return response


async def me(gateway: Gateway, call: Call, _: Any) -> Me:
    principal = call.principal
    async with gateway.db.transaction(principal.account) as tx:
        row = await store.with_account(tx, principal.account, principal.user)
        user = await store.get(tx, principal.account, principal.user)
    if row is None or user is None:
        raise NotFound
    return Me(
        account_id=principal.account,
        account_name=row["account_name"],
        plan=row["plan"],
        kind="key" if principal.actor.kind == "key" else "user",
        user=_user(user),
        scopes=sorted(principal.scopes),
        session_id=principal.session or None,
    )


async def here(gateway: Gateway, call: Call, _: Any) -> Here:
    cookie = call.request.cookies.get(COOKIE)
    if not cookie:
        return Here(me=None)
    try:
        call.principal = await gateway.sessions.identify(cookie)
    except SessionEnded:
        return Here(me=None)
    return Here(me=await me(gateway, call, None))


async def sessions(gateway: Gateway, call: Call, _: Any) -> SessionList:
    found = await gateway.sessions.of(call.principal.user)
    return SessionList(
        data=[
            SessionInfo(
                id=session.id,
                current=session.id == call.principal.session,
                ip=session.ip,
                agent=session.agent,
                created_at=datetime.fromtimestamp(session.created, UTC),
                seen_at=datetime.fromtimestamp(session.seen, UTC),
            )
            for session in found
        ]
    )


async def end_session(gateway: Gateway, call: Call, request: ById) -> None:
    if not await gateway.sessions.end(call.principal.user, request.id):
        raise NotFound


async def change_password(gateway: Gateway, call: Call, request: ChangePassword) -> None:
    """Ends all other sessions."""
    principal = call.principal
    await _throttle(gateway, call, "login_account", principal.user)
    async with gateway.db.transaction(principal.account) as tx:
        user = await store.get(tx, principal.account, principal.user)
        row = await store.by_email(tx, user["email"]) if user else None
    if row is None or not await gateway.passwords.verify(row["password_hash"], request.current):
        raise BadCredentials
    password_hash = await gateway.passwords.hash(request.password)
    async with gateway.db.transaction(principal.account) as tx:
        await store.update(tx, principal.account, principal.user, password_hash=password_hash)
    await gateway.sessions.end_all(principal.user, but=principal.session)
    call.target = principal.user


# -- users -----------------------------------------------------------------------------------


async def list_users(gateway: Gateway, call: Call, request: Listing) -> Page[User]:
    account = call.principal.account
    async with gateway.db.transaction(account) as tx:
        rows = await store.page(
            tx, account, before=decode_cursor(request.cursor), limit=request.limit + 1
        )
    rows, pagination = cut(rows, request.limit)
    return Page(data=[_user(row) for row in rows], pagination=pagination)


async def get_user(gateway: Gateway, call: Call, request: ById) -> User:
    async with gateway.db.transaction(call.principal.account) as tx:
        return _user(await store.get(tx, call.principal.account, request.id))


async def create_user(gateway: Gateway, call: Call, request: CreateUser) -> InvitedUser:
    account = call.principal.account
    _may_give(call, request.role)
    password_hash = None
    if request.password is not None:
        password_hash = await gateway.passwords.hash(request.password)
    link = None
    async with gateway.db.transaction(account) as tx:
        await store.lock_account(tx, account)
        seats = gateway.plans.of(call.principal.plan).seats
        if seats is not None and await store.count(tx, account) >= seats:
            raise PlanLimit(details={"limit": "seats", "max": seats})
        row = await store.insert(
            tx,
            account,
            new_id("usr"),
            email=request.email.lower(),
            name=request.name,
            role=request.role,
            status="active" if password_hash else "invited",
            password_hash=password_hash,
        )
        if row is None:
            raise EmailTaken
        if password_hash is None:
            link = await _link(gateway, tx, account, row["id"], "invitation")
    call.target = row["id"]
    return InvitedUser(**_fields(row), invitation=_mailed(gateway, row["email"], link))


async def invite_again(gateway: Gateway, call: Call, request: ById) -> InvitedUser:
    account = call.principal.account
    async with gateway.db.transaction(account) as tx:
        row = await store.get(tx, account, request.id)
        if row is None:
            raise NotFound
        if row["status"] != "invited":
            raise Conflict("This user has accepted already.")
        link = await _link(gateway, tx, account, row["id"], "invitation")
    return InvitedUser(**_fields(row), invitation=_mailed(gateway, row["email"], link))


async def update_user(gateway: Gateway, call: Call, request: UpdateUser) -> User:
    account = call.principal.account
    role = None if request.role is UNSET else request.role
    status = None if request.status is UNSET else request.status
    async with gateway.db.transaction(account) as tx:
        await store.lock_account(tx, account)
        before = _user(await store.get(tx, account, request.id))
        if role is not None and role != before.role:
            _may_give(call, role)
        if before.role == "owner":
            _may_give(call, "owner")
            if status == "disabled" or role not in (None, "owner"):
                await _not_the_last_owner(tx, account)
        row = await store.update(
            tx,
            account,
            request.id,
            name=None if request.name is UNSET else request.name,
            role=role,
            status=status,
        )
    if role is not None or status is not None:
        await gateway.keys.revoked(Revocation(user=request.id))
    if status == "disabled":
        await gateway.sessions.end_all(request.id)
    return _user(row)


async def delete_user(gateway: Gateway, call: Call, request: ById) -> None:
    """Removes the user with its keys and sessions."""
    account = call.principal.account
    async with gateway.db.transaction(account) as tx:
        await store.lock_account(tx, account)
        before = _user(await store.get(tx, account, request.id))
        if before.role == "owner":
            _may_give(call, "owner")
            await _not_the_last_owner(tx, account)
        await store.delete(tx, account, request.id)
    await gateway.keys.revoked(Revocation(user=request.id))
    await gateway.sessions.end_all(request.id)


def _may_give(call: Call, role: str) -> None:
    if role == "owner" and call.principal.role != "owner":
        raise Forbidden("Only an owner may make, change or remove an owner.")


async def _not_the_last_owner(tx: Tx, account: str) -> None:
    if await store.count(tx, account, role="owner") <= 1:
        raise LastOwner


# -- links -----------------------------------------------------------------------------------


async def ask_reset(gateway: Gateway, call: Call, request: AskReset) -> Accepted:
    """The same answer, as fast, whether there is such a user or not."""
    email = request.email.strip().lower()
    await _throttle(gateway, call, "login_account", f"reset/{email}")
    if gateway.mail.enabled:
        gateway.mail.later(_mail_reset(gateway, email))
    return Accepted()


async def _mail_reset(gateway: Gateway, email: str) -> None:
    async with gateway.db.system() as tx:
        row = await store.by_email(tx, email)
        if row is None or row["status"] != "active":
            return
        link = await _link(gateway, tx, row["account_id"], row["id"], "reset")
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
    gateway: Gateway, call: Call, token: str, kind: str, password: str, name: str | None
) -> web.Response:
    check_same_site(call, gateway.settings.public_url)
    password_hash = await gateway.passwords.hash(password)
    async with gateway.db.system() as tx:
        link = await store.take_link(tx, hashlib.sha256(token.encode()).digest(), kind)
        if link is None:
            raise LinkExpired
        account, user = link["account_id"], link["user_id"]
        await store.update(
            tx, account, user, name=name, status="active", password_hash=password_hash
        )
        row = await store.with_account(tx, account, user)
    if row is None or row["account_status"] != "active":
        raise LinkExpired
    await gateway.sessions.end_all(user)
    return await _enter(gateway, call, row)


async def _link(gateway: Gateway, tx: Tx, account: str, user: str, kind: str) -> str:
    token = secrets.token_urlsafe(32)
    lasts = INVITATION_LASTS if kind == "invitation" else RESET_LASTS
    await store.add_link(
        tx,
        account,
        user,
        digest=hashlib.sha256(token.encode()).digest(),
        kind=kind,
        expires_at=datetime.now(UTC) + lasts,
    )
    # Only the configured address goes into mails: a Host header is whatever the sender says.
    base = gateway.settings.public_url.rstrip("/")
    if not base and gateway.mail.enabled:
        base = f"http://localhost:{gateway.port}"  # of use to who tries it on one machine
    return f"{base}/dashboard#/{kind}?token={quote(token)}"


def _mailed(gateway: Gateway, email: str, link: str | None) -> str | None:
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


async def _throttle(gateway: Gateway, call: Call, name: str, subject: str) -> None:
    policy = gateway.limits.policy(name, call.principal.plan)
    if policy is None:
        return
    charge = Charge(name, fingerprint(subject)[:32], policy)
    verdict = await gateway.limits.check([charge], call.principal.plan)
    call.headers.update(verdict.headers)
    if verdict.retry_after is not None:
        raise refuse(verdict)


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "account_id"}


def _user(row: dict[str, Any] | None) -> User:
    if row is None:
        raise NotFound
    return User(**_fields(row))
