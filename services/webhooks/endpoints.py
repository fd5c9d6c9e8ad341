"""Endpoints: made, changed, their secrets replaced, removed."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import UNSET

from libs.common.bus import Bus
from libs.common.calls import (
    CHATBOT_GET,
    ById,
    CreateWebhook,
    Erase,
    Erased,
    ForgetConversations,
    ListWebhooks,
    Page,
    RotateSecret,
    Secret,
    UpdateWebhook,
    WebhookEndpoint,
)
from libs.common.db import Database
from libs.common.envelope import Context
from libs.common.errors import AppError
from libs.common.events import PUBLIC_EVENTS
from libs.common.ids import new_id
from libs.common.keyring import Keyring, SealBroken
from services.webhooks import private, signing
from services.webhooks.errors import NoEndpoint, TooManyEndpoints
from services.webhooks.store import deliveries
from services.webhooks.store import endpoints as store
from services.webhooks.targets import Targets, check_headers

MOST_ENDPOINTS = 100  # of an account
CHANGED = "webhooks.changed"  # tells the replicas which endpoint is not what it was


class Endpoints:
    def __init__(self, db: Database, bus: Bus, targets: Targets, keyring: Keyring) -> None:
        self._db = db
        self._bus = bus
        self._targets = targets
        self._keyring = keyring

    async def page(self, context: Context, request: ListWebhooks) -> Page[WebhookEndpoint]:
        async with self._db.transaction(context.account) as tx:
            found = await store.page(tx, context.account, request)
        return msgspec.structs.replace(found, data=[self._shown(one) for one in found.data])

    async def get(self, context: Context, request: ById) -> WebhookEndpoint:
        async with self._db.transaction(context.account) as tx:
            found = await store.get(tx, context.account, request.id)
        if found is None:
            raise NoEndpoint
        return self._shown(found)

    async def create(self, context: Context, request: CreateWebhook) -> WebhookEndpoint:
        """Raises `BadUrl`, `BadHeaders`, `TooManyEndpoints`; 404 for a chatbot of others."""
        check_headers(request.headers)
        await self._targets.check(request.url)
        await self._check_chatbot(context, request.chatbot_id)
        id, secret = new_id("whk"), signing.new_secret()
        async with self._db.transaction(context.account) as tx:
            if await store.count(tx, context.account) >= MOST_ENDPOINTS:
                raise TooManyEndpoints
            await store.insert(
                tx,
                context.account,
                id,
                self._kept(request, id),
                _in_order(request.events),
                self._keyring.seal(secret, id),
            )
            made = await store.get(tx, context.account, id)
        if made is None:
            raise NoEndpoint
        return msgspec.structs.replace(self._shown(made), secret=secret)

    async def update(self, context: Context, request: UpdateWebhook) -> WebhookEndpoint:
        """A merge patch. Raises as `create` does."""
        given = {
            name: value
            for name in request.__struct_fields__
            if name != "id" and (value := getattr(request, name)) is not UNSET
        }
        if isinstance(request.url, str):
            await self._targets.check(request.url)
        if isinstance(request.chatbot_id, str):
            await self._check_chatbot(context, request.chatbot_id)
        if "events" in given:
            given["events"] = _in_order(given["events"])
        async with self._db.transaction(context.account) as tx:
            await store.secret(tx, context.account, request.id)  # holds the row
            found = await store.get(tx, context.account, request.id)
            if found is None:
                raise NoEndpoint
            if "headers" in given:
                given["headers"] = given["headers"] or {}  # replaced as a whole
                check_headers(given["headers"])
                given["headers"] = private.seal(self._keyring, given["headers"], request.id)
            await store.update(tx, context.account, msgspec.structs.replace(found, **given))
            changed = await store.get(tx, context.account, request.id)
        if changed is None:
            raise NoEndpoint
        await self._tell(request.id)
        return self._shown(changed)

    async def delete(self, context: Context, request: ById) -> None:
        async with self._db.transaction(context.account) as tx:
            if not await store.delete(tx, context.account, request.id):
                raise NoEndpoint
        await self._tell(request.id)

    def _kept(self, request: CreateWebhook, id: str) -> CreateWebhook:
        """As it is stored."""
        headers = private.seal(self._keyring, request.headers, id)
        return msgspec.structs.replace(request, headers=headers)

    def _shown(self, endpoint: WebhookEndpoint) -> WebhookEndpoint:
        try:
            headers = private.unseal(self._keyring, endpoint.headers, endpoint.id)
        except SealBroken:  # the rest of it is still worth showing
            headers = dict.fromkeys(endpoint.headers, "")
        return msgspec.structs.replace(endpoint, headers=headers)

    # -- secrets -----------------------------------------------------------------------------

    async def secret(self, context: Context, request: ById) -> Secret:
        async with self._db.transaction(context.account) as tx:
            row = await store.secret(tx, context.account, request.id)
        if row is None:
            raise NoEndpoint
        opened = self._keyring.open(bytes(row["secret"]), request.id)
        return Secret(secret=opened, previous_until=row["previous_until"])

    async def rotate(self, context: Context, request: RotateSecret) -> WebhookEndpoint:
        """A new secret; the one before it signs beside it for ``grace_hours``.

        Those before that keep their time; with a grace of 0 all of them end at once.
        """
        secret = signing.new_secret()
        async with self._db.transaction(context.account) as tx:
            row = await store.secret(tx, context.account, request.id)
            if row is None:
                raise NoEndpoint
            await store.rotate(
                tx,
                context.account,
                request.id,
                self._keyring.seal(secret, request.id),
                timedelta(hours=request.grace_hours),
            )
            found = await store.get(tx, context.account, request.id)
        if found is None:
            raise NoEndpoint
        await self._tell(request.id)
        return msgspec.structs.replace(self._shown(found), secret=secret)

    # -- the rest ----------------------------------------------------------------------------

    async def erase(self, context: Context, request: Erase) -> Erased:
        """Bit by bit: the caller asks again until nothing remains."""
        async with self._db.transaction(context.account) as tx:
            await store.delete_all(tx, context.account, request.chatbot_id)
            remaining = await deliveries.erase(tx, context.account, request.chatbot_id)
            if not remaining:
                await store.remove_deleted(tx, context.account, request.chatbot_id)
        return Erased(done=remaining == 0, remaining=remaining)

    async def _tell(self, id: str) -> None:
        """To every replica: what it claimed for this endpoint was claimed for the old one."""
        with suppress(AppError):  # what was claimed is soon outdated by itself
            await self._bus.publish(CHANGED, id.encode())

    async def forget(self, context: Context, request: ForgetConversations) -> Erased:
        """The same for some conversations."""
        ids = request.conversation_ids
        async with self._db.transaction(context.account) as tx:
            remaining = await deliveries.erase(tx, context.account, None, ids)
        return Erased(done=remaining == 0, remaining=remaining)

    async def _check_chatbot(self, context: Context, chatbot: str | None) -> None:
        """Raises 404 when it is not one of the account's."""
        if chatbot is not None:
            await self._bus.request(CHATBOT_GET, ById(id=chatbot), context)


def _in_order(events: Any) -> list[str]:
    """Each once, in the documented order; all where none are named."""
    return [name for name in PUBLIC_EVENTS if events is None or name in events]
