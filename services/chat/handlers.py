"""Entry points: what comes over the bus, handed to the domain."""

from libs.common import calls
from libs.common.bus import Bus
from services.chat.asking import Asking
from services.chat.bots import Bots
from services.chat.exports import Exports
from services.chat.jobs import Jobs
from services.chat.people import People
from services.chat.reading import Answers
from services.chat.stats import Stats
from services.chat.talks import Talks

ASKS = 256  # at once in one process; each is one short transaction


async def serve(
    bus: Bus,
    *,
    asking: Asking,
    answers: Answers,
    bots: Bots,
    talks: Talks,
    people: People,
    exports: Exports,
    stats: Stats,
    jobs: Jobs,
) -> None:
    await bus.serve(calls.CHATBOTS_LIST, bots.page)
    await bus.serve(calls.CHATBOT_CREATE, bots.create)
    await bus.serve(calls.CHATBOT_GET, bots.get)
    await bus.serve(calls.CHATBOT_UPDATE, bots.update)
    await bus.serve(calls.CHATBOT_DELETE, bots.delete)
    await bus.serve(calls.CHATBOT_IDENTITY, bots.identity)
    await bus.serve(calls.CHATBOT_IDENTITY_ROTATE, bots.rotate_identity)
    await bus.serve(calls.JOB_GET, bots.job)
    await bus.serve(calls.VISITOR_DELETE, bots.delete_visitor)
    await bus.serve(calls.CHAT_ERASE, jobs.erase)
    await bus.serve(calls.WIDGET_ORIGINS, bots.origins)
    await bus.serve(calls.WIDGET_OPEN, bots.open_widget)

    await bus.serve(calls.MESSAGE_CREATE, asking.ask, concurrency=ASKS)
    await bus.serve(calls.ANSWER_GET, answers.get)
    await bus.serve(calls.ANSWER_STOP, answers.stop)

    await bus.serve(calls.CONVERSATIONS_LIST, talks.page)
    await bus.serve(calls.CONVERSATION_GET, talks.get)
    await bus.serve(calls.CONVERSATION_MESSAGES, talks.messages)
    await bus.serve(calls.CONVERSATION_REPLY, people.reply)
    await bus.serve(calls.CONVERSATION_TAGS, people.tags)
    await bus.serve(calls.CONVERSATION_ESCALATE, people.escalate)
    await bus.serve(calls.CONVERSATION_RESOLVE, people.resolve)
    await bus.serve(calls.CONVERSATION_HANDBACK, people.handback)
    await bus.serve(calls.CONVERSATION_ASSIGN, people.assign)
    await bus.serve(calls.CONVERSATION_NOTE, people.note)
    await bus.serve(calls.CONVERSATION_FEEDBACK, people.feedback)
    await bus.serve(calls.CONVERSATION_TYPING, talks.typing)
    await bus.serve(calls.LIVE_EVENTS, talks.events)
    await bus.serve_stream(calls.CONVERSATION_EXPORT, exports.export)

    await bus.serve(calls.ANALYTICS_OVERVIEW, stats.overview)
    await bus.serve(calls.ANALYTICS_UNANSWERED, stats.unanswered)
    await bus.serve(calls.UNANSWERED_DISMISS, stats.dismiss)
    await bus.serve(calls.CHAT_USAGE, stats.usage)
