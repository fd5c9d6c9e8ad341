"""The gateway and the limiter in this process, on real NATS, Postgres and Valkey.

The services behind are played at the bus: what they answer is theirs to test, what the door
makes of it is tested here.
"""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from argon2 import PasswordHasher
from jsonschema import Draft202012Validator

from libs.common import calls
from libs.common.apikeys import new_key
from libs.common.app import Service, end
from libs.common.bus import Bus
from libs.common.config import CommonSettings
from libs.common.envelope import Context
from libs.common.errors import NotFound
from services.gateway import bootstrap, passwords
from services.gateway import service as gateway_service
from services.gateway.routes import TABLE
from services.gateway.settings import Settings
from services.gateway.site import contract
from services.ratelimit import service as limiter_service
from tests.conftest import Servers, TestDatabase
from tests.shapes import a_chatbot

OPERATOR = "op_" + secrets.token_hex(24)
PASSWORD = "correct horse battery"
EMAIL = "owner@example.com"
NOW = "2026-04-12T14:30:00Z"
_addresses = itertools.count(1)


class Behind:
    """The services behind the door: knows chatbots, echoes what it was asked."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.chatbots: dict[str, str] = {}  # id to account
        self.origins: dict[str, list[str]] = {}
        self.asked: list[tuple[str, Context, Any]] = []
        self.on: dict[str, Callable[[Context, Any], Awaitable[Any]]] = {}

    async def serve(self, endpoint: Any) -> None:
        async def answer(ctx: Context, request: Any) -> Any:
            self.asked.append((endpoint.subject, ctx, request))
            handler = self.on.get(endpoint.subject)
            if handler is None:
                raise NotFound
            return await handler(ctx, request)

        await self.bus.serve(endpoint, answer)

    def last(self, endpoint: Any) -> tuple[Context, Any]:
        return next((c, r) for s, c, r in reversed(self.asked) if s == endpoint.subject)

    def chatbot(self, account: str, chatbot: str = "") -> str:
        chatbot = chatbot or f"bot_{secrets.token_hex(8)}"
        self.chatbots[chatbot] = account
        return chatbot


def page(*items: Any) -> dict[str, Any]:
    return calls.Page(data=list(items), pagination=calls.Pagination(cursor=None, has_more=False))  # type: ignore[return-value]


@dataclass
class Api:
    """A client of the running gateway."""

    base: str
    http: aiohttp.ClientSession
    key: str
    headers: dict[str, str] = field(default_factory=dict)

    def with_(self, key: str | None = None, **headers: str) -> "Api":
        return Api(self.base, self.http, self.key if key is None else key, self.headers | headers)

    async def __call__(self, method: str, path: str, json: Any = None, **options: Any) -> "Reply":
        headers = {**self.headers, **options.pop("headers", {})}
        if self.key:
            headers.setdefault("Authorization", f"Bearer {self.key}")
        if json is not None:
            options["json"] = json
        async with self.http.request(method, self.base + path, headers=headers, **options) as got:
            reply = Reply(got.status, await got.read(), got.headers)
        keeps_the_contract(method, path, reply)
        return reply

    async def get(self, path: str, **options: Any) -> "Reply":
        return await self("GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> "Reply":
        return await self("POST", path, json, **options)


def keeps_the_contract(method: str, path: str, reply: "Reply") -> None:
    """What came back is what `/openapi.json` says may come back."""
    if not path.startswith("/api/") or reply.status == 405:
        return
    segments = path.partition("?")[0].strip("/").split("/")
    route = TABLE.find(segments)[0].get(method)
    if route is None:
        return
    validator = _validator(route.path, method.lower(), reply.status)
    if validator is not None and reply.headers.get("Content-Type") == "application/json":
        validator.validate(reply.body)


@cache
def _validator(path: str, method: str, status: int) -> Draft202012Validator | None:
    document = contract()
    told = document["paths"][path][method]["responses"]
    if status == 404 and str(status) not in told:  # a service that is only played knows nothing
        told = {"404": told["400"] if "400" in told else told["500"]}
    assert str(status) in told, f"{method} {path} may not answer {status}"
    content = told[str(status)].get("content", {}).get("application/json")
    if content is None:
        return None
    return Draft202012Validator({**content["schema"], "components": document["components"]})


@dataclass
class Reply:
    status: int
    raw: bytes
    headers: Any

    @property
    def body(self) -> Any:
        return msgspec.json.decode(self.raw)

    @property
    def code(self) -> str:
        return self.body["error"]["code"]


@dataclass
class World:
    """Everything a test of the door may want to touch."""

    api: Api
    behind: Behind
    settings: Settings
    gateway: Any
    service: Service
    database: TestDatabase
    account: str = ""

    async def account_of(self, plan: str = "enterprise") -> tuple[str, Api]:
        """A fresh account; its id and a client with its key (or without, as the plan has it)."""
        number = next(_addresses)
        made = await self.api.with_(OPERATOR).post(
            "/api/accounts",
            {
                "name": f"Account {number}",
                "plan": plan,
                "email": f"owner{number}@example.org",
                "password": PASSWORD,
            },
        )
        assert made.status == 201, made.raw
        return made.body["accountId"], self.api.with_(made.body["apiKey"] or "")

    async def key(self, api: Api, *scopes: str, **more: Any) -> tuple[str, Api]:
        """Another key of the same account: its id and a client with it."""
        made = await api.post("/api/keys", {"name": "test", "scopes": list(scopes), **more})
        assert made.status == 201, made.raw
        return made.body["id"], api.with_(made.body["key"])

    def somewhere(self, api: Api | None = None) -> Api:
        """The same client from an address of its own."""
        n = next(_addresses)
        return (api or self.api).with_(**{"X-Forwarded-For": f"203.0.{n // 250}.{n % 250 + 1}"})


Start = Callable[..., Awaitable[World]]


@pytest.fixture
async def start(
    servers: Servers,
    database: Callable[[str], TestDatabase],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Start]:
    """Starts a gateway with settings of the test's own, or another replica ``beside`` one."""
    for name in ("DATABASE_URL", "NATS_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(limiter_service, "REDIS_TIMEOUT", 5.0)  # a busy machine is not an outage
    quick = partial(PasswordHasher, time_cost=1, memory_cost=1 << 10, parallelism=1)
    monkeypatch.setattr(passwords, "PasswordHasher", quick)  # e2e tests have it as it is
    stack = AsyncExitStack()

    async def begin(
        *, limiter: bool = True, limits: str = "", beside: World | None = None, **settings: Any
    ) -> World:
        policies = tmp_path / "limits.json"
        if beside is None:
            await flush(servers.redis_url)
            policies.write_text(limits or "{}")
        made = beside.database if beside else database("gateway")
        key = beside.api.key if beside else new_key()
        chosen = Settings.model_validate(
            {
                "NATS_URL": servers.nats_url_of("gateway"),
                "DATABASE_URL": made.url,
                "REDIS_URL": servers.redis_url,
                "port": 0,
                "secret": "1:" + "ab" * 32,
                "blobs": f"file://{tmp_path / 'blobs'}",
                "rate_limits": policies,
                "trusted_proxies": "127.0.0.1/32",
                "operator_token": OPERATOR,
                "admin_email": EMAIL,
                "admin_password": PASSWORD,
                "bootstrap_api_key": key,
                "limiter_budget": 5.0,  # seconds; a busy machine is not an outage
                **settings,
            }
        )
        if limiter and beside is None:
            await background(stack, await limiter_service.build(
                limiter_service.Settings.model_validate({
                    "NATS_URL": servers.nats_url_of("ratelimit"),
                    "REDIS_URL": servers.redis_url,
                    "rate_limits": policies,
                }), stack))  # fmt: skip
        behind = beside.behind if beside else await play(stack, servers)
        gateway = await gateway_service.assemble(chosen, stack)
        await bootstrap.run(gateway)
        service = await gateway_service.serve(gateway, stack)
        await background(stack, service)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        api = Api(f"http://127.0.0.1:{gateway.port}", http, key)
        world = World(api, behind, chosen, gateway, service, made)
        world.account = (await api.get("/api/me")).body["accountId"]
        return world

    yield begin
    await stack.aclose()


async def background(stack: AsyncExitStack, service: Service) -> None:
    tasks = [asyncio.create_task(task) for task in service.tasks.values()]

    stack.push_async_callback(end, tasks, within=20)


async def flush(url: str) -> None:
    from redis.asyncio import Redis

    async with Redis.from_url(url) as client:
        await client.flushall()


async def play(stack: AsyncExitStack, servers: Servers) -> Behind:
    """Serve every call of chat, ingest and webhooks."""
    bus = {}
    for name in ("chat", "ingest", "webhooks"):
        settings = CommonSettings.model_validate({"NATS_URL": servers.nats_url})
        bus[name] = await stack.enter_async_context(Bus.open(settings, name))
    behind = Behind(bus["chat"])
    homes = {"chat": "chat", "knowledge": "ingest", "webhooks": "webhooks"}
    for endpoint in {
        e.subject: e for e in vars(calls).values() if isinstance(e, calls.Endpoint)
    }.values():
        if endpoint.service in homes and endpoint is not calls.CONVERSATION_EXPORT:
            behind.bus = bus[homes[endpoint.service]]
            await behind.serve(endpoint)
    behind.bus = bus["chat"]

    async def chatbots_of(ctx: Context, _: Any) -> Any:
        return page(
            *(a_chatbot(c, etag="v1") for c, a in behind.chatbots.items() if a == ctx.account)
        )

    async def chatbot(ctx: Context, request: Any) -> Any:
        if behind.chatbots.get(request.id) != ctx.account:
            raise NotFound
        return a_chatbot(request.id, etag="v1")

    async def create(ctx: Context, request: Any) -> Any:
        return a_chatbot(behind.chatbot(ctx.account), name=request.name, etag="v1")

    async def origins(_: Context, request: Any) -> Any:
        if request.id not in behind.chatbots:
            raise NotFound
        return calls.WidgetOrigins(
            account_id=behind.chatbots[request.id],
            enabled=True,
            allowed_origins=behind.origins.get(request.id, []),
        )

    behind.on[calls.CHATBOTS_LIST.subject] = chatbots_of
    behind.on[calls.CHATBOT_GET.subject] = chatbot
    behind.on[calls.CHATBOT_CREATE.subject] = create
    behind.on[calls.WIDGET_ORIGINS.subject] = origins
    return behind


@pytest.fixture
async def world(start: Start) -> World:
    """A gateway with the default settings and limits."""
    return await start()


@pytest.fixture
async def api(world: World) -> Api:
    return world.api
