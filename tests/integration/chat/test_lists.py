"""Lists of conversations: whole over pages, in the order that was asked for."""

from libs.common import calls
from tests.integration.chat.conftest import Chat


async def test_an_inbox_shows_first_what_was_last_written_in(chat: Chat) -> None:
    bot = await chat.bot()
    made = [(await chat.ask(bot, f"Hello {n}")).asked.conversation_id for n in range(3)]
    await chat.ask(bot, "Hello again", conversation_id=made[0])

    async def pages(sort: str) -> list[str]:
        ids: list[str] = []
        cursor = None
        while True:
            asked = calls.ListConversations(sort=sort, limit=1, cursor=cursor)  # pyright: ignore[reportArgumentType]
            page = await chat.call(calls.CONVERSATIONS_LIST, asked)
            ids += [c.id for c in page.data]
            if not page.pagination.has_more:
                return ids
            cursor = page.pagination.cursor

    assert await pages("activity") == [made[0], made[2], made[1]]
    assert await pages("created") == [made[2], made[1], made[0]]


async def test_a_cursor_of_another_order_is_refused(chat: Chat) -> None:
    bot = await chat.bot()
    for n in range(2):
        await chat.ask(bot, f"Hello {n}")
    page = await chat.call(calls.CONVERSATIONS_LIST, calls.ListConversations(limit=1))

    asked = calls.ListConversations(sort="activity", cursor=page.pagination.cursor)
    assert await chat.refused(calls.CONVERSATIONS_LIST, asked) == "invalid_request"


async def test_a_long_conversation_can_be_read_from_its_end(chat: Chat) -> None:
    bot = await chat.bot()
    first = (await chat.ask(bot, "Hello 0")).asked.conversation_id
    for n in (1, 2):
        await chat.ask(bot, f"Hello {n}", conversation_id=first)
    there = [message.id for message in await chat.messages(first)]
    read: list[str] = []
    cursor = None
    while len(read) < len(there):
        asked = calls.ListMessages(id=first, order="newest", limit=4, cursor=cursor)
        page = await chat.call(calls.CONVERSATION_MESSAGES, asked)
        read += [message.id for message in page.data]
        assert page.pagination.has_more == (len(read) < len(there))
        cursor = page.pagination.cursor
    assert read == there[::-1]
