"""Users of an account: invited or added, changed, removed."""

from typing import Literal

from msgspec import UNSET, UnsetType

from libs.common import pages
from libs.common.calls import ById, Id, Listing, Page, Request
from libs.common.db import Tx
from libs.common.errors import Conflict, Forbidden, NotFound
from libs.common.ids import new_id
from services.gateway import links
from services.gateway.call import Call
from services.gateway.errors import EmailTaken, LastOwner, PlanLimit
from services.gateway.fields import Email, NewPassword, PersonName, Role
from services.gateway.gateway import Gateway
from services.gateway.keys import Revocation
from services.gateway.person import User, fields_of, user_of
from services.gateway.store import links as link_store
from services.gateway.store import users as store


class InvitedUser(User, frozen=True, kw_only=True):
    """``invitation`` is the link to pass on, where no mail is set up."""

    invitation: str | None = None


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


async def list_users(gateway: Gateway, call: Call, request: Listing) -> Page[User]:
    account, before = call.principal.account, pages.decode(request.cursor)
    async with gateway.db.transaction(account) as tx:
        rows, pagination = await store.page(tx, account, before=before, limit=request.limit)
    return Page(data=[user_of(row) for row in rows], pagination=pagination)


async def get_user(gateway: Gateway, call: Call, request: ById) -> User:
    async with gateway.db.transaction(call.principal.account) as tx:
        return user_of(await store.get(tx, call.principal.account, request.id))


async def create_user(gateway: Gateway, call: Call, request: CreateUser) -> InvitedUser:
    account = call.principal.account
    _may_give(call, request.role)
    password_hash = None
    if request.password is not None:
        password_hash = await gateway.passwords.hash(request.password)
    link = None
    async with gateway.db.transaction(account) as tx:
        await store.lock_account(tx, account)
        await _a_seat_is_free(gateway, call, tx)
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
            link = await links.make(gateway, tx, account, row["id"], "invitation")
    call.target = row["id"]
    return InvitedUser(**fields_of(row), invitation=links.mailed(gateway, row["email"], link))


async def invite_again(gateway: Gateway, call: Call, request: ById) -> InvitedUser:
    account = call.principal.account
    async with gateway.db.transaction(account) as tx:
        row = await store.get(tx, account, request.id)
        if row is None:
            raise NotFound
        if row["status"] != "invited":
            raise Conflict("Only who has not accepted yet can be invited again.")
        link = await links.make(gateway, tx, account, row["id"], "invitation")
    return InvitedUser(**fields_of(row), invitation=links.mailed(gateway, row["email"], link))


async def update_user(gateway: Gateway, call: Call, request: UpdateUser) -> User:
    """Change a user. Who never accepted an invitation is invited again rather than active."""
    account = call.principal.account
    role = None if request.role is UNSET else request.role
    status = None if request.status is UNSET else request.status
    async with gateway.db.transaction(account) as tx:
        await store.lock_account(tx, account)
        before = user_of(await store.get(tx, account, request.id))
        await _may_change(call, tx, before, role, status)
        if before.status == "disabled" and status == "active":
            await _a_seat_is_free(gateway, call, tx)
        row = await store.update(
            tx,
            account,
            request.id,
            name=None if request.name is UNSET else request.name,
            role=role,
            status=status,
        )
        if status == "disabled":  # a link that is on its way would let them in again
            await link_store.delete(tx, account, request.id)
    if role is not None or status is not None:
        await gateway.keys.revoked(Revocation(user=request.id))
    if status == "disabled":
        await gateway.sessions.end_all(request.id)
    return user_of(row)


async def delete_user(gateway: Gateway, call: Call, request: ById) -> None:
    """Removes the user with its keys and sessions."""
    account = call.principal.account
    async with gateway.db.transaction(account) as tx:
        await store.lock_account(tx, account)
        before = user_of(await store.get(tx, account, request.id))
        await _may_change(call, tx, before, None, "deleted")
        await store.delete(tx, account, request.id)
    await gateway.keys.revoked(Revocation(user=request.id))
    await gateway.sessions.end_all(request.id)


async def _a_seat_is_free(gateway: Gateway, call: Call, tx: Tx) -> None:
    """Within `store.lock_account`, so that two at once don't both get the last one."""
    seats = gateway.plans.of(call.principal.plan).seats
    if seats is not None and await store.count(tx, call.principal.account) >= seats:
        raise PlanLimit(details={"limit": "seats", "max": seats})


async def _may_change(
    call: Call, tx: Tx, before: User, role: Role | None, status: str | None
) -> None:
    """Only owners make, change or remove owners, and never the last one."""
    if role is not None and role != before.role:
        _may_give(call, role)
    if before.role != "owner":
        return
    _may_give(call, "owner")
    stays = status not in ("disabled", "deleted") and role in (None, "owner")
    if not stays and not await store.has_other_owner(tx, call.principal.account, before.id):
        raise LastOwner


def _may_give(call: Call, role: str) -> None:
    if role == "owner" and call.principal.role != "owner":
        raise Forbidden("Only an owner may make, change or remove an owner.")
