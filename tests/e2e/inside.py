"""The stack as its operator sees it: the rows of chat, and the stream of events."""

import asyncio
import json
import time
from typing import Any

import aiohttp
import psycopg
from psycopg.rows import dict_row

from libs.common import events
from libs.common.bus import Bus
from libs.common.config import CommonSettings
from tests.conftest import RunningStack

SETTLED = 120.0  # seconds for all events to be out


class Inside:
    """The stack as its operator sees it."""

    def __init__(self, stack: RunningStack) -> None:
        ports = json.loads((stack.data / "ports.json").read_text())
        secrets = json.loads((stack.data / "secrets.json").read_text())
        self.postgres = (
            f"postgresql://postgres:{secrets['postgres']}@127.0.0.1:{ports['postgres']}/chattery"
        )
        self.nats = f"nats://admin:{secrets['nats_admin']}@127.0.0.1:{ports['nats']}"
        self.redis = f"redis://127.0.0.1:{ports['redis']}/0"
        self.vectors = f"http://127.0.0.1:{ports['vectors']}"

    async def rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        async with await psycopg.AsyncConnection.connect(
            self.postgres, row_factory=dict_row, options="-c search_path=chat"
        ) as connection:
            await connection.execute("select set_config('app.account', '*', false)")
            return await (await connection.execute(query, arguments)).fetchall()  # pyright: ignore[reportArgumentType]

    async def events(self, bot: str) -> list[events.Event]:
        """What the stream holds of a chatbot, once nothing waits to be sent."""
        end = time.monotonic() + SETTLED
        while await self.rows("select 1 as n from outbox where published_at is null limit 1"):
            assert time.monotonic() < end, "events were not sent"
            await asyncio.sleep(0.1)
        settings = CommonSettings(NATS_URL=self.nats)  # pyright: ignore[reportCallIssue]
        async with Bus.open(settings, "test") as bus:
            held = await bus.replay("EVENTS", f"events.*.{bot}.>", limit=100_000)
        return [events.decode(message.data) for message in held]

    async def points(self, account: str) -> int:
        """How many passages of an account the vector server holds, in all its collections."""
        ours = {"must": [{"key": "account", "match": {"value": account}}]}
        async with aiohttp.ClientSession(self.vectors, raise_for_status=True) as server:
            async with server.get("/collections") as got:
                names = [one["name"] for one in (await got.json())["result"]["collections"]]
            found = 0
            for name in names:
                body = {"filter": ours, "exact": True}
                async with server.post(f"/collections/{name}/points/count", json=body) as got:
                    found += (await got.json())["result"]["count"]
        return found
