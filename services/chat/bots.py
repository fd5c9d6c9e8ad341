"""Chatbots as their owners manage them, and the widget as visitors open it."""

from libs.common.bus import Bus
from libs.common.calls import (
    ById,
    Chatbot,
    CreateChatbot,
    Deletion,
    IdentitySecret,
    Job,
    ListChatbots,
    OpenWidget,
    Page,
    UpdateChatbot,
    WidgetOpened,
    WidgetOrigins,
)
from libs.common.db import Database, Tx
from libs.common.envelope import Context
from libs.common.ids import new_id
from services.chat import chatbots as settings
from services.chat import widget
from services.chat.errors import IdentityRequired, NoChatbot, NoJob, NoVisitor
from services.chat.store import chatbots, conversations, live


class Bots:
    def __init__(self, db: Database, bus: Bus) -> None:
        self._db = db
        self._bus = bus

    async def page(self, context: Context, request: ListChatbots) -> Page[Chatbot]:
        async with self._db.transaction(context.account) as tx:
            return await chatbots.page(tx, context.account, request)

    async def create(self, context: Context, request: CreateChatbot) -> Chatbot:
        made = settings.made(request)
        async with self._db.transaction(context.account) as tx:
            return await chatbots.insert(tx, context.account, made, settings.new_identity_secret())

    async def get(self, context: Context, request: ById) -> Chatbot:
        async with self._db.transaction(context.account) as tx:
            return await _existing(tx, context.account, request.id)

    async def update(self, context: Context, request: UpdateChatbot) -> Chatbot:
        async with self._db.transaction(context.account) as tx:
            before = await _existing(tx, context.account, request.id, lock=True)
            return await chatbots.update(tx, context.account, settings.patched(before, request))

    async def delete(self, context: Context, request: ById) -> Deletion:
        """Gone at once for everybody; a job removes what is left of it."""
        job = new_id("job")
        async with self._db.transaction(context.account) as tx:
            if not await chatbots.mark_deleting(tx, context.account, request.id):
                raise NoChatbot
            await live.add_job(tx, context.account, job, "delete_chatbot", request.id)
        return Deletion(id=request.id, job=job)

    async def delete_visitor(self, context: Context, request: ById) -> Deletion:
        job = new_id("job")
        async with self._db.transaction(context.account) as tx:
            if not await chatbots.visitor_exists(tx, context.account, request.id):
                raise NoVisitor
            await live.add_job(tx, context.account, job, "delete_visitor", request.id)
        return Deletion(id=request.id, job=job)

    async def job(self, context: Context, request: ById) -> Job:
        async with self._db.transaction(context.account) as tx:
            found = await live.job(tx, context.account, request.id)
        if found is None:
            raise NoJob
        return found

    async def identity(self, context: Context, request: ById) -> IdentitySecret:
        async with self._db.transaction(context.account) as tx:
            secret = await chatbots.identity_secret(tx, context.account, request.id)
        if secret is None:
            raise NoChatbot
        return IdentitySecret(secret=secret)

    async def rotate_identity(self, context: Context, request: ById) -> IdentitySecret:
        secret = settings.new_identity_secret()
        async with self._db.transaction(context.account) as tx:
            await _existing(tx, context.account, request.id, lock=True)
            await chatbots.set_identity_secret(tx, context.account, request.id, secret)
        return IdentitySecret(secret=secret)

    # -- the widget --------------------------------------------------------------------------

    async def origins(self, _: Context, request: ById) -> WidgetOrigins:
        account, chatbot = await self._any_account(request.id)
        return WidgetOrigins(
            account_id=account,
            enabled=chatbot.widget.enabled,
            allowed_origins=chatbot.widget.allowed_origins,
        )

    async def open_widget(self, _: Context, request: OpenWidget) -> WidgetOpened:
        """Who the visitor is, what they may know of the chatbot, and where they left off.

        Raises `NoChatbot`, `WidgetDisabled`, `OriginRefused`, `IdentityInvalid` or
        `IdentityRequired`.
        """
        account, chatbot = await self._any_account(request.chatbot_id)
        widget.check_origin(chatbot, request.origin)
        async with self._db.transaction(account) as tx:
            secret = await chatbots.identity_secret(tx, account, chatbot.id)
            if secret is None:
                raise NoChatbot
            user = widget.proven_user(request, secret)
            if user is None and chatbot.widget.require_identity:
                # Renewed by a token alone: the proof that came with it may have expired since.
                known = request.visitor_id
                if known is None or not await chatbots.identified(tx, account, chatbot.id, known):
                    raise IdentityRequired
            visitor = await _visitor(tx, account, request, user)
            await chatbots.seen(tx, account, chatbot.id, [visitor], user)
            talk = await conversations.latest_of_visitor(tx, account, chatbot.id, visitor)
        return WidgetOpened(
            account_id=account,
            visitor_id=visitor,
            chatbot=settings.public(chatbot, request.language),
            conversation=talk,
        )

    async def _any_account(self, id: str) -> tuple[str, Chatbot]:
        async with self._db.system() as tx:
            found = await chatbots.any_account(tx, id)
        if found is None:
            raise NoChatbot
        return found


async def _existing(tx: Tx, account: str, id: str, *, lock: bool = False) -> Chatbot:
    found = await chatbots.get(tx, account, id, lock=lock)
    if found is None:
        raise NoChatbot
    return found


async def _visitor(tx: Tx, account: str, request: OpenWidget, user: str | None) -> str:
    """The visitor's id: the user's own, the token's, the one wished for if free, or a new one.

    A visitor who turns out to be a known user brings their anonymous conversations along.
    """
    chatbot = request.chatbot_id
    if user is not None:
        await conversations.hold(tx, f"{chatbot}:{user}")
        known = await chatbots.visitor_of_user(tx, account, chatbot, user)
        anonymous = request.visitor_id
        if anonymous is not None and await chatbots.identified(tx, account, chatbot, anonymous):
            anonymous = None  # somebody else's, on the same machine
        if known is None:
            return anonymous or new_id("vis")
        if anonymous not in (None, known):
            await chatbots.merge_visitor(tx, account, chatbot, str(anonymous), known)
        return known
    if request.visitor_id is not None:
        return request.visitor_id
    wished = request.claimed_visitor_id
    if wished is not None and not await chatbots.visitor_known(tx, account, chatbot, wished):
        return wished
    return new_id("vis")
