"""``/api/keys``: made, shown once, listed, revoked."""

from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Meta

from libs.common import pages
from libs.common.calls import ById, Listing, Name, Page, Reply, Request, Timestamp
from libs.common.errors import BadRequest, Forbidden, NotFound
from services.gateway.call import Call
from services.gateway.errors import PlanLacksApi
from services.gateway.gateway import Gateway
from services.gateway.keys import Revocation
from services.gateway.principal import ROLE_SCOPES, Scope
from services.gateway.store import keys as store


class Key(Reply, frozen=True, kw_only=True):
    """``prefix`` is the beginning of the key, to tell keys apart."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    test: bool
    expires_at: Timestamp | None
    last_used_at: Timestamp | None
    created_at: Timestamp
    user_id: str


class CreatedKey(Key, frozen=True, kw_only=True):
    """``key`` is shown this once."""

    key: str


class CreateKey(Request, frozen=True, kw_only=True):
    name: Name
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=10)]
    expires_at: Timestamp | None = None
    test: bool = False


async def list_keys(gateway: Gateway, call: Call, request: Listing) -> Page[Key]:
    account, before = call.principal.account, pages.decode(request.cursor)
    async with gateway.db.transaction(account) as tx:
        rows, pagination = await store.page(tx, account, before=before, limit=request.limit)
    return Page(data=[Key(**row) for row in rows], pagination=pagination)


async def get_key(gateway: Gateway, call: Call, request: ById) -> Key:
    async with gateway.db.transaction(call.principal.account) as tx:
        row = await store.get(tx, call.principal.account, request.id)
    if row is None:
        raise NotFound
    return Key(**row)


async def create_key(gateway: Gateway, call: Call, request: CreateKey) -> CreatedKey:
    """A key of whoever makes it, with no more than they may do themselves."""
    principal = call.principal
    if not gateway.plans.of(principal.plan).api_access:
        raise PlanLacksApi
    if request.expires_at is not None and request.expires_at <= datetime.now(UTC):
        raise BadRequest("`expiresAt` has passed.", details={"field": "expiresAt"})
    scopes: list[Any] = list(dict.fromkeys(request.scopes))
    allowed = principal.scopes & ROLE_SCOPES.get(principal.role, frozenset())
    if "admin" not in allowed and not allowed.issuperset(scopes):
        raise Forbidden("A key can't have scopes its maker lacks.")
    key = gateway.keys.mint(test=request.test)
    async with gateway.db.transaction(principal.account) as tx:
        row = await gateway.keys.insert(
            tx,
            principal.account,
            principal.user,
            key,
            name=request.name,
            scopes=scopes,
            test=request.test,
            expires_at=request.expires_at,
        )
    assert row is not None  # 256 random bits
    call.target = row["id"]
    return CreatedKey(**row, key=key)


async def delete_key(gateway: Gateway, call: Call, request: ById) -> None:
    """Revoked everywhere within a second."""
    account = call.principal.account
    async with gateway.db.transaction(account) as tx:
        if not await store.delete(tx, account, request.id):
            raise NotFound
    await gateway.keys.revoked(Revocation(key=request.id))
