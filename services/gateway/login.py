"""Logging in and out, and who somebody is."""

from typing import Annotated, Any, Literal

from aiohttp import web
from msgspec import Meta

from libs.common.calls import Reply, Request
from libs.common.envelope import Actor
from libs.common.errors import NotFound
from services.gateway.call import Call
from services.gateway.decode import printable
from services.gateway.door_rules import check_same_site
from services.gateway.errors import BadCredentials, SessionEnded, Suspended
from services.gateway.fields import Password
from services.gateway.gateway import Gateway
from services.gateway.limits import Charge, refuse
from services.gateway.person import User, user_of
from services.gateway.principal import ROLE_SCOPES, Principal
from services.gateway.secrets import fingerprint
from services.gateway.sessions import COOKIE, IDLE
from services.gateway.store import users as store


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


async def login(gateway: Gateway, call: Call, request: Login) -> web.Response:
    check_same_site(call, gateway.settings.public_url)
    email = request.email.strip().lower()
    await throttle(gateway, call, "login_account", email)
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
    return await enter(gateway, call, row, fresh)


async def enter(
    gateway: Gateway, call: Call, row: dict[str, Any], fresh_hash: str | None = None
) -> web.Response:
    """Start a session; answers with who it is, and the cookie."""
    account, user = row["account_id"], row["id"]
    agent = printable(call.request.headers.get("User-Agent", ""))
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
        user=user_of(user),
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


async def throttle(gateway: Gateway, call: Call, name: str, subject: str) -> None:
    """Count an attempt on what the route can't know before its body is read."""
    policy = gateway.limits.policy(name, call.principal.plan)
    if policy is None:
        return
    charge = Charge(name, fingerprint(subject)[:32], policy)
    verdict = await gateway.limits.check([charge], call.principal.plan)
    call.headers.update(verdict.headers)
    if verdict.retry_after is not None:
        raise refuse(verdict)
