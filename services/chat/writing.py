"""Writing one answer: find passages, then let someone write from them, piece by piece."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Literal

import msgspec

from libs.common.calls import Chatbot, Message
from libs.common.db import Database
from libs.common.errors import Unavailable
from libs.common.telemetry import log
from libs.retrieval.passages import Passages
from libs.retrieval.search import Retriever
from services.chat import metrics, smalltalk, texts, words
from services.chat.answerers.extractive import deltas, space
from services.chat.answerers.port import Answerer, Delta, Ending, Question, Turn
from services.chat.ends import MISSES_TO_ESCALATE
from services.chat.sheet import Sheet
from services.chat.store import answers, chatbots, conversations, messages
from services.chat.store.answers import AnswerRow
from services.chat.store.conversations import ConversationRow

HISTORY = 20  # earlier messages that are looked at
PASSAGES = 6
RETRIEVAL_TIMEOUT = 10.0  # seconds, tries included


_SIDES: dict[str, Literal["visitor", "bot", "person"]] = {"visitor": "visitor", "admin": "person"}


class Scene(msgspec.Struct, frozen=True):
    """What an answer is written from; ``found`` where looking for it began already."""

    account: str
    language: str
    chatbot: Chatbot
    talk: ConversationRow
    text: str
    history: list[Turn]
    found: "asyncio.Task[Passages] | None" = None


def turns(earlier: Sequence[Message]) -> list[Turn]:
    """What was said before a question, oldest first."""
    return [
        Turn(_SIDES.get(message.sender, "bot"), message.text)
        for message in earlier
        if message.text and message.status != "error"
    ]


class ConversationGone(Exception):
    """The chatbot or the conversation was deleted while the answer waited."""


class Writer:
    def __init__(
        self, db: Database, retriever: Retriever, model: Answerer | None, extractive: Answerer
    ) -> None:
        self._db = db
        self._retriever = retriever
        self._model = model
        self._extractive = extractive
        self._looking: set[asyncio.Task[Passages]] = set()

    def look(self, scene: Scene) -> Scene:
        """Begin to look for what the answer is to be written from, before it is time to write it.

        Should it never be, the search ends by itself.
        """
        if self._without_knowledge(scene):
            return scene
        looking = asyncio.create_task(self._find(scene, scene.text))
        self._looking.add(looking)
        looking.add_done_callback(self._looked)
        return msgspec.structs.replace(scene, found=looking)

    def _looked(self, looking: "asyncio.Task[Passages]") -> None:
        self._looking.discard(looking)
        if not looking.cancelled():
            looking.exception()  # is for who waits for it, if anybody does

    async def write(self, answer: AnswerRow, sheet: Sheet, scene: Scene | None = None) -> None:
        """Show the answer piece by piece, and in the sheet's ``ending`` how it went.

        Without a scene it is read first. Raises `ConversationGone`, `AnswerFailed`.
        """
        scene = scene or await self._read(answer)
        async with aclosing(self._pieces(scene, sheet)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Ending):
                    sheet.ending = piece
                    continue
                first = sheet.first_token_ms is None
                await sheet.write(piece.text)
                if first and sheet.first_token_ms is not None:
                    metrics.FIRST_TOKEN.observe(sheet.first_token_ms / 1000)
                if not piece.last:
                    await sheet.rest(slow=piece.slow)

    async def _read(self, answer: AnswerRow) -> Scene:
        account = answer.account_id
        async with self._db.transaction(account, pipelined=True) as tx:
            chatbot = await chatbots.get(tx, account, answer.chatbot_id)
            talk = await conversations.get(tx, account, answer.conversation_id)
            said = await messages.up_to(
                tx, account, answer.conversation_id, answer.question_id, HISTORY + 1
            )
        if chatbot is None or talk is None or not said or said[-1].id != answer.question_id:
            raise ConversationGone
        *earlier, question = said
        return Scene(account, answer.language, chatbot, talk, question.text, turns(earlier))

    def _without_knowledge(self, scene: Scene) -> str:
        """What is said without looking anything up; empty where something has to be."""
        if known := _by_heart(scene):
            return known
        if self._model is None and _forbidden(scene):
            return texts.text(texts.FORBIDDEN, scene.language)
        return ""

    async def _pieces(self, scene: Scene, sheet: Sheet) -> AsyncGenerator[Delta | Ending, None]:
        if scene.talk.public.status == "escalated":  # people took over while this one waited
            yield Ending(finish="escalated")
            return
        if scene.found is None and (known := self._without_knowledge(scene)):
            yield Delta(known, last=True)
            yield Ending()
            return
        found = await (scene.found or self._find(scene, scene.text))
        if not found.answerable or not found.passages:
            for piece in deltas(_abstention(scene)):
                yield piece
            yield Ending(finish="no_answer")
            return
        question = Question(
            chatbot=scene.chatbot,
            language=scene.language,
            text=scene.text,
            asked=found.query or scene.text,
            history=scene.history,
            passages=found.passages,
            search=lambda query: self._find(scene, query),
            relate=self._retriever.relate,
            spent=sheet.spent,
        )
        answerer = await self._answerer(scene)
        async with aclosing(answerer.answer(question)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Ending) and not sheet.text and piece.finish != "escalated":
                    yield Delta(_abstention(scene), last=True)  # a model that said nothing at all
                    piece = Ending(finish="no_answer")
                yield piece

    async def _answerer(self, scene: Scene) -> Answerer:
        """The model, unless there is none or its budget for today is spent."""
        if self._model is None:
            return self._extractive
        budget = scene.chatbot.limits.daily_tokens
        if budget is not None:
            account = scene.account
            async with self._db.transaction(account) as tx:
                spent = await answers.tokens_today(tx, account, scene.chatbot.id)
            if spent >= budget:
                log.info("budget_spent", chatbot=scene.chatbot.id, spent=spent)
                return self._extractive
        return self._model

    async def _find(self, scene: Scene, query: str) -> Passages:
        """Passages for a question; the store may be away for a moment."""
        earlier = [turn.text for turn in scene.history if turn.by == "visitor"]
        started = time.perf_counter()
        outcome = "failed"
        try:
            async with asyncio.timeout(RETRIEVAL_TIMEOUT):
                while True:
                    try:
                        found = await self._retriever.search(
                            scene.account,
                            scene.chatbot.id,
                            query,
                            limit=PASSAGES,
                            history=earlier[-3:],
                            language=scene.language,
                        )
                    except Unavailable as exc:
                        log.warning("search_repeated", reason=exc.message)
                        await asyncio.sleep(random.uniform(0.2, 0.6))
                    else:
                        outcome = "answerable" if found.answerable else "below_floor"
                        return found
        except TimeoutError as exc:
            raise Unavailable("The knowledge could not be searched in time.") from exc
        finally:
            metrics.RETRIEVAL_SECONDS.labels(outcome).observe(time.perf_counter() - started)


def _by_heart(scene: Scene) -> str:
    """The answer to what is not a question; empty when it is one."""
    said, language = scene.text, scene.language
    if smalltalk.is_greeting(said):
        greeting = scene.chatbot.personality.greeting
        return greeting or texts.text(texts.GREETING, language)
    if smalltalk.is_thanks(said):
        return texts.text(texts.WELCOME, language)
    if smalltalk.is_goodbye(said):
        return texts.text(texts.GOODBYE, language)
    if smalltalk.asks_who_answers(said):
        return texts.text(texts.DISCLOSURE, language)
    if scene.talk.floor_misses and smalltalk.is_no(said):  # a person was offered
        return texts.text(texts.DECLINED, language)
    return ""


def _forbidden(scene: Scene) -> bool:
    topics = scene.chatbot.personality.forbidden_topics
    return any(words.mentions(scene.text, topic) for topic in topics)


def _abstention(scene: Scene) -> str:
    """That it is not known, in the visitor's language, and the offer of a person."""
    language = scene.language
    told = texts.text(texts.NO_ANSWER, language)
    repeated = scene.talk.floor_misses + 1 >= MISSES_TO_ESCALATE
    if scene.chatbot.handoff.enabled and not repeated:
        told += space(told) + texts.text(texts.OFFER_PERSON, language)
    return told
