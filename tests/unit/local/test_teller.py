"""`dev.json` while programs die: in the end it tells of those that run."""

import asyncio
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from deploy.local.__main__ import Teller


class Stack:
    """Writes slowly, as the gateway is slow to answer while it is restarted."""

    def __init__(self) -> None:
        self.written: list[Mapping[str, int]] = []
        self.writing = self.most = 0

    def write_dev_json(self, pids: Mapping[str, int]) -> None:
        self.writing += 1
        self.most = max(self.most, self.writing)
        time.sleep(0.2 if len(self.written) == 1 else 0.02)
        self.written.append(pids)
        self.writing -= 1


async def test_what_is_told_last_is_what_is_known_last() -> None:
    stack: Any = Stack()
    tell = Teller(stack)
    supervisor: Any = SimpleNamespace(pids={"chat": 0})
    tell.supervisor = supervisor
    await tell.begin()
    for pid in range(1, 5):
        supervisor.pids = {"chat": pid}
        tell.soon()
        await asyncio.sleep(0.01)
    async with asyncio.timeout(30):
        while stack.written[-1] != {"chat": 4}:
            await asyncio.sleep(0.01)
    await tell.stop()

    assert stack.most == 1
    assert stack.written[-1] == {"chat": 4}
