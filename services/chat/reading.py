"""An answer for those who come back to it, or who have had enough of it."""

from contextlib import suppress

from libs.common.bus import Bus
from libs.common.calls import AnswerState, Done, GetAnswer, StopAnswer
from libs.common.db import Database, Tx
from libs.common.envelope import Context
from libs.common.errors import AppError
from services.chat.answering import Runner
from services.chat.errors import NoAnswer
from services.chat.store import answers
from services.chat.store.answers import AnswerRow

STOPS = "chat.stops"  # every process hears of an answer to stop


async def stop(bus: Bus, answer: str) -> None:
    """Tell whoever writes it; the row says so as well, for those who do not hear it."""
    with suppress(AppError):
        await bus.publish(STOPS, answer.encode())


class Answers:
    def __init__(self, db: Database, bus: Bus, runner: Runner) -> None:
        self._db = db
        self._bus = bus
        self._runner = runner

    async def get(self, context: Context, request: GetAnswer) -> AnswerState:
        async with self._db.transaction(context.account) as tx:
            row = await _own(tx, context, request.chatbot_id, request.answer_id)
        return AnswerState(
            answer_id=row.id,
            conversation_id=row.conversation_id,
            running=not row.finished,
            frames=row.frames,
        )

    async def stop(self, context: Context, request: StopAnswer) -> Done:
        """Stopping what ended already changes nothing."""
        async with self._db.transaction(context.account) as tx:
            row = await _own(tx, context, request.chatbot_id, request.answer_id)
            await answers.ask_to_stop(tx, context.account, row.id)
        await stop(self._bus, row.id)
        return Done()

    async def listen(self) -> None:
        """Hear of answers to stop, until cancelled. What is missed shows at the next renewal."""
        while True:
            with suppress(AppError):  # read too slowly: start over
                async with self._bus.live(STOPS) as feed:
                    while True:
                        message = await feed.next(60)
                        if message is not None:
                            self._runner.stop(message.data.decode())


async def _own(tx: Tx, context: Context, chatbot: str, id: str) -> AnswerRow:
    """Raises `NoAnswer` also for a visitor whose answer it is not."""
    row = await answers.get(tx, context.account, chatbot, id)
    if row is None:
        raise NoAnswer
    if context.actor.is_visitor:
        theirs = context.actor.chatbot == chatbot
        if not theirs or await answers.visitor_of(tx, context.account, id) != context.actor.id:
            raise NoAnswer
    return row
