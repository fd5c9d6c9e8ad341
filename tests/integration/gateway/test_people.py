"""People: logging in, sessions, roles, invitations, passwords, keys, the audit log."""

import asyncio
import re
import time
from typing import Any

import pytest

from libs.common import calls
from libs.common.envelope import Context
from services.gateway import links, sessions
from services.gateway.routes import ROUTES
from services.gateway.upkeep import Upkeep
from tests.integration.gateway.conftest import EMAIL, OPERATOR, PASSWORD, Api, World


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


async def invited(world: World, email: str, role: str = "agent") -> tuple[str, str]:
    """The id of an invited user and the token of the link."""
    made = await world.api.post("/api/users", {"email": email, "role": role})
    assert made.status == 201, made.raw
    return made.body["id"], made.body["invitation"].partition("token=")[2]


async def test_who_was_only_invited_does_not_count_as_an_owner(world: World) -> None:
    owner = (await world.api.get("/api/me")).body["user"]["id"]
    second, token = await invited(world, "second@example.com", "owner")
    left = await world.api("PATCH", f"/api/users/{owner}", {"role": "admin"})
    assert (left.status, left.code) == (409, "last_owner")
    accept = {"token": token, "password": "seconds passphrase"}
    assert (await world.api.with_("").post("/api/auth/invitation", accept)).status == 200
    assert (await world.api("PATCH", f"/api/users/{owner}", {"role": "admin"})).status == 200
    # A key of who is no owner any more touches no owner.
    assert (await world.api("DELETE", f"/api/users/{second}")).status == 403


async def test_who_is_disabled_gets_in_by_no_link_and_joins_when_enabled(world: World) -> None:
    user, token = await invited(world, "ada@example.com")
    async with world.gateway.db.system() as tx:
        reset = await links.make(world.gateway, tx, world.account, user, "reset")
    await world.api("PATCH", f"/api/users/{user}", {"status": "disabled"})
    nobody, password = world.api.with_(""), "adas own passphrase"
    for path, old in (
        ("/api/auth/invitation", token),
        ("/api/auth/reset/confirm", reset.partition("token=")[2]),
    ):
        refused = await nobody.post(path, {"token": old, "password": password})
        assert (refused.status, refused.code) == (400, "link_expired")
    enabled = await world.api("PATCH", f"/api/users/{user}", {"status": "active"})
    assert enabled.body["status"] == "invited"  # there is no password yet
    again = (await world.api.post(f"/api/users/{user}/invite")).body["invitation"]
    accept = {"token": again.partition("token=")[2], "password": password}
    assert (await nobody.post("/api/auth/invitation", accept)).status == 200


async def test_a_key_may_no_more_than_whose_it_is_may_by_now(world: World) -> None:
    body = {"email": "admin@example.com", "role": "admin", "password": "admins passphrase"}
    user = (await world.api.post("/api/users", body)).body["id"]
    _, api = await world.key(await login(world.api, body["email"], body["password"]), "admin")
    assert (await api.get("/api/users")).status == 200
    await world.api("PATCH", f"/api/users/{user}", {"role": "agent"})
    assert (await api.get("/api/users")).code == "insufficient_scope"
    assert (await api.get("/api/me")).body["scopes"] == ["conversations"]


async def test_a_user_has_so_many_sessions_and_the_oldest_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MOST", 3)
    opened = [await login(world.api) for _ in range(4)]
    assert [(await one.get("/api/me")).status for one in opened] == [401, 200, 200, 200]
    first = (await opened[-1].get("/api/auth/sessions?limit=2")).body
    cursor = first["pagination"]["cursor"]
    rest = (await opened[-1].get(f"/api/auth/sessions?limit=2&cursor={cursor}")).body
    assert len({one["id"] for one in first["data"] + rest["data"]}) == 3
    assert rest["pagination"] == {"cursor": None, "hasMore": False}


async def test_what_is_past_its_time_is_forgotten(world: World) -> None:
    await invited(world, "late@example.com")
    async with world.gateway.db.system() as tx:
        await tx.execute("update audit set at = now() - interval '400 days'")
        await tx.execute("update links set expires_at = now() - interval '1 second'")
    await Upkeep(world.gateway.db, world.settings.audit_days).round()
    async with world.gateway.db.system() as tx:
        for table in ("audit", "links"):
            rows = await (await tx.execute(f"select 1 as x from {table}")).fetchall()
            assert rows == []


async def test_an_admin_makes_no_owner(world: World) -> None:
    body = {"email": "admin@example.com", "role": "admin", "password": "admins passphrase"}
    assert (await world.api.post("/api/users", body)).status == 201
    admin = await login(world.api, "admin@example.com", "admins passphrase")
    grab = await admin.post("/api/users", {"email": "x@example.com", "role": "owner"})
    assert grab.status == 403
    same = await admin.post("/api/users", {"email": "admin@example.com"})
    assert (same.status, same.code) == (409, "email_taken")


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


async def test_a_key_expires_to_the_second(world: World) -> None:
    past = await world.api.post(
        "/api/keys", {"name": "k", "scopes": ["chat"], "expiresAt": "2020-01-01T00:00:00Z"}
    )
    assert past.status == 400
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 4))
    _, api = await world.key(world.api, "admin", expiresAt=soon)
    assert (await api.get("/api/me")).status == 200
    await asyncio.sleep(4.1)
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


NO_CHANGES = {  # of anything an account would ask about later
    "/api/chat/{chatbotId}",
    "/api/chat/{chatbotId}/answers/{answerId}/stop",
    "/api/widget/{chatbotId}/session",
    "/api/knowledge/search",
    "/api/conversations/{id}/typing",
}


def test_every_route_that_changes_something_is_in_the_audit_log_by_the_table() -> None:
    for route in ROUTES:
        by_itself = route.tag == "Operator"  # names the account that is changed
        if route.writes and route.path not in NO_CHANGES and not by_itself:
            assert route.audit, route.path


async def test_what_the_operator_does_to_an_account_is_in_its_audit_log(world: World) -> None:
    account, api = await world.account_of()
    operator = world.api.with_(OPERATOR)
    await operator("PATCH", f"/api/accounts/{account}", {"name": "Renamed"})
    entries = (await api.get("/api/audit")).body["data"]
    assert [(e["actorKind"], e["action"], e["target"]) for e in entries] == [
        ("operator", "patch-accounts-id", account),
        ("operator", "post-accounts", account),
    ]


# -- plans and accounts ----------------------------------------------------------------------


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
    end = time.monotonic() + 60
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
