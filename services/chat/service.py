"""What the chat service is made of."""

import asyncio
from contextlib import AsyncExitStack, suppress

from pydantic import AliasChoices, Field, SecretStr

from libs.common import streams
from libs.common.app import Service, bus_check
from libs.common.bus import Bus
from libs.common.config import DatabaseSettings
from libs.common.db import Database
from libs.common.errors import AppError
from libs.common.outbox import Outbox
from libs.common.telemetry import log
from libs.retrieval.search import RetrievalSettings, Retriever
from services.chat import handlers, texts
from services.chat.answerers.extractive import ExtractiveAnswerer
from services.chat.answerers.port import Answerer
from services.chat.answering import Runner
from services.chat.asking import Asking
from services.chat.bots import Bots
from services.chat.ends import Ends
from services.chat.exports import Exports
from services.chat.jobs import Jobs
from services.chat.people import People
from services.chat.reading import Answers
from services.chat.stats import Stats
from services.chat.talks import Talks
from services.chat.writing import Writer

WARM_TIMEOUT = 20.0  # seconds to load the embedder before questions are taken


class Settings(DatabaseSettings, RetrievalSettings):
    anthropic_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("ANTHROPIC_API_KEY")
    )
    anthropic_base_url: str | None = Field(
        default=None, validation_alias=AliasChoices("ANTHROPIC_BASE_URL")
    )
    model: str = "claude-sonnet-5-5"
    fallback_model: str = "claude-haiku-5-5"  # tried when the first can't be had; empty: none
    price_input: float = 3.0  # US dollars a million tokens
    price_output: float = 15.0
    price_cache_read: float = 0.3
    price_cache_write: float = 3.75
    fallback_price_input: float = 1.0
    fallback_price_output: float = 5.0
    fallback_price_cache_read: float = 0.1
    fallback_price_cache_write: float = 1.25
    answers_at_once: int = 600  # in one process
    answers_an_account: int = 300  # of them


async def build(settings: Settings, stack: AsyncExitStack) -> Service:
    await asyncio.to_thread(texts.load)
    url = settings.database_url.get_secret_value()
    db = await stack.enter_async_context(
        Database.open(url, schema="chat", service="chat", size=settings.db_pool)
    )
    leases = await stack.enter_async_context(
        Database.open(url, schema="chat", service="chat-leases", size=1)
    )
    bus = await stack.enter_async_context(Bus.open(settings, "chat"))
    await streams.ensure(bus.js, streams.EVENTS, streams.ANSWERS)
    retriever = await stack.enter_async_context(Retriever.open(settings))
    await _warm(retriever)
    model = await _model(settings, stack)
    outbox = Outbox(db, bus, "chat")
    runner = Runner(
        db,
        bus,
        Writer(db, retriever, model, ExtractiveAnswerer()),
        Ends(db, bus, outbox),
        leases=leases,
        slots=settings.answers_at_once,
        slots_an_account=settings.answers_an_account,
    )
    answers = Answers(db, bus, runner)
    jobs = Jobs(db, bus, outbox)
    await handlers.serve(
        bus,
        asking=Asking(db, bus, outbox, runner),
        answers=answers,
        bots=Bots(db, bus),
        talks=Talks(db, bus),
        people=People(db, bus, outbox),
        exports=Exports(db),
        stats=Stats(db, retriever),
        jobs=jobs,
    )

    async def drain(grace: float) -> None:
        """No more requests; what is being answered is answered, and its events go out."""
        await asyncio.gather(bus.stop_serving(grace), runner.drain(grace))

    return Service(
        "chat",
        checks={"bus": bus_check(bus), "postgres": db.ready},
        tasks={
            "outbox": outbox.relay(),
            "outbox-reconcile": outbox.reconcile(),
            "answers-sweep": runner.sweeps(),
            "answers-renew": runner.renewals(),
            "answers-save": runner.saves(),
            "answers-stop": answers.listen(),
            "streams": streams.keep(bus, streams.EVENTS, streams.ANSWERS),
            "jobs": jobs.run(),
            "forget": jobs.forget(),
            "warm": _keep_warm(retriever),
        },
        drain=drain,
    )


async def _model(settings: Settings, stack: AsyncExitStack) -> Answerer | None:
    """The model that answers, where a key is configured; answers are extracted otherwise."""
    key = settings.anthropic_api_key
    if key is None or not key.get_secret_value():
        return None
    # The SDK takes seconds and tens of MB to load: only where it is used.
    from services.chat.answerers.claude import ClaudeAnswerer, Model, Prices

    models = [
        Model(
            settings.model,
            Prices(
                settings.price_input,
                settings.price_output,
                settings.price_cache_read,
                settings.price_cache_write,
            ),
        )
    ]
    if settings.fallback_model not in ("", settings.model):
        prices = Prices(
            settings.fallback_price_input,
            settings.fallback_price_output,
            settings.fallback_price_cache_read,
            settings.fallback_price_cache_write,
        )
        models.append(Model(settings.fallback_model, prices))
    return await stack.enter_async_context(
        ClaudeAnswerer.open(
            key.get_secret_value(), settings.anthropic_base_url or None, tuple(models)
        )
    )


async def _warm(retriever: Retriever) -> None:
    """Load the embedder, or the first questions wait for it; without the store later will do."""
    with suppress(AppError, TimeoutError):
        async with asyncio.timeout(WARM_TIMEOUT):
            await retriever.warm()


async def _keep_warm(retriever: Retriever) -> None:
    """Load the embedder as soon as there is knowledge, until cancelled."""
    while True:
        try:
            if await retriever.warm():
                break
        except AppError as exc:
            log.info("not_warm_yet", reason=exc.message)
        await asyncio.sleep(2)
    await asyncio.Event().wait()
