"""Accounts: one's own, and for the operator all."""

import asyncio
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from libs.common import pages
from libs.common.calls import (
    CHAT_USAGE,
    KNOWLEDGE_USAGE,
    ById,
    Listing,
    Name,
    NoParameters,
    Page,
    Reply,
    Request,
    Timestamp,
)
from libs.common.errors import BadRequest, NotFound
from libs.common.ids import new_id
from services.gateway.call import Call
from services.gateway.errors import EmailTaken
from services.gateway.fields import Email, NewPassword
from services.gateway.gateway import Gateway
from services.gateway.keys import Revocation
from services.gateway.plans import Plan
from services.gateway.principal import SCOPES
from services.gateway.store import accounts as store
from services.gateway.store import audit as audit_store
from services.gateway.store import users as user_store


class Account(Reply, frozen=True, kw_only=True):
    id: str
    name: str
    plan: str
    status: Literal["active", "suspended"]
    limits: Plan
    created_at: Timestamp
    updated_at: Timestamp


class UpdateAccount(Request, frozen=True, kw_only=True):
    name: Name | UnsetType = UNSET


class CreateAccount(Request, frozen=True, kw_only=True):
    name: Name
    plan: str = "enterprise"
    email: Email
    password: NewPassword


class AccountCreated(Reply, frozen=True, kw_only=True):
    """``apiKey`` is shown this once; None on plans without API access."""

    account_id: str
    api_key: str | None


class ChangeAccount(Request, frozen=True, kw_only=True):
    id: str
    name: Name | UnsetType = UNSET
    plan: str | UnsetType = UNSET
    status: Literal["active", "suspended"] | UnsetType = UNSET


class Usage(Reply, frozen=True, kw_only=True):
    """What is used of what the plan allows; a limit of null is no limit."""

    plan: str
    limits: Plan
    chatbots: int
    messages: int
    tokens: int
    knowledge_items: int
    pages: int
    chunks: int
    storage_bytes: int
    seats: int


class AuditEntry(Reply, frozen=True, kw_only=True):
    id: str
    actor_kind: str
    actor_id: str
    action: str
    target: str
    ip: str
    request_id: str
    at: Timestamp


class ListAudit(Listing, frozen=True, kw_only=True):
    action: Annotated[str, Meta(max_length=100)] | None = None
    from_: Timestamp | None = None
    to: Timestamp | None = None


# -- one's own -------------------------------------------------------------------------------


async def get(gateway: Gateway, call: Call, _: Any) -> Account:
    async with gateway.db.transaction(call.principal.account) as tx:
        row = await store.get(tx, call.principal.account)
    return _account(gateway, row)


async def update(gateway: Gateway, call: Call, request: UpdateAccount) -> Account:
    name = None if request.name is UNSET else request.name
    async with gateway.db.transaction(call.principal.account) as tx:
        row = await store.update(tx, call.principal.account, name=name)
    call.target = call.principal.account
    return _account(gateway, row)


async def usage(gateway: Gateway, call: Call, _: Any) -> Usage:
    account, context = call.principal.account, call.context()
    chat, knowledge = await asyncio.gather(
        gateway.bus.request(CHAT_USAGE, NoParameters(), context),
        gateway.bus.request(KNOWLEDGE_USAGE, NoParameters(), context),
    )
    async with gateway.db.transaction(account) as tx:
        seats = await user_store.count(tx, account)
    plan = call.principal.plan
    return Usage(
        plan=plan,
        limits=gateway.plans.of(plan),
        chatbots=chat.chatbots,
        messages=chat.messages,
        tokens=chat.tokens,
        knowledge_items=knowledge.items,
        pages=knowledge.pages,
        chunks=knowledge.chunks,
        storage_bytes=knowledge.bytes,
        seats=seats,
    )


async def audit(gateway: Gateway, call: Call, request: ListAudit) -> Page[AuditEntry]:
    account, before = call.principal.account, pages.decode(request.cursor)
    async with gateway.db.transaction(account) as tx:
        rows, pagination = await audit_store.page(
            tx,
            account,
            before=before,
            limit=request.limit,
            action=request.action,
            since=request.from_,
            until=request.to,
        )
    return Page(data=[AuditEntry(**row) for row in rows], pagination=pagination)


# -- the operator's --------------------------------------------------------------------------


async def create(gateway: Gateway, call: Call, request: CreateAccount) -> AccountCreated:
    """An account with its owner and, where the plan has API access, a key."""
    if request.plan not in gateway.plans.names:
        raise BadRequest(
            f"There is no such plan; choose one of {', '.join(gateway.plans.names)}.",
            details={"field": "plan"},
        )
    password_hash = await gateway.passwords.hash(request.password)
    account, owner = new_id("acc"), new_id("usr")
    key = gateway.keys.mint(test=False) if gateway.plans.of(request.plan).api_access else None
    async with gateway.db.system() as tx:
        await store.insert(tx, account, name=request.name, plan=request.plan)
        made = await user_store.insert(
            tx,
            account,
            owner,
            email=request.email.lower(),
            name="",
            role="owner",
            status="active",
            password_hash=password_hash,
        )
        if made is None:
            raise EmailTaken
        if key is not None:
            await gateway.keys.insert(tx, account, owner, key, name="first", scopes=list(SCOPES))
    call.target = account
    await gateway.audit.record(call, account)
    return AccountCreated(account_id=account, api_key=key)


async def list_all(gateway: Gateway, _: Call, request: Listing) -> Page[Account]:
    before = pages.decode(request.cursor)
    async with gateway.db.system() as tx:
        rows, pagination = await store.page(tx, before=before, limit=request.limit)
    return Page(data=[_account(gateway, row) for row in rows], pagination=pagination)


async def get_any(gateway: Gateway, _: Call, request: ById) -> Account:
    async with gateway.db.system() as tx:
        return _account(gateway, await store.get(tx, request.id))


async def change(gateway: Gateway, call: Call, request: ChangeAccount) -> Account:
    """Rename, change the plan, suspend or reactivate; effective at once."""
    if request.plan is not UNSET and request.plan not in gateway.plans.names:
        raise BadRequest("There is no such plan.", details={"field": "plan"})
    async with gateway.db.system() as tx:
        row = await store.update(
            tx,
            request.id,
            name=None if request.name is UNSET else request.name,
            plan=None if request.plan is UNSET else request.plan,
            status=None if request.status is UNSET else request.status,
        )
    account = _account(gateway, row)
    if request.plan is not UNSET or request.status is not UNSET:
        await gateway.keys.revoked(Revocation(account=request.id))
    await gateway.audit.record(call, request.id)
    return account


def _account(gateway: Gateway, row: dict[str, Any] | None) -> Account:
    if row is None:
        raise NotFound
    return Account(
        id=row["id"],
        name=row["name"],
        plan=row["plan"],
        status=row["status"],
        limits=gateway.plans.of(row["plan"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
