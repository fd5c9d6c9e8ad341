"""Two gateways on one database: what one is told, the other knows."""

import asyncio
import time

import pytest

from services.gateway import keys
from tests.conftest import Servers
from tests.integration.gateway.conftest import Api, Start, World
from tests.integration.gateway.test_people import login

WITHIN = 1.0  # seconds, as documented


def at(other: World, api: Api) -> Api:
    """The same client at another replica."""
    return Api(other.api.base, other.api.http, api.key, api.headers)


async def until_refused(api: Api, patience: float) -> float:
    started = time.monotonic()
    while (await api.get("/api/me")).status == 200:
        assert time.monotonic() - started < patience
        await asyncio.sleep(0.02)
    return time.monotonic() - started


async def test_a_revoked_key_is_refused_by_all_within_a_second(world: World, start: Start) -> None:
    other = await start(beside=world)
    key, api = await world.key(world.api, "admin")
    there = at(other, api)
    assert (await there.get("/api/me")).status == 200
    assert (await world.api("DELETE", f"/api/keys/{key}")).status == 204
    assert (await api.get("/api/me")).status == 401
    await until_refused(there, 20 * WITHIN)  # bench/door.py says how long it takes
    assert (await there.get("/api/me")).code == "invalid_api_key"


async def test_a_key_that_expires_or_loses_its_owner_is_refused_by_all(
    world: World, start: Start
) -> None:
    other = await start(beside=world)
    body = {"email": "admin@example.com", "role": "admin", "password": "admins passphrase"}
    user = (await world.api.post("/api/users", body)).body["id"]
    admin = await login(world.api, body["email"], body["password"])
    _, api = await world.key(admin, "chat")
    there = at(other, api)
    assert (await there.get("/api/me")).status == 200
    disabled = await world.api("PATCH", f"/api/users/{user}", {"status": "disabled"})
    assert disabled.status == 200
    await until_refused(there, 20 * WITHIN)


async def test_without_the_bus_a_revoked_key_lives_no_longer_than_it_is_trusted(
    world: World, start: Start, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keys.TRUSTED_FOR <= 30
    monkeypatch.setattr(keys, "TRUSTED_FOR", 2.0)
    other = await start(beside=world)
    key, api = await world.key(world.api, "admin")
    there = at(other, api)
    servers.kill("nats")
    try:
        assert (await there.get("/api/me")).status == 200
        assert (await world.api("DELETE", f"/api/keys/{key}")).status == 204
        assert (await api.get("/api/me")).status == 401
        await until_refused(there, 20.0)
    finally:
        servers.start("nats")


async def test_a_session_ended_at_one_is_ended_at_all(world: World, start: Start) -> None:
    other = await start(beside=world)
    owner = await login(world.api)
    there = at(other, owner)
    assert (await there.get("/api/me")).status == 200
    assert (await owner.post("/api/auth/logout")).status == 204
    assert (await there.get("/api/me")).status == 401
