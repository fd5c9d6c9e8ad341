"""Chatbots and their visitors."""

from collections.abc import Collection
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from libs.common import pages
from libs.common.calls import (
    Appearance,
    Chatbot,
    ChatbotLimits,
    Handoff,
    ListChatbots,
    Page,
    Personality,
    WidgetSettings,
)
from libs.common.db import Tx

PARTS = ("personality", "appearance", "widget", "handoff", "limits")


class _Settings(msgspec.Struct, rename="camel"):
    personality: Personality = Personality()
    appearance: Appearance = Appearance()
    widget: WidgetSettings = WidgetSettings()
    handoff: Handoff = Handoff()
    limits: ChatbotLimits = ChatbotLimits()


def _chatbot(row: dict[str, Any]) -> Chatbot:
    parts = msgspec.convert(row["settings"], _Settings)
    return Chatbot(
        id=row["id"],
        name=row["name"],
        website=row["website"],
        language=row["language"],
        status=row["status"],
        personality=parts.personality,
        appearance=parts.appearance,
        widget=parts.widget,
        handoff=parts.handoff,
        limits=parts.limits,
        retention_days=row["retention_days"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        etag=str(row["version"]),
    )


def _settings(chatbot: Chatbot) -> Jsonb:
    return Jsonb({part: msgspec.to_builtins(getattr(chatbot, part)) for part in PARTS})


async def insert(tx: Tx, account: str, chatbot: Chatbot, identity_secret: str) -> Chatbot:
    cursor = await tx.execute(
        "insert into chatbots (id, account_id, name, website, language, settings, retention_days,"
        " identity_secret) values (%s, %s, %s, %s, %s, %s, %s, %s) returning *",
        (
            chatbot.id,
            account,
            chatbot.name,
            chatbot.website,
            chatbot.language,
            _settings(chatbot),
            chatbot.retention_days,
            identity_secret,
        ),
    )
    row = await cursor.fetchone()
    assert row is not None
    return _chatbot(row)


async def get(tx: Tx, account: str, id: str, *, lock: bool = False) -> Chatbot | None:
    """An active chatbot; one that is being deleted is not there any more."""
    query = "select * from chatbots where account_id = %s and id = %s and status = 'active'"
    cursor = await tx.execute(f"{query} for update" if lock else query, (account, id))
    row = await cursor.fetchone()
    return _chatbot(row) if row else None


async def any_account(tx: Tx, id: str) -> tuple[str, Chatbot] | None:
    """For callers who are nobody yet: whose chatbot this is."""
    cursor = await tx.execute("select * from chatbots where id = %s and status = 'active'", (id,))
    row = await cursor.fetchone()
    return (row["account_id"], _chatbot(row)) if row else None


async def page(tx: Tx, account: str, wanted: ListChatbots) -> Page[Chatbot]:
    rows, pagination = await pages.page(
        tx,
        "select * from chatbots where account_id = %(account)s and status = 'active'"
        " and (%(after)s::text is null or id < %(after)s)"
        " and (%(q)s::text is null or name ilike '%%' || %(q)s || '%%')"
        " order by id desc limit %(rows)s",
        {"account": account, "after": pages.decode(wanted.cursor), "q": wanted.q},
        wanted.limit,
    )
    return Page(data=[_chatbot(row) for row in rows], pagination=pagination)


async def update(tx: Tx, account: str, chatbot: Chatbot) -> Chatbot:
    cursor = await tx.execute(
        "update chatbots set name = %s, website = %s, language = %s, settings = %s,"
        " retention_days = %s, version = version + 1, updated_at = now()"
        " where account_id = %s and id = %s returning *",
        (
            chatbot.name,
            chatbot.website,
            chatbot.language,
            _settings(chatbot),
            chatbot.retention_days,
            account,
            chatbot.id,
        ),
    )
    row = await cursor.fetchone()
    assert row is not None
    return _chatbot(row)


async def mark_deleting(tx: Tx, account: str, id: str) -> bool:
    cursor = await tx.execute(
        "update chatbots set status = 'deleting' where account_id = %s and id = %s"
        " and status = 'active'",
        (account, id),
    )
    return cursor.rowcount == 1


async def remove(tx: Tx, account: str, id: str) -> None:
    """The chatbot with all that hangs on it."""
    await tx.execute(
        "delete from live_events where account_id = %s and conversation_id in"
        " (select id from conversations where account_id = %s and chatbot_id = %s)",
        (account, account, id),
    )
    await tx.execute("delete from chatbots where account_id = %s and id = %s", (account, id))


async def identity_secret(tx: Tx, account: str, id: str) -> str | None:
    cursor = await tx.execute(
        "select identity_secret from chatbots where account_id = %s and id = %s"
        " and status = 'active'",
        (account, id),
    )
    row = await cursor.fetchone()
    return row["identity_secret"] if row else None


async def set_identity_secret(tx: Tx, account: str, id: str, secret: str) -> None:
    await tx.execute(
        "update chatbots set identity_secret = %s where account_id = %s and id = %s",
        (secret, account, id),
    )


async def count(tx: Tx, account: str) -> int:
    cursor = await tx.execute(
        "select count(*) as n from chatbots where account_id = %s and status = 'active'", (account,)
    )
    row = await cursor.fetchone()
    return row["n"] if row else 0


# -- visitors --------------------------------------------------------------------------------


async def seen(
    tx: Tx, account: str, chatbot: str, visitors: Collection[str], user_id: str | None = None
) -> None:
    """Visitors are here now; locked in the order of their ids."""
    await tx.execute(
        "insert into visitors (id, account_id, chatbot_id, user_id)"
        " select visitor, %(account)s, %(chatbot)s, %(user)s"
        " from unnest(%(visitors)s::text[]) visitor"
        " on conflict (account_id, chatbot_id, id) do update set last_seen_at = now(),"
        " user_id = coalesce(excluded.user_id, visitors.user_id)",
        {
            "visitors": sorted(set(visitors)),
            "account": account,
            "chatbot": chatbot,
            "user": user_id,
        },
    )


async def visitor_known(tx: Tx, account: str, chatbot: str, visitor: str) -> bool:
    cursor = await tx.execute(
        "select 1 as one from visitors where account_id = %s and chatbot_id = %s and id = %s",
        (account, chatbot, visitor),
    )
    return await cursor.fetchone() is not None


async def identified(tx: Tx, account: str, chatbot: str, visitor: str) -> bool:
    """Whether this visitor is a user of the owner's site."""
    cursor = await tx.execute(
        "select 1 as one from visitors where account_id = %s and chatbot_id = %s and id = %s"
        " and user_id is not null",
        (account, chatbot, visitor),
    )
    return await cursor.fetchone() is not None


async def visitor_of_user(tx: Tx, account: str, chatbot: str, user_id: str) -> str | None:
    cursor = await tx.execute(
        "select id from visitors where account_id = %s and chatbot_id = %s and user_id = %s",
        (account, chatbot, user_id),
    )
    row = await cursor.fetchone()
    return row["id"] if row else None


async def merge_visitor(tx: Tx, account: str, chatbot: str, old: str, new: str) -> None:
    """Give an anonymous visitor's conversations to the person they turned out to be."""
    await tx.execute(
        "update conversations set visitor_id = %s where account_id = %s and chatbot_id = %s"
        " and visitor_id = %s",
        (new, account, chatbot, old),
    )
    await tx.execute(
        "delete from visitors where account_id = %s and chatbot_id = %s and id = %s"
        " and user_id is null",
        (account, chatbot, old),
    )


async def remove_visitor(tx: Tx, account: str, visitor: str) -> None:
    """Of a person whose conversations are gone."""
    await tx.execute("delete from visitors where account_id = %s and id = %s", (account, visitor))


async def remove_old_visitors(tx: Tx, limit: int) -> None:
    """Those without conversations who were last seen longer ago than their chatbot remembers."""
    await tx.execute(
        "delete from visitors v using (select o.account_id, o.chatbot_id, o.id from visitors o"
        " join chatbots b on b.id = o.chatbot_id where b.retention_days is not null"
        " and o.last_seen_at < now() - make_interval(days => b.retention_days)"
        " and not exists (select 1 from conversations c where c.account_id = o.account_id"
        "  and c.chatbot_id = o.chatbot_id and c.visitor_id = o.id)"
        " limit %s for update of o skip locked) old where v.account_id = old.account_id"
        " and v.chatbot_id = old.chatbot_id and v.id = old.id",
        (limit,),
    )


async def visitor_exists(tx: Tx, account: str, visitor: str) -> bool:
    cursor = await tx.execute(
        "select 1 as one from visitors where account_id = %s and id = %s limit 1",
        (account, visitor),
    )
    return await cursor.fetchone() is not None
