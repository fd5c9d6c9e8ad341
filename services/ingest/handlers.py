"""Entry points: what comes over the bus, handed to the domain."""

import asyncio

from nats.aio.msg import Msg

from libs.common import calls, events
from libs.common.bus import Bus
from libs.common.consumers import Consumer
from libs.common.envelope import Context
from libs.common.events import AccountDeleted, ChatbotDeleted
from libs.common.streams import EVENTS
from libs.retrieval.search import Retriever
from services.ingest.erasure import Erasure
from services.ingest.knowledge import Knowledge

DELETIONS = Consumer(
    stream=EVENTS,
    durable="ingest-deletions",
    subjects=("events.*.*.chatbot_deleted", "events.*.*.account_deleted"),
    concurrency=4,
)
LONGEST_ERASURE = 900.0  # seconds of one try; the next goes on where it ended
SEARCHES = 16  # at once in one process


class Handlers:
    def __init__(self, knowledge: Knowledge, erasure: Erasure, retriever: Retriever) -> None:
        self._knowledge = knowledge
        self._erasure = erasure
        self._retriever = retriever

    async def serve(self, bus: Bus) -> None:
        knowledge = self._knowledge
        await bus.serve(calls.KNOWLEDGE_LIST, knowledge.page)
        await bus.serve(calls.KNOWLEDGE_CREATE, knowledge.create)
        await bus.serve(calls.KNOWLEDGE_UPLOAD, self.upload)
        await bus.serve(calls.KNOWLEDGE_SCRAPE, knowledge.scrape)
        await bus.serve(calls.KNOWLEDGE_GET, knowledge.get)
        await bus.serve(calls.KNOWLEDGE_UPDATE, knowledge.update)
        await bus.serve(calls.KNOWLEDGE_DELETE, self.delete)
        await bus.serve(calls.KNOWLEDGE_RETRY, knowledge.retry)
        await bus.serve(calls.KNOWLEDGE_RESYNC, knowledge.resync)
        await bus.serve(calls.KNOWLEDGE_CANCEL, knowledge.cancel)
        await bus.serve(calls.KNOWLEDGE_CHUNKS, knowledge.chunks)
        await bus.serve(calls.KNOWLEDGE_SEARCH, self.search, concurrency=SEARCHES)
        await bus.serve(calls.KNOWLEDGE_USAGE, self.usage)
        await bus.serve(calls.KNOWLEDGE_ERASE, self.erase)

    async def upload(self, context: Context, request: calls.CreateUploads) -> calls.Items:
        return calls.Items(data=await self._knowledge.upload(context, request))

    async def delete(self, context: Context, request: calls.ById) -> calls.Done:
        await self._knowledge.delete(context, request)
        return calls.Done()

    async def usage(self, context: Context, _: calls.NoParameters) -> calls.KnowledgeUsage:
        return await self._knowledge.usage(context)

    async def erase(self, context: Context, request: calls.Erase) -> calls.Erased:
        return await self._erasure.erase(context.account, request)

    async def search(self, context: Context, request: calls.SearchKnowledge) -> calls.SearchResult:
        found = await self._retriever.search(
            context.account, request.chatbot_id, request.query, limit=request.limit
        )
        return calls.SearchResult(
            data=[
                calls.FoundPassage(
                    score=passage.score,
                    knowledge_id=passage.knowledge_id,
                    title=passage.title,
                    url=passage.url,
                    page=passage.page,
                    headings=passage.headings,
                    text=passage.text,
                )
                for passage in found.passages
            ],
            answerable=found.answerable,
        )

    async def deleted(self, message: Msg) -> None:
        """A chatbot or an account is gone: so is what it knew."""
        event = events.decode(message.data)
        if isinstance(event.data, ChatbotDeleted):
            self._knowledge.forget_chatbot(event.account_id, event.data.chatbot_id)
            wanted = calls.Erase(chatbot_id=event.data.chatbot_id, job_id=event.data.job_id)
        elif isinstance(event.data, AccountDeleted):
            wanted = calls.Erase(chatbot_id=None, job_id=event.data.job_id)
        else:
            return
        async with asyncio.timeout(LONGEST_ERASURE):
            while not (await self._erasure.erase(event.account_id, wanted)).done:
                await asyncio.sleep(1.0)
