"""An account goes with all its data: a job that asks every service until nothing is left."""

import asyncio
import time
from typing import Any

from libs.common.calls import (
    CHAT_ERASE,
    JOB_GET,
    KNOWLEDGE_ERASE,
    WEBHOOKS_ERASE,
    ById,
    Deletion,
    Erase,
    Job,
)
from libs.common.envelope import Context
from libs.common.errors import AppError, Forbidden, NotFound
from libs.common.ids import new_id
from libs.common.telemetry import log
from services.gateway.call import Call
from services.gateway.gateway import Gateway
from services.gateway.keys import Revocation
from services.gateway.store import accounts as store
from services.gateway.store import users as user_store

JOB_PAUSE = 2.0  # seconds between two looks for work
JOB_LEASE = 30.0  # seconds after which another replica takes a job over
TURN = 20.0  # seconds for one job until the next has its turn
ERASURES = (CHAT_ERASE, KNOWLEDGE_ERASE, WEBHOOKS_ERASE)  # chat first: it makes the events


async def delete_own(gateway: Gateway, call: Call, _: Any) -> Deletion:
    """Only the owner, logged in: all data of the account goes."""
    if call.principal.role != "owner":
        raise Forbidden("Only the owner may delete the account.")
    call.target = call.principal.account
    return await _delete(gateway, call.principal.account)


async def delete(gateway: Gateway, call: Call, request: ById) -> Deletion:
    async with gateway.db.system() as tx:
        if await store.get(tx, request.id) is None:
            raise NotFound
    deletion = await _delete(gateway, request.id)
    await gateway.audit.record(call, request.id)
    return deletion


async def job(gateway: Gateway, call: Call, request: ById) -> Job:
    """A job of this account's; chatbots' are with the chat service."""
    account = call.principal.account
    async with gateway.db.transaction(account) as tx:
        row = await store.job(tx, account, request.id)
    if row is not None:
        return _job(row)
    return await gateway.bus.request(JOB_GET, request, call.context())


async def any_job(gateway: Gateway, _: Call, request: ById) -> Job:
    async with gateway.db.system() as tx:
        row = await store.any_job(tx, request.id)
    if row is None:
        raise NotFound
    return _job(row)


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
    """Ask each service to forget the account until nothing is left, then forget it here.

    What takes longer than a turn goes on when it is claimed again.
    """
    until = time.monotonic() + TURN
    context, asked = Context.system(account), Erase(job_id=job_id)
    for step, endpoint in enumerate(ERASURES):
        while not (await gateway.bus.request(endpoint, asked, context, timeout=30.0)).done:
            async with gateway.db.system() as tx:
                await store.set_job(tx, account, job_id, "running", step / len(ERASURES))
            if time.monotonic() > until:
                return
            await asyncio.sleep(0.5)
    async with gateway.db.system() as tx:
        people = await user_store.ids(tx, account)
    for person in people:
        await gateway.sessions.end_all(person)
    await gateway.idempotency.forget_account(account)
    async with gateway.db.system() as tx:
        await store.delete(tx, account)
        await store.set_job(tx, account, job_id, "done", 1.0)
    log.info("account_deleted", account=account)


def _job(row: dict[str, Any]) -> Job:
    fields = {name: value for name, value in row.items() if name != "account_id"}
    return Job(**fields)
