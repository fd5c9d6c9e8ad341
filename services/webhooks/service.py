"""What the webhooks service is made of."""

from contextlib import AsyncExitStack
from datetime import timedelta

from pydantic import Field, SecretStr, field_validator

from libs.common.app import Service, bus_check
from libs.common.bus import Bus
from libs.common.config import Cidrs, DatabaseSettings, cidrs
from libs.common.db import Database
from libs.common.errors import AppError
from libs.common.ids import new_id
from libs.common.keyring import Keyring
from services.webhooks import schedule
from services.webhooks.deliveries import Deliveries
from services.webhooks.dispatcher import Dispatcher
from services.webhooks.endpoints import Endpoints
from services.webhooks.handlers import Handlers
from services.webhooks.intake import Intake
from services.webhooks.mail import Mail
from services.webhooks.resealing import Resealing
from services.webhooks.sender import LONGEST_TIMEOUT, TOTAL_TIMEOUT, Sender
from services.webhooks.targets import Targets
from services.webhooks.upkeep import Upkeep


class Settings(DatabaseSettings):
    keyring: SecretStr  # "1:<base64 of 32 bytes>,2:…"; the highest number seals
    webhook_allow: Cidrs = ()  # private addresses that may be delivered to
    webhook_http: bool = False  # plain http to any address that may be delivered to
    webhook_schedule: str = schedule.DEFAULT  # between attempts
    webhook_timeout: float = Field(TOTAL_TIMEOUT, gt=0, le=LONGEST_TIMEOUT)  # seconds, an attempt
    webhook_retention_days: float = 30.0  # of events and deliveries
    webhook_disable_after_hours: float = 120.0  # without a success
    webhook_upkeep_seconds: float = 20.0  # between two rounds of pruning and the like
    smtp_url: SecretStr | None = None  # smtp://user:password@host:port, or smtps://
    mail_from: str = "Chattery <no-reply@localhost>"

    _cidrs = field_validator("webhook_allow", mode="before")(cidrs)

    @field_validator("webhook_schedule")
    @classmethod
    def _schedule(cls, text: str) -> str:
        schedule.parse(text)
        return text


async def build(settings: Settings, stack: AsyncExitStack) -> Service:
    url = settings.database_url.get_secret_value()
    db = await stack.enter_async_context(
        Database.open(url, schema="webhooks", service="webhooks", size=settings.db_pool)
    )
    bus = await stack.enter_async_context(Bus.open(settings, "webhooks"))
    targets = Targets(settings.webhook_allow, http=settings.webhook_http)
    sender = await stack.enter_async_context(Sender.open(targets, timeout=settings.webhook_timeout))
    keyring = Keyring.parse(settings.keyring.get_secret_value())
    owner = new_id("req")
    steps = schedule.parse(settings.webhook_schedule)
    dispatcher = Dispatcher(db, sender, keyring, owner=owner, steps=steps)
    intake = Intake(db, bus, dispatcher, owner=owner)
    upkeep = Upkeep(
        db,
        owner=owner,
        every=settings.webhook_upkeep_seconds,
        keep=timedelta(days=settings.webhook_retention_days),
        longest=timedelta(seconds=sum(steps) * 2),
        disable_after=timedelta(hours=settings.webhook_disable_after_hours),
    )
    mail = Mail(
        db,
        bus,
        owner=owner,
        url=settings.smtp_url.get_secret_value() if settings.smtp_url else None,
        sender=settings.mail_from,
        every=settings.webhook_upkeep_seconds,
    )
    handlers = Handlers(Endpoints(db, bus, targets, keyring), Deliveries(db, dispatcher))
    await handlers.serve(bus)

    async def drain(grace: float) -> None:
        intake.stop()
        await bus.stop_serving(grace / 2)
        await dispatcher.drain(grace / 2)

    return Service(
        "webhooks",
        checks={"bus": bus_check(bus), "postgres": db.ready},
        tasks={
            "hints": intake.listen(),
            "intake": intake.run(),
            "claim": dispatcher.run(),
            "outcomes": dispatcher.write(),
            "alive": dispatcher.live(),
            "upkeep": upkeep.run(),
            "reseal": Resealing(db, keyring).at_start(),
            "mail": mail.run(),
        },
        drain=drain,
    )


async def reseal(settings: Settings) -> None:
    """The job that follows a new key: raises unless every secret is under it."""
    url = settings.database_url.get_secret_value()
    keyring = Keyring.parse(settings.keyring.get_secret_value())
    async with Database.open(url, schema="webhooks", service="webhooks", size=1) as db:
        if broken := await Resealing(db, keyring).run():
            raise AppError(f"{broken} secrets can't be opened with CHATTERY_KEYRING; see the log.")


JOBS = {"reseal": reseal}
