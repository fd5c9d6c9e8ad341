"""Chat and ingest as they are built, on real servers, in this loop; the model is scripted."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from libs.common import calls, events
from libs.common.app import Service
from libs.common.bus import Bus
from libs.common.config import CommonSettings
from libs.common.db import Database
from libs.common.envelope import Actor, Context
from libs.common.errors import RemoteError
from libs.common.frames import Frame
from libs.common.ids import new_id
from libs.common.testing.model import Model
from services.chat import service as chat_service
from services.ingest import service as ingest_service
from tests.conftest import Servers, TestDatabase
from tests.serving import tasks_of

PATIENCE = 30.0  # seconds for anything to come about


class Answered(msgspec.Struct):
    """One answer as a client at the bus has it."""

    asked: calls.Asked
    frames: list[dict[str, Any]]
    last: dict[str, Any]

    @property
    def text(self) -> str:
        return "".join(frame["text"] for frame in self.frames)

    @property
    def finish(self) -> str:
        return self.last["finishReason"]


class Chat:
    """The running services, as their callers at the bus have them."""

    def __init__(
        self, bus: Bus, db: Database, account: str, forgotten: list[str], service: Service
    ) -> None:
        self.forgotten = forgotten  # conversations that webhooks was told to forget
        self.service = service
        self.bus = bus
        self.db = db
        self.account = account
        self.context = Context(
            account=account, actor=Actor(kind="user", id="usr_1", name="Ann", role="owner")
        )

    def visitor(self, visitor: str, chatbot: str) -> Context:
        actor = Actor(kind="visitor", id=visitor, chatbot=chatbot)
        return Context(account=self.account, actor=actor)

    async def call(self, endpoint: Any, request: Any, context: Context | None = None) -> Any:
        return await self.bus.request(endpoint, request, context or self.context, timeout=PATIENCE)

    async def refused(self, endpoint: Any, request: Any, context: Context | None = None) -> str:
        """The code a call is refused with."""
        with pytest.raises(RemoteError) as refusal:
            await self.call(endpoint, request, context)
        return refusal.value.wire_code

    async def bot(self, **settings: Any) -> str:
        made = await self.call(calls.CHATBOT_CREATE, calls.CreateChatbot(name="Help", **settings))
        return made.id

    async def knows(self, chatbot: str, question: str, answer: str) -> str:
        made = await self.call(
            calls.KNOWLEDGE_CREATE,
            calls.CreateItem(
                chatbot_id=chatbot,
                type="qa",
                content={"question": question, "answer": answer},  # pyright: ignore[reportArgumentType]
            ),
        )
        await self.indexed(made.id)
        return made.id

    async def indexed(self, item: str) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            found = await self.call(calls.KNOWLEDGE_GET, calls.ById(id=item))
            if found.status == "ready" and found.semantic == "done":
                return
            assert found.status != "failed", found.error
            assert time.monotonic() < end, found
            await asyncio.sleep(0.03)

    async def ask(
        self, chatbot: str, message: str, context: Context | None = None, **more: Any
    ) -> Answered:
        """Ask as the gateway does: listen first, then ask, then read to the last frame."""
        answer = new_id("ans")
        async with self.bus.live(f"answers.{answer}") as feed:
            request = calls.Ask(chatbot_id=chatbot, message=message, answer_id=answer, **more)
            asked = await self.call(calls.MESSAGE_CREATE, request, context)
            if asked.answer_id != answer:
                return await self.answer(chatbot, asked)
            frames: list[dict[str, Any]] = []
            end = time.monotonic() + PATIENCE
            while True:
                message_ = await feed.next(end - time.monotonic())
                assert message_ is not None, "the answer did not end"
                frame = Frame.from_bus(message_.data)
                data = msgspec.json.decode(frame.data)
                if frame.last:
                    return Answered(asked, frames, data)
                frames.append(data)

    async def answer(self, chatbot: str, asked: calls.Asked) -> Answered:
        """An answer once it ended, as it is kept."""
        end = time.monotonic() + PATIENCE
        while True:
            state = await self.call(
                calls.ANSWER_GET, calls.GetAnswer(chatbot_id=chatbot, answer_id=asked.answer_id)
            )
            if not state.running:
                frames = [msgspec.json.decode(frame) for frame in state.frames]
                return Answered(asked, frames[:-1], frames[-1])
            assert time.monotonic() < end, "the answer did not end"
            await asyncio.sleep(0.03)

    async def messages(self, conversation: str, context: Context | None = None) -> list[Any]:
        request = calls.ListMessages(id=conversation, limit=100)
        return (await self.call(calls.CONVERSATION_MESSAGES, request, context)).data

    async def conversation(self, id: str) -> calls.Conversation:
        return await self.call(calls.CONVERSATION_GET, calls.ById(id=id))

    async def events(self, conversation: str) -> list[Any]:
        """What chat told the world of a conversation, in the order of the stream."""
        async with self.db.system() as tx:
            cursor = await tx.execute(
                "select body from outbox where key = %s order by seq", (conversation,)
            )
            rows = await cursor.fetchall()
        return [events.decode(bytes(row["body"])).data for row in rows]

    async def job(self, id: str) -> calls.Job:
        end = time.monotonic() + PATIENCE
        while (job := await self.call(calls.JOB_GET, calls.ById(id=id))).status == "running":
            assert time.monotonic() < end, job
            await asyncio.sleep(0.1)
        return job


async def _erase_nothing(_: Context, __: calls.Erase) -> calls.Erased:
    return calls.Erased(done=True)


async def _seen_all(_: Context, request: calls.EventIds) -> calls.EventIds:
    return request


Start = Callable[..., Any]


@pytest.fixture
async def start(
    servers: Servers,
    database: Callable[[str], TestDatabase],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Start]:
    """Starts both services: ``await start(ANTHROPIC_API_KEY=…)``."""
    monkeypatch.setattr("services.ingest.dense.IDLE", 0.05)  # what is taught is found soon
    async with AsyncExitStack() as stack:
        urls = {name: database(name).url for name in ("chat", "ingest")}
        common: dict[str, Any] = {
            "NATS_URL": servers.nats_url,
            "QDRANT_URL": servers.qdrant_url,
            "collection": f"t{uuid.uuid4().hex[:12]}",
        }

        async def begin(**settings: Any) -> Chat:
            bus = await stack.enter_async_context(
                Bus.open(CommonSettings(NATS_URL=servers.nats_url), "test")  # pyright: ignore[reportCallIssue]
            )
            await bus.serve(calls.WEBHOOKS_ERASE, _erase_nothing)
            await bus.serve(calls.EVENTS_SEEN, _seen_all)
            forgotten: list[str] = []

            async def forget(_: Context, request: calls.ForgetConversations) -> calls.Erased:
                forgotten.extend(request.conversation_ids)
                return calls.Erased(done=True)

            await bus.serve(calls.WEBHOOKS_FORGET, forget)
            chat_settings: dict[str, Any] = {**common, "DATABASE_URL": urls["chat"], **settings}
            chat = await chat_service.build(chat_service.Settings(**chat_settings), stack)
            await stack.enter_async_context(tasks_of(chat))
            ingest_settings: dict[str, Any] = {
                **common,
                "DATABASE_URL": urls["ingest"],
                "blobs": f"file://{tmp_path / 'blobs'}",
                "ingest_extractors": 1,
            }
            ingest = await ingest_service.build(ingest_service.Settings(**ingest_settings), stack)
            await stack.enter_async_context(tasks_of(ingest))
            db = await stack.enter_async_context(
                Database.open(urls["chat"], schema="chat", service="chat", size=2)
            )
            return Chat(bus, db, new_id("acc"), forgotten, chat)

        yield begin


@pytest.fixture
async def chat(start: Start) -> Chat:
    """Without a model: answers are extracted."""
    return await start()


@pytest.fixture
async def model() -> AsyncIterator[Model]:
    async with Model.open() as opened:
        yield opened


@pytest.fixture
async def talking(start: Start, model: Model) -> Chat:
    """With the scripted model."""
    return await start(ANTHROPIC_API_KEY="test", ANTHROPIC_BASE_URL=model.url)
