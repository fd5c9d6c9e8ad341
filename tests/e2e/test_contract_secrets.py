"""Secrets stay where they belong: never in a log, an error or a metric of any process."""

import asyncio
import json
import secrets

import pytest

from tests.conftest import RunningStack
from tests.e2e.client import Api

NOT_SECRET = {"email"}  # of what the stack made up for itself


@pytest.fixture
def told() -> set[str]:
    """Every secret this test has seen or sent."""
    return set()


async def heard(*replies: object, told: set[str]) -> None:
    """No error repeats a secret it was sent."""
    for reply in replies:
        text = json.dumps(reply.body) if not isinstance(reply.body, bytes) else str(reply.body)  # type: ignore[attr-defined]
        assert not [secret for secret in told if secret in text]


async def keys(api: Api, told: set[str]) -> None:
    made = (await api.post("/api/keys", {"name": "k", "scopes": ["chat"]})).body
    told |= {api.token, made["key"]}
    narrow = Api(api.session, api.base, made["key"])
    misplaced = [
        await narrow.get("/api/users"),
        await narrow.get(f"/api/chatbots?key={made['key']}"),
        await narrow.get(f"/api/{made['key']}"),
        await narrow.post("/api/chatbots", {"name": made["key"] * 10}),
        await narrow.post("/api/chatbots", {made["key"]: 1}),
        await api.call("DELETE", f"/api/keys/{made['id']}"),
        await narrow.get("/api/me"),
    ]
    assert [reply.status for reply in misplaced] == [403, 400, 404, 403, 403, 204, 401]


async def people(api: Api, stack: RunningStack, told: set[str]) -> None:
    password, wrong = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
    told |= {password, wrong, stack.dev["operatorToken"], stack.dev["password"]}
    email = f"{secrets.token_hex(4)}@secrets.example"
    made = (await api.post("/api/users", {"email": email})).body
    token = made["invitation"].partition("token=")[2]
    told.add(token)
    nobody = Api(api.session, api.base, "")
    joined = await nobody.post("/api/auth/invitation", {"token": token, "password": password})
    cookie = joined.headers["Set-Cookie"].partition(";")[0]
    told.add(cookie.partition("=")[2])
    login = {"email": email, "password": wrong}
    refused = [
        await nobody.post("/api/auth/login", login),
        await nobody.post("/api/auth/login", {**login, "passwort": wrong}),
        await nobody.post("/api/auth/login", data=f'{{"password": "{wrong}", '.encode()),
        await nobody.post("/api/auth/reset/confirm", {"token": token, "password": wrong}),
        await Api(api.session, api.base, stack.dev["operatorToken"]).get("/api/chatbots"),
    ]
    assert {reply.status for reply in refused} <= {400, 401, 415}
    await heard(*refused, told=told)
    async with api.session.post(
        f"{api.base}/api/auth/logout", headers={"Cookie": cookie, "X-Forwarded-For": api.address}
    ) as out:
        assert out.status == 204


async def chatbots(api: Api, told: set[str]) -> None:
    bot = await api.chatbot()
    identity = (await api.get(f"/api/chatbots/{bot}/identity")).body["secret"]
    session = (await api.post(f"/api/widget/{bot}/session", {})).body
    told |= {identity, session["token"]}
    visitor = Api(api.session, api.base, session["token"])
    await visitor.ask(bot, "Hello?")
    refused = [
        await visitor.get("/api/chatbots"),
        await visitor.post(f"/api/chat/{bot}", {"message": "x", "visitorId": "vis_else"}),
        await api.post(f"/api/widget/{bot}/session", {"token": session["token"] + "x"}),
        await api.post(
            f"/api/widget/{bot}/session", {"userId": "ada", "userHash": identity[:64].ljust(64)}
        ),
    ]
    await heard(*refused, told=told)


async def webhooks(api: Api, told: set[str]) -> None:
    header = secrets.token_urlsafe(24)
    made = await api.post(
        "/api/webhooks",
        {"url": "http://127.0.0.1:9/hook", "headers": {"Authorization": f"Bearer {header}"}},
    )
    if made.status == 201:
        told |= {made.body["secret"], header}
        rotated = await api.post(f"/api/webhooks/{made.body['id']}/rotate", {})
        told.add(rotated.body["secret"])
        await api.post(f"/api/webhooks/{made.body['id']}/test", {})


async def test_no_secret_is_in_a_log_an_error_or_a_metric(
    api: Api, stack: RunningStack, told: set[str]
) -> None:
    await keys(api, told)
    await people(api, stack, told)
    await chatbots(api, told)
    await webhooks(api, told)
    own = json.loads((stack.data / "secrets.json").read_text())
    told |= {value for name, value in own.items() if name not in NOT_SECRET}
    told |= {
        value.partition(":")[2] for name, value in own.items() if name in {"secret", "keyring"}
    }
    assert all(len(secret) >= 12 for secret in told)
    assert len(told) >= 20
    await asyncio.sleep(1.0)  # what is logged a little later is logged by now
    for name, text in {**written(stack), **await measured(api, stack)}.items():
        assert text, name
        found = [secret[:6] for secret in told if secret in text]
        assert not found, f"{name} has the secrets that begin with {found}"


def written(stack: RunningStack) -> dict[str, str]:
    """What servers and services wrote. The supervisor's screen is not a log: it shows the login."""
    logs = {path.name: path.read_text(errors="replace") for path in stack.data.glob("logs/*.log")}
    assert {"gateway.log", "chat.log", "webhooks.log", "ratelimit.log", "ingest.log"} <= set(logs)
    return {name: text for name, text in logs.items() if text}


async def measured(api: Api, stack: RunningStack) -> dict[str, str]:
    found: dict[str, str] = {}
    for service, base in stack.dev["health"].items():
        async with api.session.get(f"{base}/metrics") as got:
            found[f"the metrics of {service}"] = await got.text()
    return found
