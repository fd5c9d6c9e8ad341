"""An account that is deleted leaves nothing behind, wherever the product keeps things."""

import asyncio
import secrets
import time
from pathlib import Path

import pytest
from psycopg import sql
from redis.asyncio import Redis

from tests.conftest import RunningStack
from tests.e2e.client import Api, Receiver
from tests.e2e.inside import Inside

PATIENCE = 90.0  # seconds for the job on a busy machine
ANSWERED = "How long does the zeppelin fly?"


class Tenant:
    """An account whose every word holds a mark that can be looked for."""

    def __init__(self, api: Api, operator: Api, account: str, mark: str) -> None:
        self.api, self.operator, self.account, self.mark = api, operator, account, mark
        self.bot = ""

    def word(self, what: str) -> str:
        return f"{self.mark}-{what}"


@pytest.fixture
async def tenant(api: Api, stack: RunningStack) -> Tenant:
    mark = "q" + secrets.token_hex(6)
    operator = Api(api.session, api.base, stack.dev["operatorToken"])
    made = await operator.post(
        "/api/accounts",
        {"name": mark, "email": f"{mark}@gone.example", "password": "a long passphrase"},
    )
    assert made.status == 201, made.body
    there = Tenant(
        Api(api.session, api.base, made.body["apiKey"]), operator, made.body["accountId"], mark
    )
    there.bot = await there.api.chatbot(there.word("bot"))
    return there


async def live_in(tenant: Tenant, receiver: Receiver) -> None:
    """Use everything an account can leave a trace in."""
    api, bot, word = tenant.api, tenant.bot, tenant.word
    hook = {"url": f"{receiver.url}?{word('hook')}", "headers": {"X-Mark": word("header")}}
    assert (await api.post("/api/webhooks", hook)).status == 201
    assert (await api.post("/api/keys", {"name": word("key"), "scopes": ["chat"]})).status == 201
    user = {"email": f"{word('user')}@gone.example", "name": word("user")}
    assert (await api.post("/api/users", user)).status == 201
    await log_in(tenant)
    await api.knows(bot, ANSWERED, f"Until {word('answer')}.")
    uploaded = await api.upload(bot, (f"{word('file')}.txt", word("text").encode() * 9))
    await api.settled(uploaded.body["data"][0]["id"])
    asked = await api.ask(bot, f"{ANSWERED} {word('question')}", visitorId=word("visitor"))
    note = {"text": word("note")}
    assert (await api.post(f"/api/conversations/{asked.conversation}/notes", note)).status == 201
    kept = {"Idempotency-Key": word("once")}
    search = {"chatbotId": bot, "query": word("query")}
    assert (await api.post("/api/knowledge/search", search, headers=kept)).status == 200
    await receiver.wait(2, "new_message", asked.conversation)


async def log_in(tenant: Tenant) -> None:
    login = {"email": f"{tenant.mark}@gone.example", "password": "a long passphrase"}
    nobody = Api(tenant.api.session, tenant.api.base, "")
    reply = await nobody.post("/api/auth/login", login, headers={"User-Agent": tenant.word("me")})
    assert reply.status == 200, reply.body


async def deleted(tenant: Tenant) -> None:
    deletion = await tenant.operator.call("DELETE", f"/api/accounts/{tenant.account}")
    assert deletion.status == 202, deletion.body
    end = time.monotonic() + PATIENCE
    while True:
        job = await tenant.operator.get(f"/api/accounts/jobs/{deletion.body['job']}")
        if job.body["status"] == "done":
            return
        assert time.monotonic() < end, job.body
        await asyncio.sleep(0.3)


async def rows_with(inside: Inside, text: str) -> list[str]:
    """The tables that have a row with this text, also inside of binary columns."""
    tables = await inside.rows(
        "select schemaname as s, tablename as t from pg_tables"
        " where schemaname in ('gateway', 'chat', 'ingest', 'webhooks')"
    )
    found: list[str] = []
    for table in tables:
        name = sql.Identifier(table["s"], table["t"])
        query = sql.SQL("select 1 as x from {} t where t::text like any(%s) limit 1").format(name)
        wanted = [f"%{text}%", f"%{text.encode().hex()}%"]
        if await inside.rows(query, wanted):  # pyright: ignore[reportArgumentType]
            found.append(f"{table['s']}.{table['t']}")
    return found


async def keys_with(url: str, *texts: str) -> list[bytes]:
    """Keys that say one of these; but not the limiter's, which are times alone and lapse."""
    found: list[bytes] = []
    async with Redis.from_url(url) as redis:
        async for key in redis.scan_iter(count=1_000):
            is_text = await redis.type(key) == b"string"
            held = key + (await redis.get(key) or b"") if is_text else key
            limiters = key.startswith(b"rl:")
            if not limiters and any(text.encode() in held for text in texts):
                found.append(key)
    return found


def blobs_of(stack: RunningStack, account: str) -> list[Path]:
    return [path for path in (stack.data / "blobs").glob(f"**/{account}/*") if path.is_file()]


async def test_nothing_of_a_deleted_account_is_left(
    tenant: Tenant, receiver: Receiver, stack: RunningStack
) -> None:
    inside = Inside(stack)
    await live_in(tenant, receiver)
    assert len(await rows_with(inside, tenant.mark)) >= 8  # or it would look in the wrong place
    assert await inside.events(tenant.bot)
    assert await inside.points(tenant.account)
    assert blobs_of(stack, tenant.account)
    assert await keys_with(inside.redis, tenant.account)

    await deleted(tenant)

    assert (await tenant.api.get("/api/me")).status == 401
    assert await rows_with(inside, tenant.mark) == []
    assert await inside.points(tenant.account) == 0
    assert await inside.events(tenant.bot) == []
    assert await keys_with(inside.redis, tenant.account, tenant.mark) == []
    assert blobs_of(stack, tenant.account) == []
    # What stays are ids: of the job that says so, and of events, should one be sent again.
    left = set(await rows_with(inside, tenant.account))
    assert left <= {"gateway.jobs", "webhooks.events"}, left
