"""People: logging in, sessions, roles, invitations, passwords, keys, the audit log."""

import asyncio
import re
import time
from email import message_from_bytes
from email.message import Message
from typing import Any

from libs.common import calls
from libs.common.envelope import Context
from tests.integration.gateway.conftest import EMAIL, OPERATOR, PASSWORD, Api, Start, World


async def login(api: Api, email: str = EMAIL, password: str = PASSWORD) -> Api:
    reply = await api.with_("").post("/api/auth/login", {"email": email, "password": password})
    assert reply.status == 200, reply.raw
    cookie = reply.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    return api.with_("", Cookie=cookie.partition(";")[0])


async def test_a_login_gives_a_session_until_logout(world: World) -> None:
    owner = await login(world.api)
    me = (await owner.get("/api/me")).body
    assert (me["accountId"], me["user"]["role"]) == (world.account, "owner")
    assert (await owner.get("/api/chatbots")).status == 200
    assert (await owner.post("/api/auth/logout")).status == 204
    assert (await owner.get("/api/me")).status == 401


async def test_a_wrong_password_and_an_unknown_address_look_the_same(world: World) -> None:
    replies = [
        await world.api.with_("").post("/api/auth/login", {"email": email, "password": "wrong pw"})
        for email in (EMAIL, "nobody@example.com")
    ]
    assert [(r.status, r.code) for r in replies] == [(401, "bad_credentials")] * 2
    assert replies[0].body == replies[1].body


async def test_logins_are_throttled_by_account_whatever_the_address(world: World) -> None:
    body = {"email": EMAIL, "password": "wrong password"}
    found = [
        (await world.somewhere(world.api.with_("")).post("/api/auth/login", body)).status
        for _ in range(11)
    ]
    assert found == [401] * 10 + [429]


async def test_a_change_with_a_session_must_come_from_our_own_pages(world: World) -> None:
    owner = await login(world.api)
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Referer": "https://evil.example/page"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        reply = await owner.post("/api/chatbots", {"name": "x"}, headers=headers)
        assert (reply.status, reply.code) == (403, "cross_site_request"), headers
    own = {"Origin": world.api.base}
    assert (await owner.post("/api/chatbots", {"name": "x"}, headers=own)).status == 201


async def test_sessions_are_listed_and_ended_one_by_one(world: World) -> None:
    here, there = await login(world.api), await login(world.api)
    sessions = (await here.get("/api/auth/sessions")).body["data"]
    assert len(sessions) == 2
    other = next(s for s in sessions if not s["current"])
    assert (await here("DELETE", f"/api/auth/sessions/{other['id']}")).status == 204
    assert (await there.get("/api/me")).status == 401
    assert (await here.get("/api/me")).status == 200
    body = {"current": PASSWORD, "password": "another passphrase"}
    assert (await here.post("/api/auth/password", body)).status == 204
    await login(world.api, password="another passphrase")


async def test_a_person_is_invited_and_sees_what_the_role_allows(world: World) -> None:
    made = await world.api.post("/api/users", {"email": "Agent@example.com", "role": "agent"})
    assert (made.status, made.body["status"]) == (201, "invited")
    token = made.body["invitation"].partition("token=")[2]
    accept = {"token": token, "password": "agents passphrase", "name": "Ada"}
    assert (await world.api.with_("").post("/api/auth/invitation", accept)).status == 200
    again = await world.api.with_("").post("/api/auth/invitation", accept)
    assert (again.status, again.code) == (400, "link_expired")
    agent = await login(world.api, "agent@example.com", "agents passphrase")
    assert (await agent.get("/api/chatbots")).status == 200
    assert (await agent.get("/api/users")).code == "insufficient_scope"
    assert (await agent.post("/api/chatbots", {"name": "x"})).code == "insufficient_scope"
    disabled = await world.api("PATCH", f"/api/users/{made.body['id']}", {"status": "disabled"})
    assert disabled.body["status"] == "disabled"
    assert (await agent.get("/api/chatbots")).status == 401


async def test_an_account_keeps_an_owner(world: World) -> None:
    owner = (await world.api.get("/api/me")).body["user"]["id"]
    for attempt in (
        await world.api("PATCH", f"/api/users/{owner}", {"role": "agent"}),
        await world.api("PATCH", f"/api/users/{owner}", {"status": "disabled"}),
        await world.api("DELETE", f"/api/users/{owner}"),
    ):
        assert (attempt.status, attempt.code) == (409, "last_owner")


async def test_an_admin_makes_no_owner(world: World) -> None:
    body = {"email": "admin@example.com", "role": "admin", "password": "admins passphrase"}
    assert (await world.api.post("/api/users", body)).status == 201
    admin = await login(world.api, "admin@example.com", "admins passphrase")
    grab = await admin.post("/api/users", {"email": "x@example.com", "role": "owner"})
    assert grab.status == 403
    same = await admin.post("/api/users", {"email": "admin@example.com"})
    assert (same.status, same.code) == (409, "email_taken")


async def test_a_forgotten_password_is_set_anew_by_mail(start: Start) -> None:
    mails: list[Message] = []
    server = await asyncio.start_server(lambda r, w: smtp(r, w, mails), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        world = await start(
            smtp_url=f"smtp://127.0.0.1:{port}", public_url="http://chat.example.com"
        )
        before = await login(world.api)
        for email in (EMAIL, "nobody@example.com"):
            asked = await world.api.with_("").post("/api/auth/reset", {"email": email})
            assert (asked.status, asked.body) == (202, {"accepted": True})
        end = time.monotonic() + 10
        while not mails:
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
    assert [mail["To"] for mail in mails] == [EMAIL]
    text = mails[0].get_payload(decode=True)
    assert isinstance(text, bytes)
    link = re.search(r"http://chat\.example\.com/dashboard#/reset\?token=(\S+)", text.decode())
    assert link is not None
    new = {"token": link.group(1), "password": "a brand new passphrase"}
    assert (await world.api.with_("").post("/api/auth/reset/confirm", new)).status == 200
    assert (await before.get("/api/me")).status == 401
    await login(world.api, password="a brand new passphrase")


async def smtp(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mails: list[Message]
) -> None:
    """As much of SMTP as a client needs to hand over one mail."""
    writer.write(b"220 test\r\n")
    while line := await reader.readline():
        if line.upper().startswith(b"DATA"):
            writer.write(b"354 go on\r\n")
            mails.append(message_from_bytes(await reader.readuntil(b"\r\n.\r\n")))
        if line.upper().startswith(b"QUIT"):
            writer.write(b"221 bye\r\n")
            break
        writer.write(b"250 ok\r\n")
    writer.close()


# -- keys ------------------------------------------------------------------------------------


async def test_a_key_is_shown_once_and_stored_as_a_hash(world: World) -> None:
    made = (await world.api.post("/api/keys", {"name": "Server", "scopes": ["chat"]})).body
    assert re.fullmatch(r"ck_live_[0-9A-Za-z]{49}", made["key"])
    listed = (await world.api.get("/api/keys")).body["data"]
    assert made["id"] in [key["id"] for key in listed]
    assert not any("key" in key for key in listed)
    async with world.gateway.db.system() as tx:
        rows = await (await tx.execute("select keys::text as row from keys")).fetchall()
    assert not any(made["key"] in row["row"] for row in rows)
    test = (await world.api.post("/api/keys", {"name": "T", "scopes": ["chat"], "test": True})).body
    assert test["key"].startswith("ck_test_")


async def test_a_key_revoked_at_one_replica_is_refused_at_all(world: World, start: Start) -> None:
    """Another replica is this one's cache as it was before it heard."""
    key, api = await world.key(world.api, "admin")
    assert (await api.get("/api/me")).status == 200
    known = dict(world.gateway.keys._known)
    await world.api("DELETE", f"/api/keys/{key}")
    world.gateway.keys._known.update(known)  # as if this replica had not been the one
    assert (await api.get("/api/me")).status == 200
    from services.gateway.keys import REVOKED

    await world.behind.bus.publish(REVOKED, f'{{"key":"{key}"}}'.encode())
    await asyncio.sleep(0.5)
    assert (await api.get("/api/me")).status == 401


async def test_a_key_expires_to_the_second(world: World) -> None:
    past = await world.api.post(
        "/api/keys", {"name": "k", "scopes": ["chat"], "expiresAt": "2020-01-01T00:00:00Z"}
    )
    assert past.status == 400
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    _, api = await world.key(world.api, "admin", expiresAt=soon)
    assert (await api.get("/api/me")).status == 200
    await asyncio.sleep(2.1)
    assert (await api.get("/api/me")).status == 401


async def test_lists_are_paged_by_cursor(world: World) -> None:
    for number in range(4):
        await world.key(world.api, "chat", name=f"k{number}")
    names: list[str] = []
    cursor = ""
    while True:
        reply = (await world.api.get(f"/api/keys?limit=2{cursor}")).body
        names += [key["name"] for key in reply["data"]]
        if not reply["pagination"]["hasMore"]:
            break
        cursor = f"&cursor={reply['pagination']['cursor']}"
    assert names == ["k3", "k2", "k1", "k0", "bootstrap"]


async def test_every_change_is_in_the_audit_log(world: World) -> None:
    chatbot = (await world.api.post("/api/chatbots", {"name": "x"})).body["id"]
    owner = await login(world.api)
    await owner("PATCH", "/api/account", {"name": "Renamed"})
    entries = (await world.api.get("/api/audit")).body["data"]
    found = [(e["action"], e["actorKind"], e["target"]) for e in entries]
    assert found[0] == ("patch-account", "user", world.account)
    assert found[1][:2] == ("post-auth-login", "user")
    assert found[2] == ("post-chatbots", "key", chatbot)
    only = await world.api.get("/api/audit?action=post-chatbots")
    assert len(only.body["data"]) == 1


# -- plans and accounts ----------------------------------------------------------------------


async def test_a_plans_limits_are_held(world: World) -> None:
    _account, _ = await world.account_of("free")
    operator = world.api.with_(OPERATOR)
    made = await operator.post(
        "/api/accounts",
        {"name": "F", "plan": "free", "email": "free@example.com", "password": PASSWORD},
    )
    assert made.body["apiKey"] is None
    owner = await login(world.api, "free@example.com")
    counts = {"chatbots": 1, "messages": 100}

    async def usage(_: Context, __: Any) -> Any:
        return calls.ChatUsage(**counts, tokens=0)

    world.behind.on[calls.CHAT_USAGE.subject] = usage
    full = await owner.post("/api/chatbots", {"name": "Second"})
    assert (full.status, full.code) == (403, "plan_limit_reached")
    assert full.body["error"]["details"] == {"limit": "chatbots", "max": 1}
    chatbot = world.behind.chatbot(made.body["accountId"])
    over = await owner.post(f"/api/chat/{chatbot}", {"message": "Hello"})
    assert over.body["error"]["details"] == {"limit": "messages", "max": 100}
    seat = await owner.post("/api/users", {"email": "second@example.com"})
    assert seat.body["error"]["details"] == {"limit": "seats", "max": 1}


async def test_an_account_is_deleted_with_all_its_data(world: World) -> None:
    account, api = await world.account_of()
    erased: list[tuple[str, str]] = []

    def eraser(service: str) -> Any:
        async def erase(ctx: Context, request: Any) -> Any:
            erased.append((service, ctx.account))
            return calls.Erased(done=len([e for e in erased if e[0] == service]) > 1)

        return erase

    for endpoint in (calls.CHAT_ERASE, calls.KNOWLEDGE_ERASE, calls.WEBHOOKS_ERASE):
        world.behind.on[endpoint.subject] = eraser(endpoint.service)
    operator = world.api.with_(OPERATOR)
    deletion = await operator("DELETE", f"/api/accounts/{account}")
    assert deletion.status == 202
    assert (await api.get("/api/me")).status == 401
    end = time.monotonic() + 20
    job: dict[str, Any] = {}
    while job.get("status") != "done":
        assert time.monotonic() < end, job
        await asyncio.sleep(0.2)
        job = (await operator.get(f"/api/accounts/jobs/{deletion.body['job']}")).body
    assert set(erased) == {(s, account) for s in ("chat", "knowledge", "webhooks")}
    async with world.gateway.db.system() as tx:
        for table in ("users", "keys", "audit"):
            rows = await tx.execute(
                f"select count(*) as n from {table} where account_id = %s", (account,)
            )
            found = await rows.fetchone()
            assert found is not None
            assert found["n"] == 0


async def test_row_level_security_shows_an_account_its_own_rows_alone(world: World) -> None:
    other, _ = await world.account_of()
    async with world.gateway.db.transaction(other) as tx:
        for table, column in (("accounts", "id"), ("users", "account_id"), ("keys", "account_id")):
            rows = await (
                await tx.execute(f"select distinct {column} as a from {table}")
            ).fetchall()
            assert [row["a"] for row in rows] == [other]
