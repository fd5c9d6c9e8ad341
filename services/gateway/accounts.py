"""Accounts: one's own, and for the operator all; deletion reaches every service."""

import asyncio
import base64
import binascii
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from libs.common.calls import (
    CHAT_ERASE,
    CHAT_USAGE,
    JOB_GET,
    KNOWLEDGE_ERASE,
    KNOWLEDGE_USAGE,
    WEBHOOKS_ERASE,
    ById,
    Deletion,
    Erase,
    Job,
    Listing,
    Name,
    NoParameters,
    Page,
    Pagination,
    Reply,
    Request,
    Timestamp,
)
from libs.common.envelope import Context
from libs.common.errors import AppError, BadRequest, Forbidden, NotFound
from libs.common.ids import new_id
from libs.common.telemetry import log
from services.gateway.call import Call
from services.gateway.errors import EmailTaken
from services.gateway.gateway import Gateway
from services.gateway.keys import Revocation
from services.gateway.plans import Plan
from services.gateway.principal import SCOPES
from services.gateway.store import accounts as store
from services.gateway.store import audit as audit_store
from services.gateway.store import users as user_store

JOB_PAUSE = 2.0  # seconds between two looks for work
JOB_LEASE = 30.0  # seconds after which another replica takes a job over
ERASURES = (CHAT_ERASE, KNOWLEDGE_ERASE, WEBHOOKS_ERASE)

Email = Annotated[
    str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$")
]
Password = Annotated[str, Meta(min_length=1, max_length=256)]
# Told, not held here: `Passwords` refuses a short one with a code of its own.
NewPassword = Annotated[str, Meta(max_length=256, extra_json_schema={"minLength": 10})]


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


def cut(rows: list[Any], limit: int) -> tuple[list[Any], Pagination]:
    """A page of ``limit`` from the one row more that was read."""
    more = len(rows) > limit
    rows = rows[:limit]
    cursor = encode_cursor(rows[-1]["id"]) if more else None
    return rows, Pagination(cursor=cursor, has_more=more)


def encode_cursor(row_id: str) -> str:
    return base64.urlsafe_b64encode(row_id.encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return text.decode("ascii").replace("\0", "")
    except (binascii.Error, ValueError) as exc:
        raise BadRequest("This cursor is not valid.", details={"field": "cursor"}) from exc


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


async def delete_own(gateway: Gateway, call: Call, _: Any) -> Deletion:
    """Only the owner, logged in: all data of the account goes."""
    if call.principal.role != "owner":
        raise Forbidden("Only the owner may delete the account.")
    call.target = call.principal.account
    return await _delete(gateway, call.principal.account)


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
    account = call.principal.account
    async with gateway.db.transaction(account) as tx:
        rows = await audit_store.page(
            tx,
            account,
            before=decode_cursor(request.cursor),
            limit=request.limit + 1,
            action=request.action,
            since=request.from_,
            until=request.to,
        )
    rows, pagination = cut(rows, request.limit)
    return Page(data=[AuditEntry(**row) for row in rows], pagination=pagination)


async def job(gateway: Gateway, call: Call, request: ById) -> Job:
    """A job of this account's; chatbots' are with the chat service."""
    account = call.principal.account
    async with gateway.db.transaction(account) as tx:
        row = await store.job(tx, account, request.id)
    if row is not None:
        return _job(row)
    return await gateway.bus.request(JOB_GET, request, call.context())


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
    async with gateway.db.system() as tx:
        rows = await store.page(tx, before=decode_cursor(request.cursor), limit=request.limit + 1)
    rows, pagination = cut(rows, request.limit)
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
    await gateway.keys.revoked(Revocation(account=request.id))
    await gateway.audit.record(call, request.id)
    return account


async def delete(gateway: Gateway, call: Call, request: ById) -> Deletion:
    async with gateway.db.system() as tx:
        if await store.get(tx, request.id) is None:
            raise NotFound
    deletion = await _delete(gateway, request.id)
    await gateway.audit.record(call, request.id)
    return deletion


async def any_job(gateway: Gateway, _: Call, request: ById) -> Job:
    async with gateway.db.system() as tx:
        row = await store.any_job(tx, request.id)
    if row is None:
        raise NotFound
    return _job(row)


# -- deletion --------------------------------------------------------------------------------


async def _delete(gateway: Gateway, account: str) -> Deletion:
    job_id = new_id("job")
    async with gateway.db.system() as tx:
        await store.update(tx, account, status="deleting")
        await store.add_job(tx, account, job_id, "account_deletion")
    await gateway.keys.revoked(Revocation(account=account))
    return Deletion(id=account, job=job_id)


async def work(gateway: Gateway) -> None:
    """Bring deletions to their end, until cancelled; any replica may take one over."""
    while True:
        try:
            async with gateway.db.system() as tx:
                row = await store.claim_job(tx, JOB_LEASE)
            if row is not None:
                await _erase(gateway, row["account_id"], row["id"])
                continue
        except AppError as exc:
            log.warning("account_deletion_waits", reason=exc.message)
        await asyncio.sleep(JOB_PAUSE)


async def _erase(gateway: Gateway, account: str, job_id: str) -> None:
    """Ask each service to forget the account until nothing is left, then forget it here."""
    context = Context.system(account)
    for step, endpoint in enumerate(ERASURES):
        while True:
            erased = await gateway.bus.request(
                endpoint, Erase(job_id=job_id), context, timeout=30.0
            )
            async with gateway.db.system() as tx:
                await store.set_job(tx, account, job_id, "running", step / len(ERASURES))
            if erased.done:
                break
            await asyncio.sleep(1.0)
    async with gateway.db.system() as tx:
        people = await user_store.ids(tx, account)
    for person in people:
        await gateway.sessions.end_all(person)
    await gateway.idempotency.forget_account(account)
    async with gateway.db.system() as tx:
        await store.delete(tx, account)
        await store.set_job(tx, account, job_id, "done", 1.0)
    log.info("account_deleted", account=account)


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


def _job(row: dict[str, Any]) -> Job:
    fields = {name: value for name, value in row.items() if name != "account_id"}
    return Job(**fields)
