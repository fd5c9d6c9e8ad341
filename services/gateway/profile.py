"""What people do for themselves: see and end their sessions, change their password."""

from datetime import UTC, datetime

from libs.common import pages
from libs.common.calls import ById, Listing, Page, Pagination, Reply, Request, Timestamp
from libs.common.errors import NotFound
from services.gateway import login
from services.gateway.call import Call
from services.gateway.errors import BadCredentials
from services.gateway.fields import NewPassword, Password
from services.gateway.gateway import Gateway
from services.gateway.sessions import Session
from services.gateway.store import users as store


class ChangePassword(Request, frozen=True, kw_only=True):
    current: Password
    password: NewPassword


class SessionInfo(Reply, frozen=True, kw_only=True):
    id: str
    current: bool
    ip: str
    agent: str
    created_at: Timestamp
    seen_at: Timestamp


async def sessions(gateway: Gateway, call: Call, request: Listing) -> Page[SessionInfo]:
    before = pages.decode(request.cursor)
    found = [
        s for s in await gateway.sessions.of(call.principal.user) if not before or s.id < before
    ]
    here = found[: request.limit]
    more = len(found) > len(here)
    cursor = pages.encode(here[-1].id) if more else None
    return Page(
        data=[_info(call, session) for session in here],
        pagination=Pagination(cursor=cursor, has_more=more),
    )


def _info(call: Call, session: Session) -> SessionInfo:
    return SessionInfo(
        id=session.id,
        current=session.id == call.principal.session,
        ip=session.ip,
        agent=session.agent,
        created_at=datetime.fromtimestamp(session.created, UTC),
        seen_at=datetime.fromtimestamp(session.seen, UTC),
    )


async def end_session(gateway: Gateway, call: Call, request: ById) -> None:
    if not await gateway.sessions.end(call.principal.user, request.id):
        raise NotFound


async def change_password(gateway: Gateway, call: Call, request: ChangePassword) -> None:
    """Ends all other sessions."""
    principal = call.principal
    await login.throttle(gateway, call, "login_account", principal.user)
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
